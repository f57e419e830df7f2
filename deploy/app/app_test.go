package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/schemas"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

// patience bounds every wait.
const patience = 2 * time.Minute

// running is a target that runs in this process.
type running struct {
	t    *testing.T
	out  *lockedBuffer
	stop func()
	done chan error
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// runApp runs a target until the test ends, and returns once it is ready.
func runApp(t *testing.T, cfg Config, target Target) *running {
	t.Helper()
	r := &running{t: t, out: &lockedBuffer{}, done: make(chan error, 1)}
	a, err := New(cfg, target, Deps{Log: slog.New(slog.DiscardHandler), Out: r.out, Progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.done <- a.Run(ctx) }() // ends with ctx
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-r.done; err != nil {
			t.Errorf("%s: %v", target, err)
		}
	})
	t.Cleanup(r.stop)
	deadline := time.Now().Add(patience)
	for !strings.Contains(r.out.String(), "is ready after") {
		select {
		case err := <-r.done:
			r.done <- nil
			t.Fatalf("%s ended while starting: %v", target, err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready after %s", target, patience)
		}
	}
	return r
}

// url is where it listens, as it tells.
func (r *running) url() string {
	_, rest, _ := strings.Cut(r.out.String(), "http://")
	host, _, _ := strings.Cut(rest, "/")
	return "http://" + host
}

// TestPartsApart runs the parts in processes of their own, so to speak, on servers that
// are somebody else's.
func TestPartsApart(t *testing.T) {
	cfg := Default()
	cfg.Listen = "127.0.0.1:0"
	cfg.NATS.URL, cfg.NATS.MaxBytes = embeddedtest.StartNATS(t), 256<<20
	cfg.ClickHouse.DSN = embeddedtest.Database(t)
	cfg.ClickHouse.AnalystDSN = embeddedtest.AnalystDSN(t, cfg.ClickHouse.DSN)
	cfg.Accounts = []Account{{AppID: "wxapart", Name: "Shop", Kind: schemas.AccountKindOfficial, Platform: "p"}}
	cfg.Ingest.Keys = []ingest.Key{{Name: "k", Key: "the back end's key", AppIDs: []string{"wxapart"}}}
	cfg.Analysts = Analysts{Secret: strings.Repeat("s", 32), Tokens: []access.Token{{Name: "t", Token: "the analyst's token"}}}

	done, err := Migrate(t.Context(), cfg)
	if err != nil || len(done) == 0 {
		t.Fatalf("migrate applied %v: %v", done, err)
	}
	if done, err = Migrate(t.Context(), cfg); err != nil || len(done) > 0 {
		t.Fatalf("the second migrate applied %v: %v", done, err)
	}
	taker := runApp(t, cfg, TargetIngest)
	runApp(t, cfg, TargetLinker)
	asked := runApp(t, cfg, TargetAPI)

	const order = `{"occurred_at":"2026-01-01T10:00:00Z","appid":"wxapart","openid":"oA","order_id":"1","kind":"purchase","amount":700,"currency":"CNY","unionid":"u"}`
	status, body := request(t, http.MethodPost, taker.url()+"/v1/events/purchases", "the back end's key", order)
	if status != http.StatusAccepted {
		t.Fatalf("ingest answers %d %s", status, body)
	}
	deadline := time.Now().Add(patience)
	for {
		status, body := request(t, http.MethodGet, asked.url()+"/v1/reports/summary", "the analyst's token", "")
		if status == http.StatusOK && strings.Contains(body, `"net":700`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("api answers %d %s", status, body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if status, _ := request(t, http.MethodGet, asked.url()+"/v1/events/logins", "the back end's key", ""); status == http.StatusAccepted {
		t.Error("api takes events")
	}
	for { // it may be asked about before the batch is acknowledged
		v, err := Verify(t.Context(), cfg, Deps{Log: slog.New(slog.DiscardHandler)}, false, func(uint64, uint64) {})
		if err == nil && v.Sound() && v.Published == 1 && v.Acknowledged == 1 {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("verify found %+v, %v", v, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func request(t *testing.T, method, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestCleanupsRunInReverseAndAll(t *testing.T) {
	var c cleanups
	var order []string
	for _, name := range []string{"nats", "clickhouse", "linker", "listener"} {
		c.add(name, func(context.Context) error {
			order = append(order, name)
			return errors.New("trouble")
		})
	}
	err := c.run(slog.New(slog.DiscardHandler))
	if want := []string{"listener", "linker", "clickhouse", "nats"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
	for _, name := range order {
		if err == nil || !strings.Contains(err.Error(), "stop "+name+": trouble") {
			t.Errorf("%s is not in %v", name, err)
		}
	}
	if err := c.run(slog.New(slog.DiscardHandler)); err != nil || len(order) != 4 {
		t.Error("a second run did something")
	}
}

func TestReadyTellsWhichPartIsNot(t *testing.T) {
	r := newReadiness()
	trouble := errors.New("no connection")
	r.add("ingest", func(context.Context) error { return nil })
	r.add("linker", func(context.Context) error { return trouble })
	ask := func() (int, state) {
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		var s state
		if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		return rec.Code, s
	}
	if status, s := ask(); status != http.StatusServiceUnavailable || s.Waiting == "" {
		t.Errorf("while starting: %d %+v", status, s)
	}
	r.stage("")
	if status, s := ask(); status != http.StatusServiceUnavailable || s.Parts["linker"] != "no connection" || s.Parts["ingest"] != "ok" {
		t.Errorf("with trouble: %d %+v", status, s)
	}
	trouble = nil
	if status, s := ask(); status != http.StatusOK || !s.Ready {
		t.Errorf("without: %d %+v", status, s)
	}
}

// TestMiddlewares wants panics answered, and nothing personal in the log.
func TestMiddlewares(t *testing.T) {
	var log bytes.Buffer
	a := &App{deps: Deps{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	r := chi.NewRouter()
	r.Use(a.middlewares()...)
	r.Get("/v1/identities/{appid}/{openid}", func(http.ResponseWriter, *http.Request) { panic("a fault") })
	r.Get("/broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/v1/identities/wxa/oCANARY?code=CANARY", nil))
	if rec.Code != http.StatusInternalServerError || rec.Header().Get("X-Request-Id") == "" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	if text := log.String(); strings.Contains(text, "CANARY") || !strings.Contains(text, "/v1/identities/{appid}/{openid}") {
		t.Errorf("the log is\n%s", text)
	}
	func() {
		defer func() {
			if fault := recover(); fault != http.ErrAbortHandler {
				t.Errorf("the abort became %v", fault)
			}
		}()
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/broken", nil))
	}()
}

func TestCredentialsURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", "0.0.0.0:80": "http://127.0.0.1:80", "[::]:80": "http://127.0.0.1:80",
		":80": "http://127.0.0.1:80", "shop.example:443": "http://shop.example:443", "[::1]:80": "http://[::1]:80",
	} {
		if got := (Credentials{Listen: listen}).URL(); got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
}

func TestStoreFor(t *testing.T) {
	for _, store := range []int64{8 << 30, 40 << 30, 1 << 40} {
		events := eventsWithin(store)
		if events <= 0 || storeFor(events) > store {
			t.Errorf("an event stream of %d bytes is to fit into %d", events, store)
		}
	}
	if events := eventsWithin(1 << 30); events <= 0 || events+events/4 > 1<<30 {
		t.Errorf("an event stream of %d bytes does not fit a small disk", events)
	}
}

func TestPublisherUser(t *testing.T) {
	got := publisherUser(NATSUser{User: "b", Password: "p", AppIDs: []string{"wxa"}})
	want := embedded.NATSUser{
		User: "b", Password: "p", SubscribeAllow: []string{"_INBOX.b.>"},
		PublishAllow: []string{"unionlink.v1.login.wxa", "unionlink.v1.purchase.wxa", "unionlink.v1.identity.wxa"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}
