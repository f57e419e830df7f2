package wechatsim

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

func authorizePath(change func(url.Values)) string {
	q := url.Values{"appid": {shop}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {scopeUserinfo}, "state": {"s1"}}
	if change != nil {
		change(q)
	}
	return "/connect/oauth2/authorize?" + q.Encode()
}

func set(name, value string) func(url.Values) {
	return func(q url.Values) { q.Set(name, value) }
}

func TestAuthorizeChecks(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Accounts[1].Unverified = true
		c.Accounts[0].Domains = []string{"www.example.com/deep", "localhost:8080"}
	})
	number := regexp.MustCompile(`class="number">(\d+)<`)
	for _, c := range []struct{ name, path, want string }{
		{"nothing", "/connect/oauth2/authorize", "10012"},
		{"no redirect", "/connect/oauth2/authorize?appid=wxno", "10011"},
		{"no scope", "/connect/oauth2/authorize?appid=wxno&redirect_uri=x", "10010"},
		{"unknown appid", authorizePath(set("appid", "wxno")), "10005"},
		{"a website's appid", authorizePath(set("appid", site)), "10016"},
		{"not verified", authorizePath(set("appid", cafe)), "10005"},
		{"another host", authorizePath(set("redirect_uri", "http://evil.example/")), "10003"},
		{"a child of the domain", authorizePath(set("redirect_uri", "http://a.www.example.com/deep")), "10003"},
		{"outside the path", authorizePath(set("redirect_uri", "http://www.example.com/deeper")), "10003"},
		{"another port", authorizePath(set("redirect_uri", "http://localhost:9/")), "10003"},
		{"a long state after a bad host", authorizePath(func(q url.Values) {
			q.Set("state", strings.Repeat("s", 129))
			q.Set("redirect_uri", "http://evil.example/")
		}), "10003"},
		{"a long state", authorizePath(set("state", strings.Repeat("s", 129))), "error"},
		{"a scope of websites", authorizePath(set("scope", scopeLogin)), "10005"},
		{"another response type", authorizePath(set("response_type", "token")), "error"},
		{"website: an official account", "/connect/qrconnect?appid=" + shop + "&redirect_uri=x&scope=snsapi_login", "10005"},
		{"website: another scope", "/connect/qrconnect?" + url.Values{"appid": {site}, "redirect_uri": {back}, "scope": {scopeBase}, "response_type": {"code"}}.Encode(), "10005"},
		{"good", authorizePath(nil), "page"},
		{"below the path", authorizePath(set("redirect_uri", "http://www.example.com/deep/er")), "page"},
		{"a state of 128", authorizePath(set("state", strings.Repeat("s", 128))), "page"},
	} {
		resp, body := b.send(http.MethodGet, c.path, "")
		got := "page"
		if m := number.FindStringSubmatch(body); m != nil {
			got = m[1]
		} else if strings.Contains(body, "参数错误") {
			got = "error"
		}
		if resp.StatusCode != http.StatusOK || got != c.want {
			t.Errorf("%s: status %d, %s, want %s", c.name, resp.StatusCode, got, c.want)
		}
	}
}

// decide opens a page and sends its form; the answer is where it leads, or the page.
func (b *bench) decide(path string, form url.Values) (location *url.URL, page string) {
	b.t.Helper()
	_, body := b.send(http.MethodGet, path, "")
	ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(body)
	if ticket == nil {
		b.t.Fatalf("no form at %s: %s", path, body)
	}
	form.Set("ticket", ticket[1])
	return b.submit(form)
}

func (b *bench) submit(form url.Values) (location *url.URL, page string) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.url+"/connect/confirm", strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, body := b.do(req)
	if resp.StatusCode == http.StatusFound {
		if location, err = resp.Location(); err != nil {
			b.t.Fatal(err)
		}
	}
	return location, body
}

