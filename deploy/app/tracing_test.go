package app

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collected "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/schemas"
)

// collector takes OTLP over HTTP and keeps the spans.
type collector struct {
	mu   sync.Mutex
	all  []*spans.Span
	text strings.Builder // everything, as text
}

// ServeHTTP takes one export.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in collected.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.WriteString(in.String())
	for _, resource := range in.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			c.all = append(c.all, scope.Spans...)
		}
	}
}

// of are the spans of a trace by name.
func (c *collector) of(trace string) map[string]*spans.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]*spans.Span{}
	for _, s := range c.all {
		if hex.EncodeToString(s.TraceId) == trace {
			found[s.Name] = s
		}
	}
	return found
}

// TestOneTraceFromRequestToInsert runs ingest and linker as processes of their own, so to
// speak: the trace goes by the message's headers.
func TestOneTraceFromRequestToInsert(t *testing.T) {
	c := &collector{}
	receiver := httptest.NewServer(c)
	defer receiver.Close()
	cfg := Default()
	cfg.Listen, cfg.Tracing.Endpoint = "127.0.0.1:0", receiver.URL
	cfg.NATS.URL, cfg.NATS.MaxBytes = embeddedtest.StartNATS(t), 256<<20
	cfg.ClickHouse.DSN = embeddedtest.Database(t)
	cfg.Accounts = []Account{{AppID: "wxtraced", Name: "Shop", Kind: schemas.AccountKindOfficial, Platform: "p"}}
	cfg.Ingest.Keys = []ingest.Key{{Name: "k", Key: "the back end's key", AppIDs: []string{"wxtraced"}}}
	if _, err := Migrate(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	taker := runApp(t, cfg, TargetIngest)
	linking := runApp(t, cfg, TargetLinker)

	const trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	const order = `{"occurred_at":"2026-01-01T10:00:00Z","appid":"wxtraced","openid":"oCANARY","order_id":"CANARY","kind":"purchase","amount":700,"currency":"CNY","unionid":"uCANARY"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, taker.url()+"/v1/events/purchases", strings.NewReader(order))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer the back end's key")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("traceparent", "00-"+trace+"-"+caller+"-01")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("ingest answers %d", answer.StatusCode)
	}

	// Each span with the one that it is below.
	below := map[string]string{
		"POST /v1/events/purchases": "", "publish events": "POST /v1/events/purchases", "store batch": "publish events",
		"insert purchases": "store batch", "insert statements": "store batch", "insert messages": "store batch",
		"settle map": "store batch", "insert persons": "settle map",
	}
	found := awaitSpans(t, c, trace, below)
	for name, parent := range below {
		want := caller
		if parent != "" {
			want = hex.EncodeToString(found[parent].SpanId)
		}
		if got := hex.EncodeToString(found[name].ParentSpanId); got != want {
			t.Errorf("%q is below %s, want %s (%q)", name, got, want, parent)
		}
	}
	taker.stop()
	linking.stop()
	if strings.Contains(c.text.String(), "CANARY") || strings.Contains(c.text.String(), "wxtraced") {
		t.Error("spans name an account or a user")
	}
}

// awaitSpans waits until the collector has all the named spans of a trace.
func awaitSpans(t *testing.T, c *collector, trace string, names map[string]string) map[string]*spans.Span {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		found, missing := c.of(trace), []string(nil)
		for name := range names {
			if found[name] == nil {
				missing = append(missing, name)
			}
		}
		if len(missing) == 0 {
			return found
		}
		if time.Now().After(deadline) {
			slices.Sort(missing)
			t.Fatalf("the trace has no %s", strings.Join(missing, ", "))
		}
		time.Sleep(20 * time.Millisecond)
	}
}
