package wechatsim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	shop    = "wx51a0000000000001" // official account
	cafe    = "wx51a0000000000002" // official account
	mini    = "wx51a0000000000003" // mini program
	site    = "wx51a0000000000004" // website
	shopKey = "simulated-secret-1"
	cafeKey = "simulated-secret-2"
	miniKey = "simulated-secret-3"
	siteKey = "simulated-secret-4"
	mch     = "1900000001"
	apiV3   = "0123456789abcdef0123456789abcdef"
	back    = "http://localhost:8080/wechat/callback"
)

var testStart = time.Date(2026, 11, 22, 10, 0, 0, 0, beijing)

// bench is a simulator on a server of its own, at a time of its own.
type bench struct {
	t      *testing.T
	sim    *Simulator
	url    string
	client *http.Client
	mu     sync.Mutex
	time   time.Time
}

func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	b := &bench{t: t, time: testStart}
	sim, err := New(cfg, Deps{Now: b.now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.sim, b.url = sim, server.URL
	b.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return b
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.time
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.time = b.time.Add(d)
}

// send makes a request and answers its status and body.
func (b *bench) send(method, path, body string) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(req)
}

func (b *bench) do(req *http.Request) (*http.Response, string) {
	b.t.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(raw)
}

// wx calls a route of WeChat's and reads its JSON; the status is always 200.
func (b *bench) wx(method, path, body string) map[string]any {
	b.t.Helper()
	resp, raw := b.send(method, path, body)
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: status %d, body %s", method, path, resp.StatusCode, raw)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(raw), &answer); err != nil {
		b.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
	}
	return answer
}

func (b *bench) get(path string) map[string]any {
	b.t.Helper()
	return b.wx(http.MethodGet, path, "")
}

// errcode is that of an answer; 0 where it has none.
func errcode(answer map[string]any) int {
	code, _ := answer["errcode"].(float64)
	return int(code)
}

// admin calls the admin API and wants success.
func (b *bench) admin(method, path, body string) map[string]any {
	b.t.Helper()
	resp, raw := b.send(method, path, body)
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s %s: status %d, body %s", method, path, body, resp.StatusCode, raw)
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(raw), &answer); err != nil {
		b.t.Fatalf("%s %s: %v in %s", method, path, err, raw)
	}
	return answer
}

// code mints an authorization code without a browser.
func (b *bench) code(appID, userID, scope string) string {
	b.t.Helper()
	body := `{"appid":"` + appID + `","user":"` + userID + `","scope":"` + scope + `"}`
	return b.admin("POST", "/_sim/codes", body)["code"].(string)
}

func exchangePath(appID, secret, code string) string {
	return "/sns/oauth2/access_token?" + url.Values{
		"appid": {appID}, "secret": {secret}, "code": {code}, "grant_type": {"authorization_code"},
	}.Encode()
}

// login exchanges a fresh code.
func (b *bench) login(userID, scope string) map[string]any {
	b.t.Helper()
	answer := b.get(exchangePath(shop, shopKey, b.code(shop, userID, scope)))
	if errcode(answer) != 0 {
		b.t.Fatalf("login: %v", answer)
	}
	return answer
}

// token is an access token of an account.
func (b *bench) token(appID, secret string) string {
	b.t.Helper()
	answer := b.get("/cgi-bin/token?grant_type=client_credential&appid=" + appID + "&secret=" + secret)
	token, ok := answer["access_token"].(string)
	if !ok {
		b.t.Fatalf("token: %v", answer)
	}
	return token
}

// run lets the simulator send until the test ends.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.sim.Run(ctx) }() // ends with ctx
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
}

// eventually waits for a condition, generously: the machine may be slow.
func (b *bench) eventually(what string, holds func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("not within a minute: %s", what)
		}
	}
}

// receiver is a server that pushes and notifications are sent to.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	got  []received
	next func(n int, rw http.ResponseWriter) // answers the nth request, from 0
}

type received struct {
	query  url.Values
	header http.Header
	body   string
}

func newReceiver(t *testing.T, answer func(n int, rw http.ResponseWriter)) *receiver {
	t.Helper()
	rec := &receiver{next: answer}
	rec.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var buf bytes.Buffer
		if _, err := buf.ReadFrom(r.Body); err != nil {
			return // the simulator hung up
		}
		rec.mu.Lock()
		n := len(rec.got)
		rec.got = append(rec.got, received{r.URL.Query(), r.Header.Clone(), buf.String()})
		rec.mu.Unlock()
		rec.next(n, rw)
	}))
	t.Cleanup(rec.Close)
	return rec
}

func success(_ int, rw http.ResponseWriter) { _, _ = io.WriteString(rw, "success") }

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

func TestNew(t *testing.T) {
	t.Run("the default configuration is good", func(t *testing.T) {
		cfg := DefaultConfig()
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("every fault is told at once with its path", func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Seed, cfg.Accounts[1].Kind, cfg.Merchants[0].APIv3Key = "", "shop", "short"
		cfg.Accounts[0].Push = Push{URL: "http://localhost/push", Token: "?", Mode: PushAES}
		cfg.Knobs.RID = "loud"
		_, err := New(cfg, Deps{})
		if err == nil {
			t.Fatal("accepted")
		}
		for _, path := range []string{"seed", "accounts[1].kind", "accounts[0].push.token", "accounts[0].push.aes_key", "merchants[0].apiv3_key", "knobs.rid"} {
			if !strings.Contains(err.Error(), path+":") {
				t.Errorf("%s is missing in %q", path, err)
			}
		}
	})
	t.Run("one seed gives one world", func(t *testing.T) {
		a, b := newBench(t, nil), newBench(t, nil)
		if x, y := a.login("u1", scopeUserinfo), b.login("u1", scopeUserinfo); x["openid"] != y["openid"] || x["access_token"] != y["access_token"] {
			t.Errorf("%v is not %v", x, y)
		}
		c := newBench(t, func(cfg *Config) { cfg.Seed = "another" })
		if x, y := a.login("u1", scopeUserinfo), c.login("u1", scopeUserinfo); x["openid"] == y["openid"] {
			t.Error("another seed gave the same openid")
		}
	})
}
