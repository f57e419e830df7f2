package wechat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/deploy/wechatsim"
	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/ingest/wechat"
	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/backfill"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// The accounts of every test.
const (
	shop    = "wxshop0000000001"
	cafe    = "wxcafe0000000002"
	mini    = "wxmini0000000003"
	website = "wxsite0000000004"
	secret  = "app-secret-that-nobody-may-see"
	token   = "SimToken123"
	aesKey  = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	mchid   = "1900000001"
	apiKey  = "0123456789abcdef0123456789abcdef"
	// patience is how long a test waits for what surely comes.
	patience = 90 * time.Second
)

// world is a NATS, a simulated WeChat and an ingest process between them.
type world struct {
	t       *testing.T
	js      jetstream.JetStream
	sim     *httptest.Server
	site    *httptest.Server
	wechat  *wechat.WeChat
	calls   *calls
	logs    *logs
	metrics *prometheus.Registry
	// ahead is how far the world's clock is ahead, in nanoseconds.
	ahead atomic.Int64
	cfg   wechat.Config
	// address is NATS's.
	address string
}

// process is another ingest process on the same NATS; it returns where it listens.
func (w *world) process() string {
	w.t.Helper()
	nc, err := nats.Connect(w.address)
	w.check(err)
	w.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	w.check(err)
	committer, err := ingest.NewCommitter(ingest.CommitConfig{}, nc, prometheus.NewRegistry())
	w.check(err)
	other, err := wechat.New(w.cfg, wechat.Deps{JetStream: js, Publisher: committer, Transport: w.calls})
	w.check(err)
	router := chi.NewRouter()
	other.Routes(router)
	srv := httptest.NewServer(router)
	w.t.Cleanup(srv.Close)
	return srv.URL
}

// advance moves the clocks of WeChat and of ingest.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.ahead.Add(int64(d))
	w.admin("POST", "/clock", obj{"advance_seconds": int(d.Seconds())}, nil)
}

// logs is a buffer that many goroutines write.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// calls counts the requests to WeChat by path, and keeps the bodies of batchget.
type calls struct {
	mu     sync.Mutex
	byPath map[string]int
	bodies [][]byte
}

func (c *calls) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	c.mu.Lock()
	c.byPath[r.URL.Path]++
	if strings.HasSuffix(r.URL.Path, "/batchget") {
		c.bodies = append(c.bodies, body)
	}
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func (c *calls) of(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byPath[path]
}

func newWorld(t *testing.T, change func(*wechat.Config)) *world {
	t.Helper()
	return newWorldWith(t, func(_ *world, c *wechat.Config) {
		if change != nil {
			change(c)
		}
	})
}

// newWorldWith is newWorld for configurations that need the simulator.
func newWorldWith(t *testing.T, change func(*world, *wechat.Config)) *world {
	t.Helper()
	w := &world{t: t, calls: &calls{byPath: make(map[string]int)}, logs: &logs{}, metrics: prometheus.NewRegistry()}
	w.address = embeddedtest.StartNATS(t)
	nc, err := nats.Connect(w.address)
	w.check(err)
	t.Cleanup(nc.Close)
	w.js, err = jetstream.New(nc)
	w.check(err)
	w.check(stream.Provision(t.Context(), w.js, stream.Config{MaxBytes: 1 << 30}))
	committer, err := ingest.NewCommitter(ingest.CommitConfig{}, nc, w.metrics)
	w.check(err)

	router := chi.NewRouter()
	w.site = httptest.NewServer(router)
	t.Cleanup(w.site.Close)
	w.startSimulator()
	cfg := wechat.Config{
		Accounts: accounts(), Client: client.Config{OpenURL: w.sim.URL, APIURL: w.sim.URL, Timeout: 30 * time.Second, Backoff: time.Millisecond},
		Backfill: backfill.Config{RequestsPerSecond: 1e6, MinuteWait: 50 * time.Millisecond, RetryWait: time.Millisecond},
	}
	cfg.Login.PublicURL = w.site.URL
	cfg.Login.ReturnTo = []string{w.site.URL + "/page"}
	change(w, &cfg)
	w.cfg = cfg
	w.wechat, err = wechat.New(cfg, wechat.Deps{
		JetStream: w.js, Publisher: committer, Log: slog.New(slog.NewTextHandler(w.logs, nil)), Metrics: w.metrics, Transport: w.calls,
		Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
	})
	w.check(err)
	w.wechat.Routes(router)
	router.Get("/page", func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "the page") })
	t.Cleanup(w.checkNobodyIsNamed)
	return w
}