func TestAuthorizePages(t *testing.T) {
	b := newBench(t, nil)
	withQuery := authorizePath(set("redirect_uri", back+"?keep=1#top"))
	to, _ := b.decide(withQuery, url.Values{"user": {"u2"}, "decision": {"allow"}})
	if to == nil || to.Query().Get("keep") != "1" || to.Query().Get("state") != "s1" || to.Fragment != "top" || to.Host != "localhost:8080" {
		t.Fatalf("consent led to %v", to)
	}
	got := b.get(exchangePath(shop, shopKey, to.Query().Get("code")))
	if got["openid"] != b.openid("u2", shop) || got["scope"] != scopeUserinfo {
		t.Errorf("exchanged: %v", got)
	}
	t.Run("snsapi_base is silent for who is signed in", func(t *testing.T) {
		resp, _ := b.send(http.MethodGet, authorizePath(set("scope", scopeBase)), "")
		to, err := resp.Location()
		if err != nil || resp.StatusCode != http.StatusFound {
			t.Fatalf("%d %v", resp.StatusCode, err)
		}
		if got := b.get(exchangePath(shop, shopKey, to.Query().Get("code"))); got["openid"] != b.openid("u2", shop) {
			t.Errorf("exchanged: %v", got)
		}
	})
	t.Run("snsapi_userinfo asks again, unless followers pass", func(t *testing.T) {
		if resp, _ := b.send(http.MethodGet, authorizePath(nil), ""); resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
		b.admin("PATCH", "/_sim/knobs", `{"silent_followers":true}`)
		b.admin("POST", "/_sim/users/u2/follow", `{"appid":"`+shop+`"}`)
		if resp, _ := b.send(http.MethodGet, authorizePath(set("forcePopup", "true")), ""); resp.StatusCode != http.StatusFound {
			t.Errorf("a follower: status %d", resp.StatusCode)
		}
		b.admin("PATCH", "/_sim/knobs", `{"silent_followers":false}`)
	})
	t.Run("a snapshot user enters", func(t *testing.T) {
		to, _ := b.decide(authorizePath(set("forceSnapShot", "true")), url.Values{"user": {"u1"}, "decision": {"snapshot"}})
		if got := b.get(exchangePath(shop, shopKey, to.Query().Get("code"))); got["is_snapshotuser"] != 1.0 {
			t.Errorf("exchanged: %v", got)
		}
	})
	t.Run("a new user", func(t *testing.T) {
		to, _ := b.decide(authorizePath(nil), url.Values{"user": {"new"}, "nickname": {"Ada"}, "decision": {"allow"}})
		login := b.get(exchangePath(shop, shopKey, to.Query().Get("code")))
		info := b.get("/sns/userinfo?access_token=" + login["access_token"].(string) + "&openid=" + login["openid"].(string))
		if info["nickname"] != "Ada" {
			t.Errorf("userinfo: %v", info)
		}
	})
	t.Run("a form works once and not for ever", func(t *testing.T) {
		form := url.Values{"user": {"u1"}, "decision": {"allow"}}
		b.decide(authorizePath(nil), form)
		if to, page := b.submit(form); to != nil || !strings.Contains(page, "已过期") {
			t.Errorf("again: %v", to)
		}
	})
	t.Run("refusing", func(t *testing.T) {
		if to, page := b.decide(authorizePath(nil), url.Values{"decision": {"refuse"}}); to != nil || !strings.Contains(page, "已拒绝") {
			t.Errorf("official account: %v", to)
		}
		qr := "/connect/qrconnect?" + url.Values{"appid": {site}, "redirect_uri": {back}, "scope": {scopeLogin}, "response_type": {"code"}, "state": {"s2"}}.Encode()
		if to, _ := b.decide(qr, url.Values{"decision": {"refuse"}}); to == nil || to.RawQuery != "state=s2" {
			t.Errorf("website: %v", to)
		}
		b.admin("PATCH", "/_sim/knobs", `{"refuse_redirect":false}`)
		if to, _ := b.decide(qr, url.Values{"decision": {"refuse"}}); to != nil {
			t.Errorf("website without a redirect: %v", to)
		}
		to, _ := b.decide(qr, url.Values{"other": {"u3"}, "decision": {"allow"}})
		if got := b.get(exchangePath(site, siteKey, to.Query().Get("code"))); got["openid"] != b.openid("u3", site) {
			t.Errorf("website: %v", got)
		}
	})
	t.Run("the page is strict, bilingual and shows no markup of a nickname", func(t *testing.T) {
		b.admin("POST", "/_sim/users", `{"id":"odd","nickname":"<script>"}`)
		b.client.Jar.SetCookies(mustURL(t, b.url), []*http.Cookie{{Name: sessionCookie, Value: "odd"}})
		resp, body := b.send(http.MethodGet, authorizePath(nil)+"&lang=en", "")
		if strings.Contains(body, "<script>") || !strings.Contains(body, `lang="en"`) || !strings.Contains(body, "Allow") {
			t.Error(body)
		}
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "form-action 'self' http: https:") {
			t.Error(csp)
		}
	})
	t.Run("another browser than WeChat's", func(t *testing.T) {
		b.admin("PATCH", "/_sim/knobs", `{"require_wechat":true}`)
		if _, body := b.send(http.MethodGet, authorizePath(nil), ""); !strings.Contains(body, "请在微信客户端打开链接") {
			t.Error(body)
		}
	})
	t.Run("parameters out of order", func(t *testing.T) {
		b.admin("PATCH", "/_sim/knobs", `{"require_wechat":false,"strict_order":true}`)
		path := "/connect/oauth2/authorize?scope=snsapi_base&appid=" + shop + "&response_type=code&redirect_uri=" + url.QueryEscape(back)
		if _, body := b.send(http.MethodGet, path, ""); !strings.Contains(body, "参数错误") {
			t.Error(body)
		}
	})
}

func TestPageExpires(t *testing.T) {
	b := newBench(t, nil)
	_, body := b.send(http.MethodGet, authorizePath(nil), "")
	ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(body)[1]
	b.pass(ticketLife + time.Second)
	if to, _ := b.submit(url.Values{"ticket": {ticket}, "user": {"u1"}, "decision": {"allow"}}); to != nil {
		t.Errorf("led to %v", to)
	}
}

func TestPagesSayTheSameInBothLanguages(t *testing.T) {
	for key := range pageTexts["zh"] {
		if pageTexts["en"][key] == "" {
			t.Errorf("en lacks %s", key)
		}
	}
	for key := range pageTexts["en"] {
		if pageTexts["zh"][key] == "" {
			t.Errorf("zh lacks %s", key)
		}
	}
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
