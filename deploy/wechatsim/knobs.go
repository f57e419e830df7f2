package wechatsim

import (
	"errors"
	"fmt"
)

// Knobs are the settings of everything WeChat documents badly, changes over time, or does oddly. The defaults are
// what was last observed.
type Knobs struct {
	// ContentType is the header of every JSON answer; "text/plain" is seen too. Empty: no header.
	ContentType string `yaml:"content_type" json:"content_type"`
	// EscapeSlashes writes "/" as "\/" in JSON.
	EscapeSlashes bool `yaml:"escape_slashes" json:"escape_slashes"`
	// RID is how errmsg ends: "comma" (", rid: …"), "space" (" rid: …"), "hints" (before 2020) or "none".
	RID string `yaml:"rid" json:"rid"`
	// Nickname spoils nicknames: "clean", "control" (a raw control character), "invalid_utf8", "emoji" (private use).
	Nickname string `yaml:"nickname" json:"nickname"`
	// ErrcodeInSuccess adds "errcode":0 to a successful jscode2session, as the documentation's sample has it.
	ErrcodeInSuccess bool `yaml:"errcode_in_success" json:"errcode_in_success"`
	// ClockSkewSeconds is added to the times in signatures.
	ClockSkewSeconds int `yaml:"clock_skew_seconds" json:"clock_skew_seconds"`

	// CodeSeconds is the life of a code of an official account or mini program.
	CodeSeconds int `yaml:"code_seconds" json:"code_seconds"`
	// WebsiteCodeSeconds is the life of a website's or mobile app's code.
	WebsiteCodeSeconds int `yaml:"website_code_seconds" json:"website_code_seconds"`
	// SNSTokenSeconds is the life of a user's access token.
	SNSTokenSeconds int `yaml:"sns_token_seconds" json:"sns_token_seconds"`
	// RefreshTokenSeconds is the life of a refresh token.
	RefreshTokenSeconds int `yaml:"refresh_token_seconds" json:"refresh_token_seconds"`
	// TokenSeconds is the life of an account's access token.
	TokenSeconds int `yaml:"token_seconds" json:"token_seconds"`
	// TokenOverlapSeconds is how long the former access token works beside the new one.
	TokenOverlapSeconds int `yaml:"token_overlap_seconds" json:"token_overlap_seconds"`
	// RotateRefresh answers a refresh with a new refresh token.
	RotateRefresh bool `yaml:"rotate_refresh" json:"rotate_refresh"`
	// ExpiredCode is the errcode of a code that ran out: 40029, or 42003 as a table in the documentation says.
	ExpiredCode int `yaml:"expired_code" json:"expired_code"`
	// BadSecretCode is the errcode of a wrong secret at /cgi-bin/token and stable_token: 40125 or 40001.
	BadSecretCode int `yaml:"bad_secret_code" json:"bad_secret_code"`

	// SnapshotStable gives a snapshot user the same virtual openid at each visit.
	SnapshotStable bool `yaml:"snapshot_stable" json:"snapshot_stable"`
	// SnapshotFlagMissing leaves is_snapshotuser out, as was reported for first visits.
	SnapshotFlagMissing bool `yaml:"snapshot_flag_missing" json:"snapshot_flag_missing"`
	// SnapshotUserinfo48001 refuses /sns/userinfo to a snapshot user.
	SnapshotUserinfo48001 bool `yaml:"snapshot_userinfo_48001" json:"snapshot_userinfo_48001"`
	// RefuseRedirect sends a website's user who refuses back with only the state.
	RefuseRedirect bool `yaml:"refuse_redirect" json:"refuse_redirect"`
	// SilentFollowers lets followers through snsapi_userinfo without a page, as from the account's own menu.
	SilentFollowers bool `yaml:"silent_followers" json:"silent_followers"`
	// RequireWeChat shows the "open in WeChat" page to other browsers.
	RequireWeChat bool `yaml:"require_wechat" json:"require_wechat"`
	// StrictOrder refuses authorize parameters in another order than the documentation's.
	StrictOrder bool `yaml:"strict_order" json:"strict_order"`

	// MigrateByOriginalID makes changeopenid take the gh_ name, as the documentation says, instead of the appid.
	MigrateByOriginalID bool `yaml:"migrate_by_original_id" json:"migrate_by_original_id"`
	// MigrateLateCode is changeopenid's errcode after the window of 15 days: 63178 or -1.
	MigrateLateCode int `yaml:"migrate_late_code" json:"migrate_late_code"`

	// PushTimeoutMillis is how long a receiver has to answer a push or notification, in real time.
	PushTimeoutMillis int `yaml:"push_timeout_ms" json:"push_timeout_ms"`
	// PushTries is how often a push is sent in all.
	PushTries int `yaml:"push_tries" json:"push_tries"`
	// PushRetryWaitMillis is the pause between them. WeChat sends again at once.
	PushRetryWaitMillis int `yaml:"push_retry_wait_ms" json:"push_retry_wait_ms"`
	// PushRetryOnStatus sends again after an answer that is not 2xx, not only after a timeout.
	PushRetryOnStatus bool `yaml:"push_retry_on_status" json:"push_retry_on_status"`
	// UnionIDInRevoke adds UnionID to the authorization events, as the newer documentation has it.
	UnionIDInRevoke bool `yaml:"unionid_in_revoke" json:"unionid_in_revoke"`
	// PlatformAccount is the FromUserName of the authorization events: WeChat's own account, not the user.
	PlatformAccount string `yaml:"platform_account" json:"platform_account"`

	// PayTimeScale divides the waits of the notification schedule: 1000 makes 15 s into 15 ms.
	PayTimeScale int `yaml:"pay_time_scale" json:"pay_time_scale"`
	// PayCertificateSerial names the certificate's serial in Wechatpay-Serial instead of the public key's id.
	PayCertificateSerial bool `yaml:"pay_certificate_serial" json:"pay_certificate_serial"`
	// BillBOM starts a bill with a byte order mark.
	BillBOM bool `yaml:"bill_bom" json:"bill_bom"`
}