func accounts() []account.Account {
	pushed := account.Push{Token: token}
	return []account.Account{
		{AppID: shop, Name: "Shop", Kind: account.KindOfficial, Platform: "main", Secret: secret, Push: pushed},
		{AppID: cafe, Name: "Cafe", Kind: account.KindOfficial, Platform: "main", Secret: secret, Push: account.Push{Token: token, AESKey: aesKey}},
		{AppID: mini, Name: "Mini", Kind: account.KindMiniProgram, Platform: "main", Secret: secret},
		{AppID: website, Name: "Site", Kind: account.KindWebsite, Platform: "main", Secret: secret},
	}
}

func (w *world) startSimulator() {
	w.t.Helper()
	cfg := wechatsim.Config{Seed: "test", Users: 5, Knobs: wechatsim.DefaultKnobs()}
	for _, a := range accounts() {
		cfg.Accounts = append(cfg.Accounts, wechatsim.Account{
			AppID: a.AppID, Name: a.Name, Kind: wechatsim.Kind(a.Kind), Platform: a.Platform, Secret: a.Secret, Domains: []string{"127.0.0.1"},
		})
	}
	cfg.Merchants = []wechatsim.Merchant{{MchID: mchid, Name: "M", APIv3Key: apiKey, NotifyURL: w.site.URL + "/wechat/pay/" + mchid + "/notify"}}
	sim, err := wechatsim.New(cfg, wechatsim.Deps{})
	w.check(err)
	w.sim = httptest.NewServer(sim.Handler())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx) }() // ends with ctx
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		w.sim.Close()
	})
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

var anOpenID = regexp.MustCompile(`\bo[A-Za-z0-9_-]{27}\b`)

// checkNobodyIsNamed is the canary: no log line and no metric of any test holds an
// openid, a unionid, a secret or a nickname.
func (w *world) checkNobodyIsNamed() {
	text := w.logs.String()
	families, err := w.metrics.Gather()
	w.check(err)
	for _, f := range families {
		text += f.String()
	}
	if found := anOpenID.FindString(text); found != "" {
		w.t.Errorf("an openid or unionid was told: %s", found)
	}
	for _, private := range []string{secret, apiKey, aesKey, "Alice", "access_token="} {
		if strings.Contains(text, private) {
			w.t.Errorf("%q was told", private)
		}
	}
}

// admin calls the simulator's admin API.
func (w *world) admin(method, path string, body, out any) {
	w.t.Helper()
	data, err := json.Marshal(body)
	w.check(err)
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.sim.URL+"/_sim"+path, bytes.NewReader(data))
	w.check(err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	w.check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	w.check(err)
	if resp.StatusCode >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, answer)
	}
	if out != nil {
		w.check(json.Unmarshal(answer, out))
	}
}

type obj = map[string]any

func (w *world) code(appid, user, scope string) string {
	w.t.Helper()
	var out struct{ Code string }
	w.admin("POST", "/codes", obj{"appid": appid, "user": user, "scope": scope}, &out)
	return out.Code
}

// known is how one account sees a user.
type known struct {
	AppID, OpenID, UnionID string
}

func (w *world) user(id, appid string) known {
	w.t.Helper()
	var out struct{ Identities []known }
	w.admin("GET", "/users/"+id, nil, &out)
	for _, k := range out.Identities {
		if k.AppID == appid {
			return k
		}
	}
	w.t.Fatalf("user %s is not known to %s", id, appid)
	return known{}
}

