package wechatsim

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestAdminRefusals(t *testing.T) {
	b := newBench(t, nil)
	for order, want := range map[string]int{
		`POST /_sim/users {"count":-1}`:                                                400,
		`POST /_sim/users {"count":2,"id":"x"}`:                                        400,
		`POST /_sim/users {"id":"a b"}`:                                                400,
		`POST /_sim/users {"id":"u1"}`:                                                 409,
		`POST /_sim/users {"count":1,"follow":["` + mini + `"]}`:                       400,
		`POST /_sim/users {"count":1,"follow":["wxno"]}`:                               404,
		`POST /_sim/users {"cuont":1}`:                                                 400,
		`POST /_sim/users {} {}`:                                                       400,
		`POST /_sim/users/nobody/follow {"appid":"` + shop + `"}`:                      404,
		`POST /_sim/users/u1/follow {"appid":"` + mini + `"}`:                          400,
		`POST /_sim/users/u1/scan {"appid":"` + shop + `"}`:                            400,
		`GET /_sim/users/nobody`:                                                       404,
		`GET /_sim/users?after=nobody`:                                                 404,
		`GET /_sim/users?limit=x`:                                                      400,
		`POST /_sim/codes {"appid":"` + shop + `","user":"u1","scope":"snsapi_login"}`: 400,
		`POST /_sim/codes {"appid":"` + mini + `","user":"u1","snapshot":true}`:        400,
		`POST /_sim/accounts {"appid":"wx9","kind":"shop","secret":"s"}`:               400,
		`PUT /_sim/accounts/wxno/platform {}`:                                          404,
		`PUT /_sim/accounts/` + shop + `/push {"url":"nowhere"}`:                       400,
		`PUT /_sim/accounts/` + shop + `/quota {"path":"/x"}`:                          400,
		`POST /_sim/migrations {"from":"` + shop + `","to":"` + shop + `"}`:            400,
		`POST /_sim/migrations {"from":"` + shop + `","to":"` + mini + `"}`:            400,
		`POST /_sim/clock {"advance_seconds":-1}`:                                      400,
		`POST /_sim/merchants {"mchid":"1","apiv3_key":"short"}`:                       400,
		`GET /_sim/merchants/none/public_key`:                                          404,
		`GET /_sim/payments?mchid=none`:                                                404,
		`DELETE /_sim/faults/7`:                                                        404,
		`POST /_sim/deliveries/7/resend`:                                               404,
		`GET /_sim/nothing`:                                                            404,
	} {
		parts := strings.SplitN(order, " ", 3)
		body := ""
		if len(parts) == 3 {
			body = parts[2]
		}
		if resp, answer := b.send(parts[0], parts[1], body); resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", order, resp.StatusCode, answer, want)
		}
	}
}