// DefaultKnobs is WeChat as last observed.
func DefaultKnobs() Knobs {
	return Knobs{
		ContentType: "application/json; encoding=utf-8", RID: "comma", Nickname: "clean",
		CodeSeconds: 300, WebsiteCodeSeconds: 600, SNSTokenSeconds: 7200, RefreshTokenSeconds: 30 * 86400,
		TokenSeconds: 7200, TokenOverlapSeconds: 300, ExpiredCode: 40029, BadSecretCode: 40125,
		SnapshotStable: true, RefuseRedirect: true, MigrateLateCode: 63178,
		PushTimeoutMillis: 5000, PushTries: 3, PushRetryOnStatus: true, PlatformAccount: "gh_simulated0platform",
		PayTimeScale: 1,
	}
}

func (k *Knobs) faults() []error {
	var faults []error
	oneOf := func(path, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		faults = append(faults, fmt.Errorf("%s: %q is none of %v", path, value, allowed))
	}
	positive := func(path string, value int) {
		if value < 1 {
			faults = append(faults, fmt.Errorf("%s: %d is not positive", path, value))
		}
	}
	either := func(path string, value, a, b int) {
		if value != a && value != b {
			faults = append(faults, fmt.Errorf("%s: %d is neither %d nor %d", path, value, a, b))
		}
	}
	oneOf("rid", k.RID, "comma", "space", "hints", "none")
	oneOf("nickname", k.Nickname, "clean", "control", "invalid_utf8", "emoji")
	positive("code_seconds", k.CodeSeconds)
	positive("website_code_seconds", k.WebsiteCodeSeconds)
	positive("sns_token_seconds", k.SNSTokenSeconds)
	positive("refresh_token_seconds", k.RefreshTokenSeconds)
	positive("token_seconds", k.TokenSeconds)
	positive("push_timeout_ms", k.PushTimeoutMillis)
	positive("push_tries", k.PushTries)
	positive("pay_time_scale", k.PayTimeScale)
	either("expired_code", k.ExpiredCode, codeInvalidCode, codeCodeTimeout)
	either("bad_secret_code", k.BadSecretCode, codeInvalidSecret, codeInvalidCredential)
	either("migrate_late_code", k.MigrateLateCode, codeWrongAppID, codeSystemError)
	if k.TokenOverlapSeconds < 0 || k.PushRetryWaitMillis < 0 {
		faults = append(faults, errors.New("token_overlap_seconds, push_retry_wait_ms: negative"))
	}
	return faults
}
