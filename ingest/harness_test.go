package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

const (
	appid      = "wxcdnow0000000001"
	otherAppid = "wxcdnow0000000002" // configured, but not the key's
	secretKey  = "key-of-backend-1"
	patience   = 60 * time.Second
	roomy      = 256 << 20 // bytes of the event stream
)

// stack is ingest on a real NATS behind a real HTTP server.
type stack struct {
	t         *testing.T
	js        jetstream.JetStream
	committer *Committer
	registry  *prometheus.Registry
	logs      *safeBuffer
	now       time.Time
	url       string
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func oneKey() Config {
	return Config{
		Keys:   []Key{{Name: "backend-1", Key: secretKey, AppIDs: []string{appid}}},
		Commit: CommitConfig{MinBatch: 2},
	}
}

// start runs the stack with a configuration and streams of the given size.
func start(t *testing.T, cfg Config, size int64) *stack {
	t.Helper()
	return startOn(t, embeddedtest.StartNATS(t), cfg, size)
}

func startOn(t *testing.T, natsURL string, cfg Config, size int64) *stack {
	t.Helper()
	s := &stack{t: t, registry: prometheus.NewRegistry(), logs: &safeBuffer{}, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	log := slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	nc, err := nats.Connect(natsURL, ConnectOptions(log)...)
	must(t, err)
	t.Cleanup(nc.Close)
	s.js, err = jetstream.New(nc)
	must(t, err)
	must(t, stream.Provision(t.Context(), s.js, stream.Config{MaxBytes: size}))
	s.committer, err = NewCommitter(cfg.Commit, nc, s.registry)
	must(t, err)
	g, err := New(cfg, Deps{
		Publisher: s.committer, AppIDs: []string{appid, otherAppid}, Logger: log, Registerer: s.registry,
		Now: func() time.Time { return s.now },
	})
	must(t, err)
	router := chi.NewRouter()
	g.Routes(router)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reply is what a request was answered, whichever it was.
type reply struct {
	Answer
	Problem
	status int
	header http.Header
}

// post sends a body with the key; headers come in pairs of name and value.
func (s *stack) post(path, contentType string, body io.Reader, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/v1/events/"+path, body)
	must(s.t, err)
	req.Header.Set("Authorization", "Bearer "+secretKey)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	must(s.t, err)
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode, header: resp.Header}
	data, err := io.ReadAll(resp.Body)
	must(s.t, err)
	into := any(&r.Answer)
	if resp.Header.Get("Content-Type") == problemContentType {
		into = &r.Problem
	}
	if err := json.Unmarshal(data, into); err != nil {
		s.t.Fatalf("read answer %d %q: %v", resp.StatusCode, data, err)
	}
	return r
}

func (s *stack) json(path, body string, headers ...string) reply {
	s.t.Helper()
	return s.post(path, "application/json", strings.NewReader(body), headers...)
}

func (r reply) wantCounts(t *testing.T, status, accepted, duplicates, rejected int) {
	t.Helper()
	if r.status != status || r.Accepted != accepted || r.Duplicates != duplicates || len(r.Rejected) != rejected {
		t.Errorf("got %d with %d accepted, %d duplicates, rejected %v, problem %q; want %d with %d, %d and %d",
			r.status, r.Accepted, r.Duplicates, r.Rejected, r.Problem.Error(), status, accepted, duplicates, rejected)
	}
}

func (r reply) wantProblem(t *testing.T, status int, typ string) {
	t.Helper()
	if r.status != status || r.Problem.Type != typ || r.Problem.Status != status {
		t.Errorf("got %d %q (%s), want %d %q", r.status, r.Problem.Type, r.Detail, status, typ)
	}
	if (status == 429 || status == 503) && r.header.Get("Retry-After") == "" {
		t.Errorf("%d without Retry-After", status)
	}
}

// stored is how many events the stream holds.
func (s *stack) stored() uint64 {
	s.t.Helper()
	st, err := s.js.Stream(s.t.Context(), stream.Events)
	must(s.t, err)
	return st.CachedInfo().State.Msgs
}

// count is the sum of a metric over the series whose labels include the given ones;
// of a histogram, its number of observations.
func (s *stack) count(name string, labels ...string) float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	must(s.t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if has := fmt.Sprint(m.GetLabel()); containsAll(has, labels) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, `"`+p+`"`) {
			return false
		}
	}
	return true
}

// eventually asks until it is told true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen within %s", what, patience)
		}
	}
}

func loginJSON(id string) string {
	return fmt.Sprintf(`{"event_id":%q,"occurred_at":"2026-11-22T10:00:00Z","appid":%q,"openid":"o1"}`, id, appid)
}

func purchaseJSON(changes ...string) string {
	fields := map[string]string{
		"event_id": `"p1"`, "occurred_at": `"2026-11-22T10:00:00Z"`, "appid": `"` + appid + `"`, "openid": `"o1"`,
		"order_id": `"A-17"`, "kind": `"purchase"`, "amount": `12345`, "currency": `"CNY"`, "revision": `0`,
	}
	for i := 0; i+1 < len(changes); i += 2 {
		if changes[i+1] == "" {
			delete(fields, changes[i])
			continue
		}
		fields[changes[i]] = changes[i+1]
	}
	parts := make([]string, 0, len(fields))
	for k, v := range fields {
		parts = append(parts, `"`+k+`":`+v)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func logins(ids ...string) []schemas.Event {
	events := make([]schemas.Event, len(ids))
	for i, id := range ids {
		events[i] = &schemas.Login{Envelope: schemas.Envelope{
			EventID: id, OccurredAt: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), AppID: appid, OpenID: "o1",
		}}
	}
	return events
}
