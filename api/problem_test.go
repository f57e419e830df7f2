package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func TestProblemOf(t *testing.T) {
	for _, c := range []struct {
		err    error
		kind   string
		status int
	}{
		{badCursor(), "invalid-cursor", 400},
		{access.ErrUnauthenticated, "unauthenticated", 401},
		{access.ErrCSRF, "invalid-csrf", 403},
		{query.ErrNotFound, "not-found", 404},
		{errors.Join(&query.ParamError{Parameter: "to", Detail: "x"}), "invalid-parameter", 400},
		{&clickhouse.Exception{Code: 159}, "too-expensive", 422},
		{&clickhouse.Exception{Code: 241}, "too-expensive", 422},
		{&clickhouse.Exception{Code: 202}, "busy", 503},
		{&clickhouse.Exception{Code: 60}, "unavailable", 503},
		{&clickhouse.Exception{Code: 62, Message: "near 'o-secret'"}, "internal", 500},
		{context.DeadlineExceeded, "too-expensive", 422},
		{clickhouse.ErrAcquireConnTimeout, "busy", 503},
		{errors.New("o-secret"), "internal", 500},
	} {
		p := problemOf(fmt.Errorf("ask: %w", c.err))
		if p.Type != c.kind || p.Status != c.status || strings.Contains(p.Error(), "o-secret") {
			t.Errorf("%v: %+v, want %s", c.err, p, c.kind)
		}
		if kinds[p.Type].status == 0 {
			t.Errorf("%s is no kind of problem", p.Type)
		}
	}
}

// with is the rig's API with other dependencies.
func (r *rig) with(t *testing.T, change func(*Deps)) *rig {
	t.Helper()
	deps := r.api.deps
	deps.Metrics = nil
	change(&deps)
	other, err := New(r.api.cfg, deps)
	must(t, err)
	mux := chi.NewRouter()
	other.Routes(mux)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	out := *r
	out.api, out.url = other, web.URL
	return &out
}

func (r *rig) testGone(t *testing.T) {
	nobody, err := warehouse.Open("clickhouse://a:b@127.0.0.1:1/unionlink")
	must(t, err)
	defer nobody.Close()
	unavailable := func(got asked) {
		t.Helper()
		if got.status != http.StatusServiceUnavailable || got.object(t)["type"] != "unavailable" || got.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	before := len(r.events(t))
	t.Run("without clickhouse", func(t *testing.T) {
		gone := r.with(t, func(d *Deps) { d.Reader = nobody })
		unavailable(gone.get(t, "admin", "/v1/reports/summary"))
		if gone.api.Ready(t.Context()) == nil || r.api.Ready(t.Context()) != nil {
			t.Error("it is ready without clickhouse, or is not with it")
		}
	})
	t.Run("what cannot be audited is not done", func(t *testing.T) {
		gone := r.with(t, func(d *Deps) { d.Writer = nobody })
		unavailable(gone.get(t, "admin", "/v1/reports/summary?format=csv"))
		unavailable(gone.ask(t, "admin", http.MethodPost, personPath(personQ, "/erase"), ""))
	})
	t.Run("without nats", func(t *testing.T) {
		nc, err := nats.Connect(embeddedtest.StartNATS(t))
		must(t, err)
		js, err := jetstream.New(nc)
		must(t, err)
		nc.Close()
		gone := r.with(t, func(d *Deps) { d.Publisher = publisher{js} })
		unavailable(gone.ask(t, "admin", http.MethodPost, personPath(personQ, "/erase"), ""))
	})
	if after := len(r.events(t)); after != before {
		t.Errorf("%d identity events were published", after-before)
	}
	large := r.ask(t, "admin", http.MethodPost, personPath(personQ, "/unlink"), `{"space":"`+strings.Repeat("a", maxBody)+`"}`)
	if large.status != http.StatusRequestEntityTooLarge || large.object(t)["type"] != "too-large" {
		t.Errorf("a large body: %d %s", large.status, large.body)
	}
}

func TestNew(t *testing.T) {
	_, err := New(Config{QuestionTime: 1, MaxIdentitiesPerKey: -1, Accounts: []Account{{}}}, Deps{})
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for _, fault := range []string{"question time:", "max identities per key:", "accounts[0].appid", "reader:", "writer:", "publisher:", "log:", "now:"} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("the error does not tell of %s: %v", fault, err)
		}
	}
}
