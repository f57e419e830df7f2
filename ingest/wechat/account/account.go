// Package account describes the WeChat apps that unionlink serves, and finds one
// by its appid. It holds no secrets beyond those it is given, and no connections.
package account

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// Kind says how users of an account log in.
type Kind = schemas.AccountKind

// The kinds of account.
const (
	// KindOfficial is a verified service account (公众号): web authorization inside WeChat.
	KindOfficial = schemas.AccountKindOfficial
	// KindMiniProgram is a mini program (小程序): wx.login.
	KindMiniProgram = schemas.AccountKindMiniProgram
	// KindWebsite is a website app of the Open Platform (网站应用): a QR code.
	KindWebsite = schemas.AccountKindWebsite
	// KindMobile is a mobile app of the Open Platform (移动应用): a code of WeChat's SDK.
	KindMobile = schemas.AccountKindMobile
)

// Account is one WeChat app. Secrets arrive resolved, never as references.
type Account struct {
	// AppID is WeChat's name of the account, wx and 16 characters.
	AppID string `yaml:"appid"`
	// Name is what people call it; shown, never used to find it.
	Name string `yaml:"name"`
	Kind Kind   `yaml:"kind"`
	// Platform names the Open Platform account (开放平台账号) that the app is bound
	// to: the space in which its unionids are unique. Empty: not bound.
	Platform string `yaml:"platform"`
	// Former are the platforms that the app was bound to before, oldest first.
	Former []schemas.FormerPlatform `yaml:"former_platforms"`
	// Secret is the AppSecret. Without one the account takes events of back ends,
	// but cannot exchange codes.
	Secret string `yaml:"secret"`
	Push   Push   `yaml:"push"`
}

// Web tells whether users log in by a browser's redirect, which needs a state.
func (a Account) Web() bool { return a.Kind == KindOfficial || a.Kind == KindWebsite }

// Space is the key space of a unionid that the account stated at a moment.
func (a Account) Space(at time.Time) string {
	known := schemas.Account{AppID: a.AppID, Kind: a.Kind, Platform: a.Platform, Former: a.Former}
	return known.PlatformAt(at)
}

// Push is what the console's 服务器配置 page holds.
type Push struct {
	// Token signs pushes; 3 to 32 letters and digits. Empty: no pushes are taken.
	Token string `yaml:"token"`
	// AESKey is the EncodingAESKey of 43 characters. With one, only encrypted
	// messages are believed (compatible and safe mode); without one, plain ones.
	AESKey string `yaml:"aes_key"`
}

// LogValue keeps secrets out of logs.
func (a Account) LogValue() slog.Value {
	return slog.GroupValue(slog.String("appid", a.AppID), slog.String("kind", string(a.Kind)))
}

// Validate returns every fault, joined.
func (a Account) Validate() error {
	var faults []error
	if err := schemas.CheckIdentifier("appid", a.AppID); err != nil {
		faults = append(faults, err)
	}
	if !a.Kind.Valid() {
		faults = append(faults, fmt.Errorf("kind: %q is none of official_account, mini_program, website, mobile_app", a.Kind))
	}
	if a.Platform != "" {
		if err := schemas.CheckIdentifier("platform", a.Platform); err != nil {
			faults = append(faults, err)
		}
	}
	if key := a.Push.AESKey; key != "" {
		if raw, err := base64.StdEncoding.DecodeString(key + "="); err != nil || len(raw) != 32 {
			faults = append(faults, errors.New("push.aes_key: is not an EncodingAESKey of 43 characters"))
		}
		if a.Push.Token == "" {
			faults = append(faults, errors.New("push.token: is required beside an aes_key"))
		}
	}
	return errors.Join(faults...)
}

// Directory finds accounts by appid. It is never changed after NewDirectory.
type Directory struct {
	byAppID map[string]Account
	order   []string
}

// NewDirectory validates the accounts and returns every fault, each with its path.
func NewDirectory(accounts []Account) (*Directory, error) {
	d := &Directory{byAppID: make(map[string]Account, len(accounts))}
	var faults []error
	for i, a := range accounts {
		if err := a.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("accounts[%d]: %w", i, err))
		}
		if _, twice := d.byAppID[a.AppID]; twice {
			faults = append(faults, fmt.Errorf("accounts[%d].appid: %s is given twice", i, a.AppID))
		}
		d.byAppID[a.AppID] = a
		d.order = append(d.order, a.AppID)
	}
	return d, errors.Join(faults...)
}

// Find returns the account; ok is false for an appid that is not configured.
func (d *Directory) Find(appid string) (a Account, ok bool) {
	a, ok = d.byAppID[appid]
	return a, ok
}

// All lists the accounts in the order of the configuration.
func (d *Directory) All() []Account {
	all := make([]Account, 0, len(d.order))
	for _, appid := range d.order {
		all = append(all, d.byAppID[appid])
	}
	return all
}
