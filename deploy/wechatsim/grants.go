package wechatsim

import (
	"maps"
	"time"
)

// The scopes of web authorization. A mini program's code has none.
const (
	scopeBase     = "snsapi_base"
	scopeUserinfo = "snsapi_userinfo"
	scopeLogin    = "snsapi_login"
)

// authCode is a code that a browser or mini program carries to the account's server.
type authCode struct {
	account  *account
	user     *user
	scope    string
	snapshot bool
	virtual  string // the snapshot user's id, from which its openid and unionid follow
	expires  time.Time
	used     bool
}

// grant is what a user granted an account in one authorization.
type grant struct {
	account     *account
	user        *user
	openid      string
	scope       string
	snapshot    bool
	virtual     string
	refresh     string
	expires     time.Time // of the refresh token
	password    int
	revocations int
}

// snsToken is an access token to a user's profile. It is not the account's access token.
type snsToken struct {
	grant   *grant
	expires time.Time
}

// codeOrder asks for an authorization code.
type codeOrder struct {
	account  *account
	user     *user
	scope    string
	snapshot bool
}

// issueCode makes a code, and records the consent unless the user stays silent or virtual.
func (w *world) issueCode(order codeOrder, now time.Time) string {
	life := w.knobs.CodeSeconds
	if order.account.Kind == KindWebsite || order.account.Kind == KindMobileApp {
		life = w.knobs.WebsiteCodeSeconds
	}
	code := w.mint.code()
	c := &authCode{
		account: order.account, user: order.user, scope: order.scope, snapshot: order.snapshot,
		expires: now.Add(time.Duration(life) * time.Second),
	}
	if order.snapshot {
		c.virtual = "virtual:" + order.user.id + ":" + order.account.AppID
		if !w.knobs.SnapshotStable {
			c.virtual += ":" + code
		}
	} else if rel := w.relate(order.account, order.user); order.scope != scopeBase {
		rel.authorized = now
	}
	if w.sweepIn--; w.sweepIn <= 0 {
		w.sweep(now)
	}
	w.codes[code] = c
	return code
}

const (
	sweepEvery = 50_000         // codes
	keptPast   = 24 * time.Hour // a code or token tells for a day after its end why it no longer works
)

// sweep forgets what ended long ago, so that a simulator under load for days does not grow for ever.
func (w *world) sweep(now time.Time) {
	w.sweepIn = sweepEvery
	past := now.Add(-keptPast)
	maps.DeleteFunc(w.codes, func(_ string, c *authCode) bool { return c.expires.Before(past) })
	maps.DeleteFunc(w.tokens, func(_ string, t *snsToken) bool { return t.expires.Before(past) })
	maps.DeleteFunc(w.refreshes, func(_ string, g *grant) bool { return g.expires.Before(past) })
	maps.DeleteFunc(w.tickets, func(_ string, t *ticket) bool { return t.expires.Before(past) })
}

// takeCode redeems a code once.
func (w *world) takeCode(code string, a *account, now time.Time) (*authCode, *wxError) {
	c := w.codes[code]
	switch {
	case c == nil, c.account != a:
		return nil, fail(codeInvalidCode)
	case c.used:
		return nil, fail(codeUsedCode)
	case !now.Before(c.expires):
		return nil, fail(w.knobs.ExpiredCode)
	}
	return c, nil
}

// openGrant turns a redeemed code into tokens.
func (w *world) openGrant(c *authCode, now time.Time) (token string, g *grant) {
	c.used = true
	g = &grant{
		account: c.account, user: c.user, scope: c.scope, snapshot: c.snapshot, virtual: c.virtual,
		refresh: w.mint.token(), expires: now.Add(time.Duration(w.knobs.RefreshTokenSeconds) * time.Second),
		password: c.user.password,
	}
	if c.snapshot {
		g.openid = w.mint.openID(c.virtual, c.account.AppID)
	} else {
		rel := w.relate(c.account, c.user)
		g.openid, g.revocations = rel.openid, rel.revocations
	}
	w.refreshes[g.refresh] = g
	return w.issueSNSToken(g, now), g
}

// grantUnionID is the unionid a grant shows now: none for a silent one.
func (w *world) grantUnionID(g *grant) string {
	switch {
	case g.scope == scopeBase:
		return ""
	case g.snapshot:
		return w.mint.unionID(g.virtual, g.account.Platform)
	}
	return w.unionID(g.account, g.user)
}

func (w *world) issueSNSToken(g *grant, now time.Time) string {
	token := w.mint.token()
	w.tokens[token] = &snsToken{grant: g, expires: now.Add(time.Duration(w.knobs.SNSTokenSeconds) * time.Second)}
	return token
}

// snsGrant checks a user's access token and the openid that comes with it.
func (w *world) snsGrant(token, openid string, now time.Time) (*grant, *wxError) {
	t := w.tokens[token]
	if t == nil {
		return nil, fail(codeInvalidToken)
	}
	if err := w.voided(t.grant); err != nil {
		return nil, err
	}
	if !now.Before(t.expires) {
		return nil, fail(codeTokenExpired)
	}
	if t.grant.openid != openid {
		return nil, fail(codeInvalidOpenID)
	}
	return t.grant, nil
}

// voided tells whether the user took the grant back: by revoking, closing the account or a new password.
func (w *world) voided(g *grant) *wxError {
	if g.user.password != g.password {
		return fail(codePasswordChanged)
	}
	rel := g.account.relations[g.openid]
	if g.user.cancelled || (rel != nil && rel.revocations != g.revocations) {
		return fail(codeInvalidCredential)
	}
	return nil
}

// expire ends the codes, user tokens, refresh tokens or account tokens of an account.
func (w *world) expire(a *account, what string, now time.Time) error {
	switch what {
	case "codes", "sns", "refresh", "cgi", "all":
	default:
		return badRequest("what: %q is none of codes, sns, refresh, cgi, all", what)
	}
	all := what == "all"
	if all || what == "codes" {
		for _, c := range w.codes {
			if c.account == a {
				c.expires = now
			}
		}
	}
	if all || what == "sns" {
		for _, t := range w.tokens {
			if t.grant.account == a {
				t.expires = now
			}
		}
	}
	if all || what == "refresh" {
		for _, g := range w.refreshes {
			if g.account == a {
				g.expires = now
			}
		}
	}
	if all || what == "cgi" {
		a.normal.expire(now)
		a.stable.expire(now)
	}
	return nil
}
