package api

import "net/http"

type accountsAnswer struct {
	Accounts []Account `json:"accounts"`
}

// accounts lists the configured accounts that the caller may see.
func (c *call) accounts() error {
	out := accountsAnswer{Accounts: []Account{}}
	for _, account := range c.cfg.Accounts {
		if c.user.Sees(account.AppID) {
			out.Accounts = append(out.Accounts, account)
		}
	}
	return c.answer(http.StatusOK, out)
}
