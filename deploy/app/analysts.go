package app

import (
	"github.com/go-chi/chi/v5"

	"github.com/unionlink/unionlink/api"
	"github.com/unionlink/unionlink/api/console"
	"github.com/unionlink/unionlink/api/export"
	"github.com/unionlink/unionlink/ingest"
)

// mountAPI adds the questions, and the console for every path that is nobody else's.
func (a *App) mountAPI(r chi.Router, c *connections, k *issued) error {
	cfg := api.Config{
		Tokens: k.tokens, SessionLifetime: a.cfg.Analysts.SessionLifetime, MaxIdentitiesPerKey: a.cfg.Linker.MaxIdentitiesPerKey,
		Columnar: export.Columnar{URL: c.servers.httpURL, User: c.servers.analystUser, Password: c.servers.analystPassw},
	}
	for _, account := range a.cfg.Accounts {
		cfg.Accounts = append(cfg.Accounts, api.Account{
			AppID: account.AppID, Name: account.Name, Kind: string(account.Kind), Platform: account.Platform,
		})
	}
	questions, err := api.New(cfg, api.Deps{
		Reader: c.reader, Writer: c.loader, Publisher: ingest.From("analysts", c.committer), Console: console.Handler(),
		Log: a.deps.Log, Metrics: a.metrics, Now: a.deps.Now, Secret: k.secret,
	})
	if err != nil {
		return err
	}
	questions.Routes(r)
	a.ready.add("api", questions.Ready)
	return nil
}