func TestAdminRefusesOtherSites(t *testing.T) {
	b := newBench(t, nil)
	req, err := http.NewRequest(http.MethodPost, b.url+"/_sim/reset", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if resp, _ := b.do(req); resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestClock(t *testing.T) {
	b := newBench(t, nil)
	code := b.code(shop, "u1", scopeBase)
	if got := b.admin("POST", "/_sim/clock", `{"advance_seconds":300}`)["now"]; got != "2026-11-22T10:05:00+08:00" {
		t.Errorf("advanced to %v", got)
	}
	if got := b.get(exchangePath(shop, shopKey, code)); errcode(got) != 40029 {
		t.Errorf("a code five minutes old: %v", got)
	}
	b.admin("PATCH", "/_sim/knobs", `{"expired_code":42003}`)
	if got := b.get(exchangePath(shop, shopKey, code)); errcode(got) != 42003 {
		t.Errorf("with the documented code: %v", got)
	}
	if got := b.admin("POST", "/_sim/clock", `{"set":"2027-01-01T00:00:00+08:00"}`)["now"]; got != "2027-01-01T00:00:00+08:00" {
		t.Errorf("set to %v", got)
	}
	b.pass(time.Hour)
	if got := b.admin("GET", "/_sim/clock", "")["now"]; got != "2027-01-01T01:00:00+08:00" {
		t.Errorf("runs on to %v", got)
	}
}

func TestUsersAndState(t *testing.T) {
	b := newBench(t, nil)
	b.admin("POST", "/_sim/users", `{"id":"alice","nickname":"Alice","headimgurl":"https://example.com/a.png"}`)
	b.admin("POST", "/_sim/users", `{"id":"u4"}`)
	if got := b.admin("POST", "/_sim/users", `{}`); got["first"] != "u5" || got["count"] != 1.0 {
		t.Errorf("a name that is taken is passed over: %v", got)
	}
	page := b.admin("GET", "/_sim/users?limit=4", "")
	rest := b.admin("GET", "/_sim/users?after="+page["next"].(string), "")
	if len(page["users"].([]any)) != 4 || len(rest["users"].([]any)) != 2 || rest["next"] != "" {
		t.Errorf("pages: %v, %v", page, rest)
	}
	if got := b.admin("GET", "/_sim/users/alice", ""); got["nickname"] != "Alice" || len(got["identities"].([]any)) != 4 {
		t.Errorf("alice: %v", got)
	}
	b.admin("POST", "/_sim/accounts", `{"appid":"wx9","kind":"official_account","secret":"s","platform":"simulated"}`)
	b.admin("POST", "/_sim/accounts", `{"appid":"wx9","kind":"official_account","secret":"t","platform":"simulated"}`)
	state := b.admin("GET", "/_sim/state", "")
	if state["users"] != 6.0 || len(state["accounts"].([]any)) != 5 || state["pending"] != 0.0 {
		t.Errorf("state: %v", state)
	}
	if got := b.admin("POST", "/_sim/codes", `{"appid":"wx9","users":["u1","u2","alice"]}`)["codes"].([]any); len(got) != 3 {
		t.Errorf("codes: %v", got)
	}
	b.admin("POST", "/_sim/reset", "")
	if state := b.admin("GET", "/_sim/state", ""); state["users"] != 3.0 || len(state["accounts"].([]any)) != 4 {
		t.Errorf("after a reset: %v", state)
	}
}

func TestAdminPage(t *testing.T) {
	b := newBench(t, nil)
	b.admin("POST", "/_sim/faults", `{"route":"/sns/auth","errcode":-1}`)
	for lang, want := range map[string]string{"zh": "微信模拟器", "en": "WeChat simulator"} {
		resp, body := b.send(http.MethodGet, "/_sim/?lang="+lang, "")
		if resp.StatusCode != 200 || !strings.Contains(body, want) || !strings.Contains(body, shop) || !strings.Contains(body, "/sns/auth") || !strings.Contains(body, `src="/_sim/admin.js"`) {
			t.Errorf("%s: %d %s", lang, resp.StatusCode, body)
		}
		if strings.Contains(body, "style=") || strings.Contains(body, "onclick") || strings.Contains(body, "<script>") {
			t.Errorf("%s: what the content policy forbids", lang)
		}
	}
	for path, want := range map[string]string{"/_sim/style.css": "text/css", "/_sim/admin.js": "text/javascript", "/mmopen/vi_32/x/132": "image/svg+xml"} {
		if resp, _ := b.send(http.MethodGet, path, ""); resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), want) {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}

func TestLongEndedCodesAreForgotten(t *testing.T) {
	b := newBench(t, nil)
	w := b.sim.world
	order := codeOrder{account: w.accounts[shop], user: w.users["u1"], scope: scopeBase}
	for range sweepEvery - 1 {
		w.issueCode(order, testStart)
	}
	w.issueCode(order, testStart.Add(keptPast+time.Hour))
	if len(w.codes) != 1 {
		t.Errorf("%d codes kept", len(w.codes))
	}
}

func FuzzMatchDomain(f *testing.F) {
	f.Add("localhost:8080", "http://localhost:8080/x")
	f.Add("www.example.com/deep", "https://www.example.com/deep/er?x=1#y")
	f.Add("127.0.0.1", "http://127.0.0.1:9/")
	f.Add("", "http:///")
	f.Fuzz(func(t *testing.T, domain, raw string) {
		target, err := url.Parse(raw)
		if err != nil || !matchDomain(domain, target) {
			return
		}
		host, _, _ := strings.Cut(domain, "/")
		if !strings.EqualFold(host, target.Host) && !strings.EqualFold(host, target.Hostname()) {
			t.Errorf("%q matches %q", domain, raw)
		}
	})
}

func FuzzRoutes(f *testing.F) {
	cfg := DefaultConfig()
	cfg.Knobs.PushTimeoutMillis = 1
	sim, err := New(cfg, Deps{Now: func() time.Time { return testStart }})
	if err != nil {
		f.Fatal(err)
	}
	handler := sim.Handler()
	f.Add("POST", "/cgi-bin/stable_token", "", `{"appid":1}`)
	f.Add("GET", "/sns/oauth2/access_token", "appid=%00&secret=x", "")
	f.Add("POST", "/_sim/codes", "", `{"appid":"`+shop+`","users":["u1",""]}`)
	f.Add("PATCH", "/_sim/knobs", "", `{"push_tries":1}`)
	f.Add("GET", "/connect/oauth2/authorize", "appid="+shop+"&redirect_uri=http://localhost/%25&scope=snsapi_base&response_type=code", "")
	f.Add("GET", "/v3/bill/tradebill", "bill_date=2026-11-22", "")
	f.Add("POST", "/cgi-bin/clear_quota/v2", "", "a=%")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if strings.Contains(body, "latency_ms") || strings.Contains(body, "drop_reply") || strings.Contains(body, "count") {
			return // what is meant to be slow, or to cut the connection
		}
		req := &http.Request{
			Method: method, URL: &url.URL{Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: query}, Header: http.Header{},
			Body: http.NoBody, RemoteAddr: "127.0.0.1:1", Host: "sim",
		}
		if body != "" {
			req.Body = readCloser{strings.NewReader(body)}
		}
		answer := discard{http.Header{}}
		handler.ServeHTTP(answer, req)
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
