package wechatsim

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// without is the query of a good request with one parameter changed; "" takes it away.
func without(good url.Values, name, value string) string {
	q := url.Values{}
	for k, v := range good {
		q[k] = v
	}
	if value == "" {
		q.Del(name)
	} else {
		q.Set(name, value)
	}
	return q.Encode()
}

func TestExchangeCode(t *testing.T) {
	b := newBench(t, nil)
	good := func() url.Values {
		return url.Values{"appid": {shop}, "secret": {shopKey}, "code": {b.code(shop, "u1", scopeBase)}, "grant_type": {"authorization_code"}}
	}
	t.Run("the first failing check answers", func(t *testing.T) {
		other := b.code(cafe, "u1", scopeBase)
		used := b.code(shop, "u1", scopeBase)
		b.get(exchangePath(shop, shopKey, used))
		expired := b.code(shop, "u1", scopeBase)
		b.pass(5 * time.Minute)
		for _, c := range []struct {
			name, method, query string
			want                int
		}{
			{"post without a query", "POST", "", 41002},
			{"post with a query", "POST", good().Encode(), 43001},
			{"nothing at all", "GET", "", 41002},
			{"only an appid", "GET", "appid=" + shop, 41004},
			{"no code before a wrong grant type", "GET", "appid=" + shop + "&secret=x", 41008},
			{"no secret", "GET", without(good(), "secret", ""), 41004},
			{"no grant type", "GET", without(good(), "grant_type", ""), 40002},
			{"wrong grant type before an unknown appid", "GET", "appid=wxno&secret=x&code=y&grant_type=z", 40002},
			{"unknown appid before a wrong secret", "GET", without(good(), "appid", "wxunknown"), 40013},
			{"wrong secret before a wrong code", "GET", "appid=" + shop + "&secret=x&code=y&grant_type=authorization_code", 40125},
			{"unknown code", "GET", without(good(), "code", "0nonsense"), 40029},
			{"another account's code", "GET", without(good(), "code", other), 40029},
			{"used code", "GET", without(good(), "code", used), 40163},
			{"expired code", "GET", without(good(), "code", expired), 40029},
			{"good", "GET", good().Encode(), 0},
		} {
			if got := b.wx(c.method, "/sns/oauth2/access_token?"+c.query, ""); errcode(got) != c.want {
				t.Errorf("%s: %v, want %d", c.name, got, c.want)
			}
		}
	})
	t.Run("only consent shows the unionid", func(t *testing.T) {
		silent, open := b.login("u1", scopeBase), b.login("u1", scopeUserinfo)
		if _, shown := silent["unionid"]; shown {
			t.Errorf("snsapi_base: %v", silent)
		}
		if _, shown := open["is_snapshotuser"]; shown || open["unionid"] == nil {
			t.Errorf("snsapi_userinfo: %v", open)
		}
		id := regexp.MustCompile(`^o[A-Za-z0-9_-]{27}$`)
		if silent["openid"] != open["openid"] || !id.MatchString(open["openid"].(string)) || !id.MatchString(open["unionid"].(string)) {
			t.Errorf("ids: %v, %v", silent, open)
		}
	})
	t.Run("a code looks like WeChat's", func(t *testing.T) {
		if code := b.code(shop, "u1", scopeBase); !regexp.MustCompile(`^0[0-9a-zA-Z]{31}$`).MatchString(code) {
			t.Error(code)
		}
	})
	t.Run("a snapshot user has a virtual identity", func(t *testing.T) {
		code := b.admin("POST", "/_sim/codes", `{"appid":"`+shop+`","user":"u1","snapshot":true}`)["code"].(string)
		got, real := b.get(exchangePath(shop, shopKey, code)), b.login("u1", scopeUserinfo)
		if got["is_snapshotuser"] != 1.0 || got["openid"] == real["openid"] || got["unionid"] == real["unionid"] {
			t.Errorf("%v beside %v", got, real)
		}
		info := b.get("/sns/userinfo?access_token=" + got["access_token"].(string) + "&openid=" + got["openid"].(string))
		if _, shown := info["is_snapshotuser"]; shown || info["nickname"] != "微信用户" {
			t.Errorf("userinfo: %v", info)
		}
	})
	t.Run("the minute's quota comes after the code and does not burn it", func(t *testing.T) {
		b.admin("PUT", "/_sim/accounts/"+shop+"/quota", `{"path":"/sns/oauth2/access_token","per_minute":1}`)
		b.pass(time.Minute)
		b.login("u1", scopeBase)
		path := exchangePath(shop, shopKey, b.code(shop, "u1", scopeBase))
		if got := b.get(path); errcode(got) != 45011 {
			t.Errorf("over the quota: %v", got)
		}
		b.pass(time.Minute)
		if got := b.get(path); errcode(got) != 0 {
			t.Errorf("a minute later: %v", got)
		}
	})
}

func TestWebsiteCodeLivesTenMinutes(t *testing.T) {
	b := newBench(t, nil)
	code := b.code(site, "u1", "")
	b.pass(9 * time.Minute)
	got := b.get(exchangePath(site, siteKey, code))
	if got["scope"] != scopeLogin || got["unionid"] != b.login("u1", scopeUserinfo)["unionid"] {
		t.Errorf("%v: not the unionid of the official account", got)
	}
}

