package schemas

import "time"

// AccountKind is what kind of WeChat app an account is.
type AccountKind string

// The kinds of account.
const (
	AccountKindOfficial    AccountKind = "official_account"
	AccountKindMiniProgram AccountKind = "mini_program"
	AccountKindWebsite     AccountKind = "website"
	AccountKindMobile      AccountKind = "mobile_app"
)

// Valid tells whether k is one of the four.
func (k AccountKind) Valid() bool {
	switch k {
	case AccountKindOfficial, AccountKindMiniProgram, AccountKindWebsite, AccountKindMobile:
		return true
	}
	return false
}

// Account is one WeChat app.
type Account struct {
	AppID string
	Name  string
	Kind  AccountKind
	// Platform is the Open Platform account that the app is bound to: the space of its
	// unionids. Empty: the app is bound to none, and its unionids are its own.
	Platform string
	// Former are the platforms that the app was bound to before, oldest first.
	Former []FormerPlatform
}

// FormerPlatform is a platform that an account was bound to until a moment.
type FormerPlatform struct {
	Platform string
	Until    time.Time
}

// PlatformAt is the space of a unionid that the account stated at a moment. It
// depends on the event's own time, so that a replay after the account moved to
// another platform states what the first delivery stated.
func (a *Account) PlatformAt(occurred time.Time) string {
	for _, f := range a.Former {
		if occurred.Before(f.Until) {
			return f.Platform
		}
	}
	if a.Platform == "" {
		return "appid:" + a.AppID
	}
	return a.Platform
}
