package client

import (
	"net/url"
	"strings"
)

// The scopes of web authorization.
const (
	// ScopeBase is silent, and gives the openid only.
	ScopeBase = "snsapi_base"
	// ScopeUserInfo asks the user, and gives profile and unionid.
	ScopeUserInfo = "snsapi_userinfo"
	// ScopeLogin is the QR code of websites; it gives profile and unionid.
	ScopeLogin = "snsapi_login"
)

// AuthorizeURL is where a browser begins web authorization. Scope ScopeLogin leads
// to the website's QR code, others to the page inside WeChat. WeChat's pages want
// the parameters in this order and the fragment.
func (c *Client) AuthorizeURL(appid, redirect, scope, state string) string {
	path := "/connect/oauth2/authorize"
	if scope == ScopeLogin {
		path = "/connect/qrconnect"
	}
	var b strings.Builder
	b.WriteString(c.cfg.OpenURL)
	b.WriteString(path)
	for i, p := range [...][2]string{
		{"appid", appid}, {"redirect_uri", redirect}, {"response_type", "code"}, {"scope", scope}, {"state", state},
	} {
		b.WriteByte("?&&&&"[i])
		b.WriteString(p[0] + "=" + url.QueryEscape(p[1]))
	}
	b.WriteString("#wechat_redirect")
	return b.String()
}
