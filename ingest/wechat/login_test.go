package wechat_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/ingest/wechat"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

const (
	exchange = "/sns/oauth2/access_token"
	userinfo = "scope=snsapi_userinfo"
)

func only[T schemas.Event](t *testing.T, events []schemas.Event) T {
	t.Helper()
	if len(events) != 1 {
		t.Fatalf("%d events: %s", len(events), show(events))
	}
	e, ok := events[0].(T)
	if !ok {
		t.Fatalf("another kind of event: %s", show(events))
	}
	return e
}

func TestLogin_kinds_of_account(t *testing.T) {
	t.Run("an official account's silent login gives the openid only", func(t *testing.T) {
		w := newWorld(t, nil)
		got := w.browser("u1").login(shop, "")
		u := w.user("u1", shop)
		if got.Status != 200 || got.Code != 0 || got.Data.OpenID != u.OpenID || got.Data.UnionID != "" || got.Data.Nickname != "" || got.Data.SessionToken == "" {
			t.Fatalf("%+v", got)
		}
		if want := schemas.PersonID(schemas.IdentityHash(shop, u.OpenID)); got.Data.PersonID != want {
			t.Fatalf("person %s, want %s", got.Data.PersonID, want)
		}
		e := only[*schemas.Login](t, w.events())
		if e.OpenID != u.OpenID || e.UnionID != "" || e.Scope != "snsapi_base" || e.Profile != nil || e.SnapshotUser {
			t.Fatalf("%+v", e)
		}
	})
	t.Run("a consented login gives unionid and profile, cleaned", func(t *testing.T) {
		w := newWorld(t, nil)
		w.admin("PATCH", "/knobs", obj{"nickname": "control", "content_type": "text/plain", "escape_slashes": true}, nil)
		w.admin("POST", "/users", obj{"id": "alice", "nickname": "Alice"}, nil)
		got := w.browser("alice").login(shop, userinfo)
		u := w.user("alice", shop)
		if got.Code != 0 || got.Data.UnionID != u.UnionID || !strings.HasPrefix(got.Data.Nickname, "Alice") || strings.Contains(got.Data.HeadImgURL, `\`) {
			t.Fatalf("%+v", got)
		}
		if want := schemas.PersonID(schemas.KeyHash("main", u.UnionID)); got.Data.PersonID != want {
			t.Fatalf("person %s, want %s", got.Data.PersonID, want)
		}
		e := only[*schemas.Login](t, w.events())
		if e.UnionID != u.UnionID || e.Profile == nil || e.Profile.Nickname != got.Data.Nickname {
			t.Fatalf("%+v", e)
		}
	})
	t.Run("two official accounts, a website and a mini program know one person", func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser("u2")
		persons := map[string]bool{}
		for _, got := range []answer{
			b.login(shop, userinfo), b.login(cafe, userinfo), b.login(website, ""), b.post(mini, w.code(mini, "u2", ""), ""),
		} {
			if got.Code != 0 {
				t.Fatalf("%+v", got)
			}
			persons[got.Data.PersonID] = true
		}
		if len(persons) != 1 || len(w.events()) != 4 {
			t.Fatal(persons, show(w.events()))
		}
	})
	t.Run("profiles can be kept out of events", func(t *testing.T) {
		w := newWorld(t, func(c *wechat.Config) { c.Login.DropProfiles = true })
		if got := w.browser("u1").login(shop, userinfo); got.Data.Nickname == "" {
			t.Fatalf("%+v", got)
		}
		if e := only[*schemas.Login](t, w.events()); e.Profile != nil || e.UnionID == "" {
			t.Fatalf("%+v", e)
		}
	})
}

func TestLogin_a_code_sent_again(t *testing.T) {
	t.Run("by the same browser: the same answer, and WeChat is asked once", func(t *testing.T) {
		w := newWorld(t, nil)
		b := w.browser("u1")
		at := b.authorize(shop, userinfo, "allow").Query()
		const clicks = 8
		answers := make([]answer, clicks)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() { answers[i] = b.post(shop, at.Get("code"), at.Get("state")) })
		}
		all.Wait()
		for _, got := range answers {
			if got.Code != 0 || got.Data != answers[0].Data {
				t.Fatal(cmp.Diff(answers[0].Data, got.Data), got.Code)
			}
		}
		if n := w.calls.of(exchange); n != 1 {
			t.Fatalf("the code was exchanged %d times", n)
		}
		only[*schemas.Login](t, w.events())
	})
	t.Run("to another process, while the first is at it", func(t *testing.T) {
		w := newWorld(t, nil)
		other := w.process()
		w.admin("POST", "/faults", obj{"route": "/sns/jscode2session", "times": 1, "latency_ms": 300}, nil)
		b, code := w.browser("u1"), w.code(mini, "u1", "")
		var first, second answer
		var both sync.WaitGroup
		both.Go(func() { first = b.post(mini, code, "attempt") })
		both.Go(func() { second = b.postTo(other, mini, code, "attempt") })
		both.Wait()
		if first.Code != 0 || second.Data != first.Data || w.calls.of("/sns/jscode2session") != 1 {
			t.Fatalf("%+v %+v", first, second)
		}
	})
	t.Run("after the browser hung up on the first request", func(t *testing.T) {
		w := newWorld(t, nil)
		w.admin("POST", "/faults", obj{"route": "/sns/jscode2session", "times": 1, "latency_ms": 300}, nil)
		code := w.code(mini, "u1", "")
		hasty, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		body := `{"appid":"` + mini + `","code":"` + code + `","state":"attempt"}`
		req, err := http.NewRequestWithContext(hasty, "POST", w.site.URL+"/api/user/wechat/login", strings.NewReader(body))
		w.check(err)
		req.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
		if got := w.browser("u1").post(mini, code, "attempt"); got.Code != 0 || w.calls.of("/sns/jscode2session") != 1 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("by a mini program, with the state that it made", func(t *testing.T) {
		w := newWorld(t, nil)
		b, code := w.browser("u1"), w.code(mini, "u1", "")
		first, second := b.post(mini, code, "attempt7f3a"), b.post(mini, code, "attempt7f3a")
		if first.Code != 0 || second.Data != first.Data {
			t.Fatalf("%+v %+v", first, second)
		}
		if other := b.post(mini, code, "guess"); other.Status != 401 || other.Code != 40163 {
			t.Fatalf("%+v", other)
		}
		if none := b.post(mini, code, ""); none.Code != 40163 {
			t.Fatalf("%+v", none)
		}
	})
}

func TestLogin_a_code_of_another_browser(t *testing.T) {
	t.Run("by another browser: nobody is logged in", func(t *testing.T) {
		w := newWorld(t, nil)
		victim, thief := w.browser("u1"), w.browser("u2")
		at := victim.authorize(shop, userinfo, "allow").Query()
		if got := victim.post(shop, at.Get("code"), at.Get("state")); got.Code != 0 {
			t.Fatalf("%+v", got)
		}
		own := thief.authorize(shop, userinfo, "allow").Query()
		for name, got := range map[string]answer{
			"with the victim's state":         thief.post(shop, at.Get("code"), at.Get("state")),
			"with its own state, used before": thief.post(shop, at.Get("code"), own.Get("state")),
			"without a state":                 thief.post(shop, at.Get("code"), ""),
			"without a cookie":                w.browser("u2").post(shop, at.Get("code"), at.Get("state")),
		} {
			if got.Status != 403 || got.Code != 1003 || got.Data.SessionToken != "" {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
	t.Run("by another browser whose state is fresh: code been used", func(t *testing.T) {
		w := newWorld(t, func(c *wechat.Config) { c.Login.TrustForeignStates = true })
		code := w.code(shop, "u1", "snsapi_userinfo")
		if got := w.browser("u1").post(shop, code, "STATE"); got.Code != 0 {
			t.Fatalf("%+v", got)
		}
		if got := w.browser("u2").post(shop, code, "STATE"); got.Status != 401 || got.Code != 40163 {
			t.Fatalf("a shared address logs a stranger in: %+v", got)
		}
	})
}

func TestLogin_state(t *testing.T) {
	w := newWorld(t, nil)
	b := w.browser("u1")
	at := b.authorize(shop, "", "allow").Query()
	if got := b.post(cafe, w.code(cafe, "u1", "snsapi_base"), at.Get("state")); got.Code != 1003 {
		t.Errorf("another account's state: %+v", got)
	}
	if got := b.post(shop, w.code(shop, "u1", "snsapi_base"), at.Get("state")); got.Code != 1003 {
		t.Errorf("a state for a second code: %+v", got)
	}
	if got := b.post(shop, w.code(shop, "u1", "snsapi_base"), "made-up"); got.Code != 1003 {
		t.Errorf("a state that is not ours: %+v", got)
	}
	if got := b.post("wxnobody", "c", ""); got.Status != 404 || got.Code != 1002 {
		t.Errorf("an unknown account: %+v", got)
	}
	if got := b.post(mini, "", ""); got.Status != 400 || got.Code != 1001 {
		t.Errorf("no code: %+v", got)
	}
}

func TestLogin_snapshot_user(t *testing.T) {
	w := newWorld(t, nil)
	b := w.browser("u1")
	at := b.authorize(shop, userinfo, "snapshot").Query()
	if at.Get("unionlink_error") != "1004" || at.Get("code") != "" {
		t.Fatal(at)
	}
	e := only[*schemas.Login](t, w.events())
	if !e.SnapshotUser || e.UnionID != "" && e.Profile != nil {
		t.Fatalf("%+v", e)
	}
	t.Run("at the login route", func(t *testing.T) {
		w := newWorld(t, func(c *wechat.Config) { c.Login.TrustForeignStates = true })
		var out struct{ Code string }
		w.admin("POST", "/codes", obj{"appid": shop, "user": "u1", "scope": "snsapi_userinfo", "snapshot": true}, &out)
		if got := w.browser("u1").post(shop, out.Code, ""); got.Status != 403 || got.Code != 1004 || got.Data.OpenID != "" {
			t.Fatalf("%+v", got)
		}
	})
}

func TestLogin_refused_by_the_user(t *testing.T) {
	w := newWorld(t, nil)
	at := w.browser("u1").authorize(website, "", "refuse")
	if at.Path != "/page" || at.Query().Get("unionlink_error") != "1008" {
		t.Fatal(at)
	}
	if len(w.events()) != 0 {
		t.Fatal(show(w.events()))
	}
}

func TestLogin_full_stream(t *testing.T) {
	w := newWorld(t, nil)
	if got := w.browser("u1").login(shop, ""); got.Code != 0 {
		t.Fatalf("%+v", got)
	}
	limit := func(n int64) {
		s, err := w.js.Stream(t.Context(), stream.Events)
		w.check(err)
		cfg := s.CachedInfo().Config
		cfg.MaxMsgs = n
		_, err = w.js.UpdateStream(t.Context(), cfg)
		w.check(err)
	}
	limit(1)
	b, code := w.browser("u2"), w.code(mini, "u2", "")
	if got := b.post(mini, code, "attempt1"); got.Status != 503 || got.Code != 1005 || got.Header.Get("Retry-After") == "" {
		t.Fatalf("%+v", got)
	}
	limit(-1)
	if got := b.post(mini, code, "attempt1"); got.Code != 0 {
		t.Fatalf("the same code after there is room: %+v", got)
	}
	if n := w.calls.of("/sns/jscode2session"); n != 1 || len(w.events()) != 2 {
		t.Fatal(n, show(w.events()))
	}
}

func TestLogin_return_to(t *testing.T) {
	w := newWorld(t, nil)
	for to, want := range map[string]int{
		"": 200, "/page": 200, w.site.URL + "/page?x=1": 200, w.site.URL + "/page/../admin": 400, w.site.URL + "/pages": 400, "//evil.example/page": 400,
		"https://evil.example/page": 400, `\\evil.example`: 400, "javascript:alert(1)": 400, w.site.URL + "@evil.example/page": 400,
	} {
		b := w.browser("u1")
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.site.URL+"/wechat/"+shop+"/authorize", nil)
		w.check(err)
		q := req.URL.Query()
		q.Set("return_to", to)
		req.URL.RawQuery = q.Encode()
		resp, err := b.http.Do(req)
		w.check(err)
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %d, want %d", to, resp.StatusCode, want)
		}
	}
}

func TestLogin_origins(t *testing.T) {
	w := newWorld(t, func(c *wechat.Config) { c.Login.Origins = []string{"https://shop.example"} })
	ask := func(method, origin, kind string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, w.site.URL+"/api/user/wechat/login", strings.NewReader(`{}`))
		w.check(err)
		req.Header.Set("Origin", origin)
		req.Header.Set("Content-Type", kind)
		if method == "OPTIONS" {
			req.Header.Set("Access-Control-Request-Method", "POST")
			req.Header.Set("Access-Control-Request-Headers", "content-type")
		}
		resp, err := http.DefaultClient.Do(req)
		w.check(err)
		_ = resp.Body.Close()
		return resp
	}
	ours, foreign := ask("OPTIONS", "https://shop.example", ""), ask("OPTIONS", "https://evil.example", "")
	if ours.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" || ours.Header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Error(ours.Header)
	}
	if foreign.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error(foreign.Header)
	}
	if got := ask("POST", "https://evil.example", "application/json"); got.StatusCode != 403 {
		t.Error(got.Status)
	}
	if got := ask("POST", "https://shop.example", "text/plain"); got.StatusCode != 415 {
		t.Error(got.Status)
	}
	if got := ask("POST", w.site.URL, "application/json"); got.StatusCode != 404 {
		t.Error(got.Status)
	}
}

func TestLogin_files(t *testing.T) {
	w := newWorld(t, func(c *wechat.Config) { c.Login.VerifyTokens = []string{"AbCd1234"} })
	for path, want := range map[string]string{
		"/MP_verify_AbCd1234.txt": "AbCd1234", "/MP_verify_other.txt": "404", "/wechat/unionlink.js": "window.unionlink", "/.well-known/jwks.json": `"ES256"`,
	} {
		resp, err := http.Get(w.site.URL + path)
		w.check(err)
		body, err := io.ReadAll(resp.Body)
		w.check(err)
		_ = resp.Body.Close()
		if !strings.Contains(string(body), want) || strings.Contains(string(body), `"d":`) {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestLogin_states_end(t *testing.T) {
	w := newWorld(t, nil)
	w.browser("u1").login(shop, "")
	kv, err := w.js.KeyValue(t.Context(), "UNIONLINK_WECHAT_LOGINS")
	w.check(err)
	status, err := kv.Status(t.Context())
	w.check(err)
	if status.TTL() <= 0 || status.Values() == 0 {
		t.Fatal(status.TTL(), status.Values())
	}
	var keys []string
	list, err := kv.ListKeys(t.Context(), jetstream.IgnoreDeletes())
	w.check(err)
	for k := range list.Keys() {
		keys = append(keys, k)
	}
	if found := anOpenID.FindString(strings.Join(keys, " ")); found != "" {
		t.Fatal("a key names a user")
	}
}
