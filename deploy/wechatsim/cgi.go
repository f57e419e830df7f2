package wechatsim

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The /cgi-bin routes of an account's server: access tokens, quotas, diagnostics.

type cgiTokenAnswer struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"`
}

// cgiToken is /cgi-bin/token: each call makes a new token, and the former one lives on for the overlap.
func cgiToken(w *world, c *call) (any, *wxError) {
	a, err := w.checkCredential(c, c.query.Get("appid"), c.query.Get("secret"), c.query.Get("grant_type"))
	if err != nil {
		return nil, err
	}
	life := time.Duration(w.knobs.TokenSeconds) * time.Second
	a.normal.issue(w.mint.token(), c.now, life, time.Duration(w.knobs.TokenOverlapSeconds)*time.Second)
	return cgiTokenAnswer{a.normal.current, w.knobs.TokenSeconds}, nil
}

// cgiStableToken is /cgi-bin/stable_token.
func cgiStableToken(w *world, c *call) (any, *wxError) {
	var body struct {
		GrantType    string `json:"grant_type"`
		AppID        string `json:"appid"`
		Secret       string `json:"secret"`
		ForceRefresh bool   `json:"force_refresh"`
	}
	if err := decodeBody(c, &body); err != nil {
		return nil, err
	}
	a, err := w.checkCredential(c, body.AppID, body.Secret, body.GrantType)
	if err != nil {
		return nil, err
	}
	token, life := w.stableToken(a, body.ForceRefresh, c.now)
	return cgiTokenAnswer{token, int(life / time.Second)}, nil
}

func (w *world) checkCredential(c *call, appID, secret, grantType string) (*account, *wxError) {
	switch {
	case appID == "":
		return nil, fail(codeMissingAppID)
	case secret == "":
		return nil, fail(codeMissingSecret)
	case grantType != "client_credential":
		return nil, fail(codeInvalidGrantType)
	}
	a := w.accounts[appID]
	if a == nil {
		return nil, fail(codeInvalidAppID)
	}
	if secret != a.Secret {
		return nil, fail(w.knobs.BadSecretCode)
	}
	if len(a.IPAllow) > 0 && !slices.Contains(a.IPAllow, c.ip) {
		err := fail(codeInvalidIP)
		err.msg = strings.Replace(err.msg, "%s", c.ip, 1)
		return nil, err
	}
	return a, a.spend(c.path, "", c.now)
}

// clearQuota is /cgi-bin/clear_quota.
func clearQuota(w *world, c *call) (any, *wxError) {
	a, err := w.cgiAccount(c.query.Get("access_token"), c.now)
	if err != nil {
		return nil, err
	}
	var body struct {
		AppID string `json:"appid"`
	}
	if err := decodeBody(c, &body); err != nil {
		return nil, err
	}
	if body.AppID != a.AppID {
		return nil, fail(codeInvalidAppID)
	}
	if err := a.clearQuota(c.now); err != nil {
		return nil, err
	}
	return errorAnswer{0, "ok"}, nil
}

// clearQuotaBySecret is /cgi-bin/clear_quota/v2. The documentation lists its parameters in the body and shows them
// in the query: both work.
func clearQuotaBySecret(w *world, c *call) (any, *wxError) {
	param := func(name string) string {
		if v := c.query.Get(name); v != "" {
			return v
		}
		return bodyParam(c.body, name)
	}
	appID, secret := param("appid"), param("appsecret")
	switch {
	case appID == "":
		return nil, fail(codeMissingAppID)
	case secret == "":
		return nil, fail(codeMissingSecret)
	}
	a := w.accounts[appID]
	if a == nil {
		return nil, fail(codeInvalidAppID)
	}
	if secret != a.Secret {
		return nil, fail(codeInvalidSecret)
	}
	if err := a.clearQuota(c.now); err != nil {
		return nil, err
	}
	return errorAnswer{0, "ok"}, nil
}

// bodyParam reads a parameter from a JSON object or a form; empty where the body is neither.
func bodyParam(body []byte, name string) string {
	var object map[string]any
	if json.Unmarshal(body, &object) == nil {
		value, _ := object[name].(string)
		return value
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get(name)
}

type quotaAnswer struct {
	errorAnswer
	Quota struct {
		DailyLimit int `json:"daily_limit"`
		Used       int `json:"used"`
		Remain     int `json:"remain"`
	} `json:"quota"`
}

// quotaGet is /cgi-bin/openapi/quota/get.
func quotaGet(w *world, c *call) (any, *wxError) {
	a, err := w.cgiAccount(c.query.Get("access_token"), c.now)
	if err != nil {
		return nil, err
	}
	var body struct {
		Path string `json:"cgi_path"`
	}
	if err := decodeBody(c, &body); err != nil {
		return nil, err
	}
	if _, known := documentedQuotas[body.Path]; !known {
		return nil, fail(codeInvalidCGIPath)
	}
	answer := quotaAnswer{errorAnswer: errorAnswer{0, "ok"}}
	answer.Quota.DailyLimit = a.quota(body.Path).PerDay
	answer.Quota.Used = a.used(body.Path, c.now)
	answer.Quota.Remain = max(0, answer.Quota.DailyLimit-answer.Quota.Used)
	return answer, nil
}

type ridAnswer struct {
	errorAnswer
	Request loggedRequest `json:"request"`
}

// ridGet is /cgi-bin/openapi/rid/get: what a failed request looked like.
func ridGet(w *world, c *call) (any, *wxError) {
	if _, err := w.cgiAccount(c.query.Get("access_token"), c.now); err != nil {
		return nil, err
	}
	var body struct {
		RID string `json:"rid"`
	}
	if err := decodeBody(c, &body); err != nil {
		return nil, err
	}
	found, ok := w.requests.find(body.RID)
	if !ok {
		return nil, fail(codeInvalidRID)
	}
	return ridAnswer{errorAnswer{0, "ok"}, found}, nil
}
