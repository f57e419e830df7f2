package wechatsim

import "net/http"

// The /sns routes: what an account's server asks with a user's code or token. The checks stand in the order in which
// WeChat was observed to make them; the first that fails is the answer.

type tokenAnswer struct {
	AccessToken    string `json:"access_token"`
	ExpiresIn      int    `json:"expires_in"`
	RefreshToken   string `json:"refresh_token"`
	OpenID         string `json:"openid"`
	Scope          string `json:"scope"`
	IsSnapshotUser int    `json:"is_snapshotuser,omitempty"`
	UnionID        string `json:"unionid,omitempty"`
}

// exchangeCode is /sns/oauth2/access_token.
func exchangeCode(w *world, c *call) (any, *wxError) {
	q := c.query
	switch {
	case c.method != http.MethodGet && q.Get("appid") == "":
		return nil, fail(codeMissingAppID) // parameters in a body are not seen
	case c.method != http.MethodGet:
		return nil, fail(codeRequireGET)
	}
	a, code, err := w.checkExchange(c, "code")
	if err != nil {
		return nil, err
	}
	if err := a.spend(c.path, "", c.now); err != nil {
		return nil, err
	}
	token, g := w.openGrant(code, c.now)
	answer := tokenAnswer{
		AccessToken: token, ExpiresIn: w.knobs.SNSTokenSeconds, RefreshToken: g.refresh,
		OpenID: g.openid, Scope: g.scope, UnionID: w.grantUnionID(g),
	}
	if g.snapshot && !w.knobs.SnapshotFlagMissing {
		answer.IsSnapshotUser = 1
	}
	return answer, nil
}

// checkExchange is what both code exchanges check, the code itself included.
func (w *world) checkExchange(c *call, codeParam string) (*account, *authCode, *wxError) {
	q := c.query
	switch {
	case q.Get("appid") == "":
		return nil, nil, fail(codeMissingAppID)
	case q.Get("secret") == "":
		return nil, nil, fail(codeMissingSecret)
	case q.Get(codeParam) == "":
		return nil, nil, fail(codeMissingCode)
	case q.Get("grant_type") != "authorization_code":
		return nil, nil, fail(codeInvalidGrantType)
	}
	a := w.accounts[q.Get("appid")]
	if a == nil {
		return nil, nil, fail(codeInvalidAppID)
	}
	if q.Get("secret") != a.Secret {
		return nil, nil, fail(codeInvalidSecret)
	}
	code, err := w.takeCode(q.Get(codeParam), a, c.now)
	if err == nil && (a.Kind == KindMiniProgram) != (codeParam == "js_code") {
		err = fail(codeInvalidCode)
	}
	return a, code, err
}

// refreshToken is /sns/oauth2/refresh_token.
func refreshToken(w *world, c *call) (any, *wxError) {
	q := c.query
	switch {
	case q.Get("appid") == "":
		return nil, fail(codeMissingAppID)
	case q.Get("refresh_token") == "":
		return nil, fail(codeMissingRefresh)
	case q.Get("grant_type") != "refresh_token":
		return nil, fail(codeInvalidGrantType)
	}
	a := w.accounts[q.Get("appid")]
	if a == nil {
		return nil, fail(codeInvalidAppID)
	}
	g := w.refreshes[q.Get("refresh_token")]
	if g == nil || g.account != a {
		return nil, fail(codeInvalidRefresh)
	}
	if !c.now.Before(g.expires) {
		return nil, fail(codeRefreshExpired)
	}
	if err := w.voided(g); err != nil {
		return nil, err
	}
	if err := a.spend(c.path, "", c.now); err != nil {
		return nil, err
	}
	if w.knobs.RotateRefresh {
		delete(w.refreshes, g.refresh)
		g.refresh = w.mint.token()
		w.refreshes[g.refresh] = g
	}
	return tokenAnswer{
		AccessToken: w.issueSNSToken(g, c.now), ExpiresIn: w.knobs.SNSTokenSeconds, RefreshToken: g.refresh,
		OpenID: g.openid, Scope: g.scope,
	}, nil
}

type userinfoAnswer struct {
	OpenID     string   `json:"openid"`
	Nickname   string   `json:"nickname"`
	Sex        int      `json:"sex"`
	Language   string   `json:"language"`
	City       string   `json:"city"`
	Province   string   `json:"province"`
	Country    string   `json:"country"`
	HeadImgURL string   `json:"headimgurl"`
	Privilege  []string `json:"privilege"`
	UnionID    string   `json:"unionid,omitempty"`
}

// snsUserinfo is /sns/userinfo. It never says that a user is a snapshot user: only the code exchange does.
func snsUserinfo(w *world, c *call) (any, *wxError) {
	g, err := w.checkSNS(c)
	if err != nil {
		return nil, err
	}
	if g.scope == scopeBase || (g.snapshot && w.knobs.SnapshotUserinfo48001) {
		return nil, fail(codeUnauthorized)
	}
	if err := g.account.spend(c.path, "", c.now); err != nil {
		return nil, err
	}
	answer := userinfoAnswer{
		OpenID: g.openid, Nickname: spoil(g.user.nickname, w.knobs.Nickname), HeadImgURL: w.headimgurl(g.user),
		Privilege: []string{}, UnionID: w.grantUnionID(g),
	}
	if g.snapshot {
		answer.Nickname = spoil("微信用户", w.knobs.Nickname)
		answer.HeadImgURL = w.avatar + w.mint.avatarPath(g.virtual, 0)
	}
	return answer, nil
}

// snsAuth is /sns/auth.
func snsAuth(w *world, c *call) (any, *wxError) {
	g, err := w.checkSNS(c)
	if err != nil {
		return nil, err
	}
	if err := g.account.spend(c.path, "", c.now); err != nil {
		return nil, err
	}
	return errorAnswer{0, "ok"}, nil
}

func (w *world) checkSNS(c *call) (*grant, *wxError) {
	switch {
	case c.query.Get("access_token") == "":
		return nil, fail(codeMissingToken)
	case c.query.Get("openid") == "":
		return nil, fail(codeMissingOpenID)
	}
	return w.snsGrant(c.query.Get("access_token"), c.query.Get("openid"), c.now)
}

type sessionAnswer struct {
	SessionKey string `json:"session_key"`
	OpenID     string `json:"openid"`
	UnionID    string `json:"unionid,omitempty"`
	Errcode    *int   `json:"errcode,omitempty"`
	Errmsg     string `json:"errmsg,omitempty"`
}

// codeToSession is /sns/jscode2session, for mini programs. The unionid needs no consent there.
func codeToSession(w *world, c *call) (any, *wxError) {
	a, code, err := w.checkExchange(c, "js_code")
	if err != nil {
		return nil, err
	}
	if err := a.spend(c.path, code.user.id, c.now); err != nil {
		return nil, err
	}
	code.used = true
	answer := sessionAnswer{
		SessionKey: w.mint.sessionKey(), OpenID: w.relate(a, code.user).openid, UnionID: w.unionID(a, code.user),
	}
	if w.knobs.ErrcodeInSuccess {
		answer.Errcode, answer.Errmsg = new(int), "ok"
	}
	return answer, nil
}
