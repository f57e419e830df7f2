package tracing_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/deploy/tracing"
)

func TestConfig(t *testing.T) {
	for _, good := range []tracing.Config{{}, {Endpoint: "http://collector:4318"}, {Endpoint: "https://c/otlp/v1/traces", Share: 0.1}} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	err := tracing.Config{Endpoint: "collector:4318", Share: 2}.Validate()
	if err == nil || !strings.Contains(err.Error(), "endpoint") || !strings.Contains(err.Error(), "share") {
		t.Errorf("not every fault is told: %v", err)
	}
}

func start(t *testing.T, cfg tracing.Config) (*tracing.Tracing, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	traces, err := tracing.Start(t.Context(), cfg, "test", slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	return traces, reg
}

func TestOffByDefault(t *testing.T) {
	traces, _ := start(t, tracing.Config{})
	if traces.Provider() != nil {
		t.Error("there is a provider without an endpoint")
	}
	answer := httptest.NewRecorder()
	traces.Requests(http.NotFoundHandler()).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	if answer.Code != http.StatusNotFound {
		t.Errorf("a request is answered %d", answer.Code)
	}
	if err := traces.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// serve sends two requests, one that is traced and one that is quiet, and closes.
func serve(t *testing.T, traces *tracing.Tracing) {
	t.Helper()
	r := chi.NewRouter()
	r.Use(traces.Requests)
	r.Get("/v1/persons/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	r.Get("/livez", func(http.ResponseWriter, *http.Request) {})
	for path, want := range map[string]int{"/v1/persons/p_1": http.StatusTeapot, "/livez": http.StatusOK} {
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != want {
			t.Errorf("%s is answered %d, want %d", path, answer.Code, want)
		}
	}
	if err := traces.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

// counts looks for a counter's value.
func counts(t *testing.T, reg *prometheus.Registry, metric string, want float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == metric {
			if got := f.Metric[0].GetCounter().GetValue(); got != want {
				t.Errorf("%s is %g, want %g", metric, got, want)
			}
			return
		}
	}
	t.Errorf("%s is not there", metric)
}

func TestSpansReachTheCollector(t *testing.T) {
	paths := make(chan string, 8)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.Path }))
	defer collector.Close()
	traces, reg := start(t, tracing.Config{Endpoint: collector.URL})
	serve(t, traces)
	if path := <-paths; path != "/v1/traces" {
		t.Errorf("they are sent to %s", path)
	}
	counts(t, reg, "unionlink_tracing_spans_total", 1)
}

func TestCollectorThatRefusesHindersNothing(t *testing.T) {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer collector.Close()
	traces, reg := start(t, tracing.Config{Endpoint: collector.URL})
	serve(t, traces)
	counts(t, reg, "unionlink_tracing_dropped_total", 1)
}