// events returns everything in the stream, oldest first.
func (w *world) events() []schemas.Event {
	w.t.Helper()
	s, err := w.js.Stream(w.t.Context(), stream.Events)
	w.check(err)
	last := s.CachedInfo().State.LastSeq
	events := make([]schemas.Event, 0, last)
	if last == 0 {
		return events
	}
	c, err := s.OrderedConsumer(w.t.Context(), jetstream.OrderedConsumerConfig{})
	w.check(err)
	for uint64(len(events)) < last {
		batch, err := c.Fetch(int(min(last-uint64(len(events)), 500)), jetstream.FetchMaxWait(patience))
		w.check(err)
		for m := range batch.Messages() {
			kind, _, _ := stream.ParseSubject(m.Subject())
			e, err := schemas.Decode(kind, m.Data())
			w.check(err)
			events = append(events, e)
		}
		w.check(batch.Error())
	}
	return events
}

// until waits for n events and returns them; it fails where there are more.
func (w *world) until(n int) []schemas.Event {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		events := w.events()
		if len(events) == n {
			return events
		}
		if len(events) > n || time.Now().After(deadline) {
			w.t.Fatalf("%d events, want %d: %s", len(events), n, show(events))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func show(events []schemas.Event) string {
	var b strings.Builder
	for _, e := range events {
		data, err := schemas.Encode(e)
		fmt.Fprintln(&b, string(data), err)
	}
	return b.String()
}

// browser is a browser in WeChat, signed in as a user.
type browser struct {
	w    *world
	http *http.Client
	user string
}

func (w *world) browser(user string) *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	w.check(err)
	sim, err := url.Parse(w.sim.URL)
	w.check(err)
	jar.SetCookies(sim, []*http.Cookie{{Name: "wechatsim_user", Value: user}})
	return &browser{w: w, user: user, http: &http.Client{Jar: jar}}
}

var ticketField = regexp.MustCompile(`name="ticket" value="([^"]+)"`)

// authorize goes from the authorize route to the page that it ends on. decision is
// what the user answers where WeChat asks: allow, refuse or snapshot.
func (b *browser) authorize(appid, query, decision string) *url.URL {
	b.w.t.Helper()
	resp, err := b.http.Get(b.w.site.URL + "/wechat/" + appid + "/authorize?" + query)
	b.w.check(err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	b.w.check(err)
	if m := ticketField.FindSubmatch(page); m != nil {
		resp, err = b.http.PostForm(b.w.sim.URL+"/connect/confirm", url.Values{"ticket": {string(m[1])}, "user": {b.user}, "decision": {decision}})
		b.w.check(err)
		defer resp.Body.Close()
		page, err = io.ReadAll(resp.Body)
		b.w.check(err)
	}
	if resp.StatusCode != http.StatusOK {
		b.w.t.Fatalf("the browser ends at %s with %d: %s", resp.Request.URL.Path, resp.StatusCode, page)
	}
	return resp.Request.URL
}

// answer is what the login route says.
type answer struct {
	Status int
	Header http.Header
	Code   int
	Msg    string
	Data   struct {
		PersonID     string `json:"person_id"`
		AppID        string
		OpenID       string
		UnionID      string
		Nickname     string
		HeadImgURL   string
		SessionToken string `json:"session_token"`
	}
}

func (b *browser) post(appid, code, state string) answer {
	b.w.t.Helper()
	return b.postTo(b.w.site.URL, appid, code, state)
}

func (b *browser) postTo(site, appid, code, state string) answer {
	b.w.t.Helper()
	body, err := json.Marshal(obj{"appid": appid, "code": code, "state": state})
	b.w.check(err)
	req, err := http.NewRequestWithContext(b.w.t.Context(), "POST", site+"/api/user/wechat/login", bytes.NewReader(body))
	b.w.check(err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := b.http.Do(req)
	b.w.check(err)
	defer resp.Body.Close()
	out := answer{Status: resp.StatusCode, Header: resp.Header}
	b.w.check(json.NewDecoder(resp.Body).Decode(&out))
	return out
}

// login goes the whole way and returns the answer.
func (b *browser) login(appid, query string) answer {
	b.w.t.Helper()
	at := b.authorize(appid, query, "allow").Query()
	return b.post(appid, at.Get("code"), at.Get("state"))
}
