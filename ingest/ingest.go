// Package ingest takes resolved events from account back ends over HTTP and puts
// them into JetStream.
//
// An event answered with success is on stable storage: the answer is written after
// the stream's acknowledgement, never before. Concurrent requests share fsyncs (see
// Committer). What cannot be taken is named in the answer, event by event; nothing
// is dropped silently, and sending the same request again is always harmless.
//
// It never links identities, knows no ClickHouse, and writes no identifier of a
// user into a log or a metric.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/jsonschema"
)

// Publisher stores events durably; Committer is the one in use. The outcomes are in
// the order of the events. An error means that none of the events was published by
// this call, unless it is the context's: then any of them may have been.
type Publisher interface {
	Publish(ctx context.Context, events []schemas.Event) ([]schemas.Outcome, error)
}

// Deps are what Ingest works with. All are required, save Now.
type Deps struct {
	Publisher Publisher
	// AppIDs are the configured accounts; events of others are rejected as unknown-account.
	AppIDs     []string
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Now is the wall clock that judges occurred_at and signatures. Default time.Now.
	Now func() time.Time
}

// Ingest answers the routes under /v1/events.
type Ingest struct {
	cfg      Config
	publish  Publisher
	accounts map[string]bool
	keys     *keyRing
	clients  *clientAddress
	failures *failureLimit
	bodies   *budget
	metrics  *metrics
	log      *slog.Logger
	warn     *rate.Sometimes // bounds the warnings while nothing can be stored
	now      func() time.Time
}

// New checks the configuration and builds the routes' handler. It starts nothing.
func New(cfg Config, deps Deps) (*Ingest, error) {
	cfg = cfg.withDefaults()
	if err := errors.Join(cfg.Validate(), deps.validate()); err != nil {
		return nil, fmt.Errorf("configure ingest: %w", err)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register ingest metrics: %w", err)
	}
	accounts := make(map[string]bool, len(deps.AppIDs))
	for _, a := range deps.AppIDs {
		accounts[a] = true
	}
	return &Ingest{
		cfg: cfg, publish: deps.Publisher, accounts: accounts,
		keys: newKeyRing(cfg), clients: newClientAddress(cfg.TrustedProxies), failures: newFailureLimit(),
		bodies:  newBudget(cfg.MaxBodyMemory, cfg.BusyWait, m.bodyBytes),
		metrics: m, log: deps.Logger, now: deps.Now,
		warn: &rate.Sometimes{First: 1, Interval: time.Second},
	}, nil
}

func (d Deps) validate() error {
	var faults []error
	if d.Publisher == nil {
		faults = append(faults, errors.New("publisher: is required"))
	}
	if d.Logger == nil {
		faults = append(faults, errors.New("logger: is required"))
	}
	if d.Registerer == nil {
		faults = append(faults, errors.New("registerer: is required"))
	}
	return errors.Join(faults...)
}

// Routes adds the routes of section 6 of the design that take resolved events, and
// the contract's documents.
func (g *Ingest) Routes(r chi.Router) {
	r.Post("/v1/events/logins", g.events(schemas.KindLogin))
	r.Post("/v1/events/purchases", g.events(schemas.KindPurchase))
	r.Post("/v1/events/identities", g.events(schemas.KindIdentity))
	r.Get("/schemas/v1/{kind}.json", serveSchema)
	r.Get("/asyncapi.json", serveJSON(jsonschema.AsyncAPI))
}
