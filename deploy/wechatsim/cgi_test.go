package wechatsim

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestToken(t *testing.T) {
	b := newBench(t, nil)
	path := func(appID, secret, grant string) string {
		return "/cgi-bin/token?appid=" + appID + "&secret=" + secret + "&grant_type=" + grant
	}
	for _, c := range []struct {
		name, path string
		want       int
	}{
		{"no appid", path("", "", ""), 41002},
		{"no secret", path(shop, "", ""), 41004},
		{"wrong grant type", path("wxno", "x", "authorization_code"), 40002},
		{"unknown appid", path("wxno", "x", "client_credential"), 40013},
		{"wrong secret", path(shop, "x", "client_credential"), 40125},
		{"good", path(shop, shopKey, "client_credential"), 0},
	} {
		if got := b.get(c.path); errcode(got) != c.want {
			t.Errorf("%s: %v, want %d", c.name, got, c.want)
		}
	}
	b.admin("PATCH", "/_sim/knobs", `{"bad_secret_code":40001}`)
	if got := b.get(path(shop, "x", "client_credential")); errcode(got) != 40001 {
		t.Errorf("wrong secret, other code: %v", got)
	}
	t.Run("an address that is not allowed", func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Accounts[0].IPAllow = []string{"10.9.8.7"} })
		got := b.get(path(shop, shopKey, "client_credential"))
		if errcode(got) != 40164 || !strings.Contains(got["errmsg"].(string), "127.0.0.1") {
			t.Error(got)
		}
	})
	t.Run("the former token lives five minutes more", func(t *testing.T) {
		b := newBench(t, nil)
		works := func(token string) int { return errcode(b.get("/cgi-bin/user/get?access_token=" + token)) }
		first := b.token(shop, shopKey)
		second := b.token(shop, shopKey)
		b.pass(299 * time.Second)
		if works(first) != 0 || works(second) != 0 {
			t.Error("both should work")
		}
		b.pass(time.Second)
		if works(first) != 40001 || works(second) != 0 {
			t.Errorf("former %d, present %d", works(first), works(second))
		}
		b.pass(2 * time.Hour)
		if works(second) != 42001 {
			t.Errorf("expired: %d", works(second))
		}
	})
}

func TestStableToken(t *testing.T) {
	b := newBench(t, nil)
	ask := func(force bool) map[string]any {
		return b.wx("POST", "/cgi-bin/stable_token", fmt.Sprintf(
			`{"grant_type":"client_credential","appid":%q,"secret":%q,"force_refresh":%t}`, shop, shopKey, force))
	}
	works := func(answer map[string]any) int {
		return errcode(b.get("/cgi-bin/user/get?access_token=" + answer["access_token"].(string)))
	}
	if got := b.wx(http.MethodGet, "/cgi-bin/stable_token", ""); errcode(got) != 43002 {
		t.Errorf("get: %v", got)
	}
	if got := b.wx("POST", "/cgi-bin/stable_token", ""); errcode(got) != 44002 {
		t.Errorf("empty: %v", got)
	}
	if got := b.wx("POST", "/cgi-bin/stable_token", "appid=1"); errcode(got) != 47001 {
		t.Errorf("a form: %v", got)
	}
	first := ask(false)
	other := b.token(shop, shopKey)
	b.pass(time.Hour)
	again := ask(false)
	if again["access_token"] != first["access_token"] || again["expires_in"] != 3600.0 || other == first["access_token"] {
		t.Errorf("not the same and apart from /cgi-bin/token: %v, %v", first, again)
	}
	b.pass(56 * time.Minute)
	renewed := ask(false)
	if renewed["access_token"] == first["access_token"] || renewed["expires_in"].(float64) < 300 || works(first) != 0 {
		t.Errorf("renewed in the last five minutes, the former still good: %v", renewed)
	}
	forced := ask(true)
	if forced["access_token"] == renewed["access_token"] || works(renewed) != 40001 {
		t.Errorf("forced: %v", forced)
	}
	if ask(true)["access_token"] != forced["access_token"] {
		t.Error("forced again within 30 seconds")
	}
	for range 19 {
		b.pass(30 * time.Second)
		forced = ask(true)
	}
	b.pass(30 * time.Second)
	if ask(true)["access_token"] != forced["access_token"] {
		t.Error("forced a 21st time that day")
	}
}

func TestQuotaAndDiagnostics(t *testing.T) {
	b := newBench(t, nil)
	token := b.token(shop, shopKey)
	b.admin("PUT", "/_sim/accounts/"+shop+"/quota", `{"path":"/cgi-bin/user/get","per_day":2}`)
	get := func() map[string]any { return b.get("/cgi-bin/user/get?access_token=" + token) }
	get()
	get()
	if got := get(); errcode(got) != 45009 {
		t.Errorf("over the day's quota: %v", got)
	}
	quota := b.wx("POST", "/cgi-bin/openapi/quota/get?access_token="+token, `{"cgi_path":"/cgi-bin/user/get"}`)["quota"].(map[string]any)
	if quota["daily_limit"] != 2.0 || quota["used"] != 2.0 || quota["remain"] != 0.0 {
		t.Errorf("quota: %v", quota)
	}
	if got := b.wx("POST", "/cgi-bin/openapi/quota/get?access_token="+token, `{"cgi_path":"/nowhere"}`); errcode(got) != 76003 {
		t.Errorf("unknown path: %v", got)
	}
	if got := b.wx("POST", "/cgi-bin/clear_quota?access_token="+token, `{"appid":"`+cafe+`"}`); errcode(got) != 40013 {
		t.Errorf("clear another's: %v", got)
	}
	clear := []func() map[string]any{
		func() map[string]any {
			return b.wx("POST", "/cgi-bin/clear_quota?access_token="+token, `{"appid":"`+shop+`"}`)
		},
		func() map[string]any {
			return b.wx("POST", "/cgi-bin/clear_quota/v2?appid="+shop+"&appsecret="+shopKey, "")
		},
		func() map[string]any {
			return b.wx("POST", "/cgi-bin/clear_quota/v2", `{"appid":"`+shop+`","appsecret":"`+shopKey+`"}`)
		},
	}
	for i := range 10 {
		if got := clear[i%3](); errcode(got) != 0 {
			t.Fatalf("clear %d: %v", i, got)
		}
	}
	if got := get(); errcode(got) != 0 {
		t.Errorf("after clearing: %v", got)
	}
	for _, f := range clear {
		if got := f(); errcode(got) != 48006 {
			t.Errorf("the eleventh in a month: %v", got)
		}
	}
	failed := b.get("/sns/userinfo?access_token=nope&openid=x")
	rid := regexp.MustCompile(`rid: (\S+)$`).FindStringSubmatch(failed["errmsg"].(string))
	if rid == nil || !strings.HasPrefix(rid[1], fmt.Sprintf("%08x-", testStart.Unix())) {
		t.Fatalf("rid in %v", failed)
	}
	found := b.wx("POST", "/cgi-bin/openapi/rid/get?access_token="+token, `{"rid":"`+rid[1]+`"}`)
	if request, _ := found["request"].(map[string]any); request["request_url"] != "/sns/userinfo?access_token=nope&openid=x" {
		t.Errorf("rid/get: %v", found)
	}
	if got := b.wx("POST", "/cgi-bin/openapi/rid/get?access_token="+token, `{"rid":""}`); errcode(got) != 76001 {
		t.Errorf("no rid: %v", got)
	}
}
