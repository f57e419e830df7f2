package client

import (
	"context"
	"net/url"
	"strings"
	"time"
)

// Credentials name an account to WeChat.
type Credentials struct{ AppID, Secret string }

// Grant is what a web authorization gives for one user.
type Grant struct {
	AccessToken, RefreshToken string
	ExpiresIn                 time.Duration
	OpenID                    string
	// UnionID comes only with the scopes snsapi_userinfo and snsapi_login, and
	// only from accounts bound to an Open Platform account.
	UnionID string
	// Scope is a list separated by commas.
	Scope string
	// SnapshotUser marks a virtual user, whose openid and unionid are nobody's.
	// WeChat tells it here and nowhere else.
	SnapshotUser bool
}

// ProfileGranted tells whether UserInfo may be asked with this grant.
func (g Grant) ProfileGranted() bool {
	for _, s := range strings.Split(g.Scope, ",") {
		if s == "snsapi_userinfo" || s == "snsapi_login" {
			return true
		}
	}
	return false
}

type grantReply struct {
	failure
	AccessToken  text   `json:"access_token"`
	RefreshToken text   `json:"refresh_token"`
	ExpiresIn    number `json:"expires_in"`
	OpenID       text   `json:"openid"`
	UnionID      text   `json:"unionid"`
	Scope        text   `json:"scope"`
	Snapshot     number `json:"is_snapshotuser"`
}

func (r grantReply) grant() Grant {
	return Grant{
		AccessToken: string(r.AccessToken), RefreshToken: string(r.RefreshToken), ExpiresIn: time.Duration(r.ExpiresIn) * time.Second,
		OpenID: string(r.OpenID), UnionID: string(r.UnionID), Scope: string(r.Scope), SnapshotUser: r.Snapshot == 1,
	}
}

// ExchangeCode spends a web authorization's code (GET /sns/oauth2/access_token).
// It is never repeated once it was sent: the code is good for one use, and may be
// spent although no answer arrived.
func (c *Client) ExchangeCode(ctx context.Context, app Credentials, code string) (Grant, error) {
	reply, err := do[grantReply](ctx, c, call{op: "/sns/oauth2/access_token", query: url.Values{
		"appid": {app.AppID}, "secret": {app.Secret}, "code": {code}, "grant_type": {"authorization_code"},
	}})
	if err == nil && reply.OpenID == "" {
		return Grant{}, incomplete("/sns/oauth2/access_token")
	}
	return reply.grant(), err
}

// RefreshGrant renews a grant (GET /sns/oauth2/refresh_token). Whether the old
// refresh token stays good is not documented: keep the one that comes back.
func (c *Client) RefreshGrant(ctx context.Context, appid, refreshToken string) (Grant, error) {
	reply, err := do[grantReply](ctx, c, call{op: "/sns/oauth2/refresh_token", query: url.Values{
		"appid": {appid}, "grant_type": {"refresh_token"}, "refresh_token": {refreshToken},
	}})
	if err == nil && reply.OpenID == "" {
		return Grant{}, incomplete("/sns/oauth2/refresh_token")
	}
	return reply.grant(), err
}

// UserInfo is a user's profile. WeChat gives no sex and no region any more.
type UserInfo struct {
	OpenID, UnionID string
	Nickname        string
	// HeadImgURL is empty for users without one, and dies when the picture changes.
	HeadImgURL string
}

// UserInfo asks for the profile (GET /sns/userinfo). lang is zh_CN, zh_TW or en;
// empty is WeChat's choice.
func (c *Client) UserInfo(ctx context.Context, accessToken, openid, lang string) (UserInfo, error) {
	query := url.Values{"access_token": {accessToken}, "openid": {openid}}
	if lang != "" {
		query.Set("lang", lang)
	}
	type profile struct {
		failure
		OpenID     text `json:"openid"`
		UnionID    text `json:"unionid"`
		Nickname   text `json:"nickname"`
		HeadImgURL text `json:"headimgurl"`
	}
	reply, err := do[profile](ctx, c, call{op: "/sns/userinfo", query: query, harmless: true})
	if err != nil {
		return UserInfo{}, err
	}
	return UserInfo{
		OpenID: string(reply.OpenID), UnionID: string(reply.UnionID),
		Nickname: string(reply.Nickname), HeadImgURL: string(reply.HeadImgURL),
	}, nil
}

// CheckGrant asks whether a grant's access token is good (GET /sns/auth). The
// error is nil if it is.
func (c *Client) CheckGrant(ctx context.Context, accessToken, openid string) error {
	_, err := do[failure](ctx, c, call{op: "/sns/auth", query: url.Values{"access_token": {accessToken}, "openid": {openid}}, harmless: true})
	return err
}

// Session is what wx.login's code gives. The session_key that WeChat sends with it
// is dropped here: unionlink never needs it.
type Session struct{ OpenID, UnionID string }

// MiniProgramSession spends a code of wx.login (GET /sns/jscode2session). Like
// ExchangeCode it is never repeated once it was sent.
func (c *Client) MiniProgramSession(ctx context.Context, app Credentials, code string) (Session, error) {
	type session struct {
		failure
		OpenID  text `json:"openid"`
		UnionID text `json:"unionid"`
	}
	const op = "/sns/jscode2session"
	reply, err := do[session](ctx, c, call{op: op, query: url.Values{
		"appid": {app.AppID}, "secret": {app.Secret}, "js_code": {code}, "grant_type": {"authorization_code"},
	}})
	if err == nil && reply.OpenID == "" {
		return Session{}, incomplete(op)
	}
	return Session{OpenID: string(reply.OpenID), UnionID: string(reply.UnionID)}, err
}