func TestRefreshToken(t *testing.T) {
	b := newBench(t, nil)
	first := b.login("u1", scopeUserinfo)
	refresh := first["refresh_token"].(string)
	good := url.Values{"appid": {shop}, "grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	for _, c := range []struct {
		name, query string
		want        int
	}{
		{"no appid", "", 41002},
		{"no token", "appid=" + shop, 41003},
		{"wrong grant type", without(good, "grant_type", "x"), 40002},
		{"unknown appid", without(good, "appid", "wxno"), 40013},
		{"another account's", without(good, "appid", cafe), 40030},
		{"unknown token", without(good, "refresh_token", "x"), 40030},
		{"good", good.Encode(), 0},
	} {
		if got := b.get("/sns/oauth2/refresh_token?" + c.query); errcode(got) != c.want {
			t.Errorf("%s: %v, want %d", c.name, got, c.want)
		}
	}
	got := b.get("/sns/oauth2/refresh_token?" + good.Encode())
	if _, shown := got["unionid"]; shown || got["access_token"] == first["access_token"] || got["refresh_token"] != refresh {
		t.Errorf("refreshed: %v", got)
	}
	b.pass(30 * 24 * time.Hour)
	if got := b.get("/sns/oauth2/refresh_token?" + good.Encode()); errcode(got) != 42002 {
		t.Errorf("after 30 days: %v", got)
	}
	second := b.login("u2", scopeUserinfo)
	b.admin("POST", "/_sim/users/u2/password", "")
	if got := b.get("/sns/oauth2/refresh_token?" + without(good, "refresh_token", second["refresh_token"].(string))); errcode(got) != 42007 {
		t.Errorf("after a new password: %v", got)
	}
}

func TestUserinfoAndAuth(t *testing.T) {
	b := newBench(t, nil)
	open, silent := b.login("u1", scopeUserinfo), b.login("u2", scopeBase)
	revoked := b.login("u3", scopeUserinfo)
	b.admin("POST", "/_sim/users/u3/revoke", `{"appid":"`+shop+`"}`)
	query := func(login map[string]any) string {
		return "?access_token=" + login["access_token"].(string) + "&openid=" + login["openid"].(string)
	}
	mixed := "?access_token=" + open["access_token"].(string) + "&openid=" + silent["openid"].(string)
	check := func(name, query string, wantInfo, wantAuth int) {
		t.Helper()
		if got := b.get("/sns/userinfo" + query); errcode(got) != wantInfo {
			t.Errorf("userinfo, %s: %v, want %d", name, got, wantInfo)
		}
		if got := b.get("/sns/auth" + query); errcode(got) != wantAuth {
			t.Errorf("auth, %s: %v, want %d", name, got, wantAuth)
		}
	}
	check("no token", "", 41001, 41001)
	check("no openid", "?access_token=x", 41009, 41009)
	check("unknown token", "?access_token=x&openid=y", 40014, 40014)
	check("revoked", query(revoked), 40001, 40001)
	check("another's openid", mixed, 40003, 40003)
	check("silent", query(silent), 48001, 0)
	check("good", query(open), 0, 0)
	info := b.get("/sns/userinfo" + query(open))
	if info["unionid"] != open["unionid"] || info["sex"] != 0.0 || info["city"] != "" || info["nickname"] == "" || !strings.HasSuffix(info["headimgurl"].(string), "/132") {
		t.Errorf("userinfo: %v", info)
	}
	if got := b.wx(http.MethodPost, "/sns/userinfo"+query(open), ""); errcode(got) != 43001 {
		t.Errorf("post: %v", got)
	}
	b.pass(2 * time.Hour)
	check("expired before another's openid", mixed, 42001, 42001)
}

func TestCodeToSession(t *testing.T) {
	b := newBench(t, nil)
	path := func(appID, secret, code string) string {
		return "/sns/jscode2session?grant_type=authorization_code&appid=" + appID + "&secret=" + secret + "&js_code=" + code
	}
	code := b.code(mini, "u1", "")
	for _, c := range []struct {
		name, path string
		want       int
	}{
		{"no appid", path("", "", ""), 41002},
		{"no secret", path(mini, "", ""), 41004},
		{"no code", path(mini, miniKey, ""), 41008},
		{"unknown appid", path("wxno", "x", "y"), 40013},
		{"wrong secret", path(mini, "x", "y"), 40125},
		{"unknown code", path(mini, miniKey, "y"), 40029},
		{"an official account's code", path(shop, shopKey, b.code(shop, "u1", scopeBase)), 40029},
		{"a mini program's code at the other route", exchangePath(mini, miniKey, b.code(mini, "u1", "")), 40029},
	} {
		if got := b.get(c.path); errcode(got) != c.want {
			t.Errorf("%s: %v, want %d", c.name, got, c.want)
		}
	}
	got := b.get(path(mini, miniKey, code))
	if got["unionid"] != b.login("u1", scopeUserinfo)["unionid"] || got["session_key"] == nil || got["errcode"] != nil {
		t.Errorf("session: %v", got)
	}
	if got := b.get(path(mini, miniKey, code)); errcode(got) != 40163 {
		t.Errorf("reuse: %v", got)
	}
	b.admin("PATCH", "/_sim/knobs", `{"errcode_in_success":true}`)
	if got := b.get(path(mini, miniKey, b.code(mini, "u1", ""))); got["errcode"] != 0.0 || got["openid"] == nil {
		t.Errorf("errcode in success: %v", got)
	}
	for range 98 {
		b.get(path(mini, miniKey, b.code(mini, "u1", "")))
	}
	if got := b.get(path(mini, miniKey, b.code(mini, "u1", ""))); errcode(got) != 45011 {
		t.Errorf("the 101st in a minute: %v", got)
	}
	if got := b.get(path(mini, miniKey, b.code(mini, "u2", ""))); errcode(got) != 0 {
		t.Errorf("another user: %v", got)
	}
}
