// Package linker takes events from JetStream, stores them in ClickHouse, and keeps
// the map of persons: which identity belongs to whom, since when, and why.
//
// It promises that an event is acknowledged only once its rows are on disk and the
// map agrees with them, and that doing any of it twice changes nothing. So any
// number of linkers may share the stream, and each may die at any moment. It never
// drops an event: what cannot be counted becomes a dead letter, and only then is
// its message finished. See DESIGN.md for what happens at each crash.
package linker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/stream"
)

// Config of a linker. The zero value takes the defaults.
type Config struct {
	// Workers is how many batches are under way at once: one is fetched and decoded
	// while another is stored. Default 2.
	Workers int `yaml:"workers"`
	// BatchEvents is the greatest number of events in one batch. Default 10000.
	BatchEvents int `yaml:"batch_events"`
	// BatchBytes bounds the payload held by one worker. Default 16 MiB.
	BatchBytes int `yaml:"batch_bytes"`
	// BatchWait is how long a batch waits for more events once it has one. Default 100 ms.
	BatchWait time.Duration `yaml:"batch_wait"`
	// MaxIdentitiesPerKey is the number of identities beyond which a key links nobody. Default 50.
	MaxIdentitiesPerKey int `yaml:"max_identities_per_key"`
}

func (c Config) withDefaults() Config {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&c.Workers, 2)
	set(&c.BatchEvents, 10_000)
	set(&c.BatchBytes, 16<<20)
	set(&c.MaxIdentitiesPerKey, identity.DefaultMaxIdentitiesPerKey)
	if c.BatchWait == 0 {
		c.BatchWait = 100 * time.Millisecond
	}
	return c
}

// Validate returns every fault at once.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, fault string) {
		if !ok {
			errs = append(errs, errors.New("linker."+fault))
		}
	}
	c = c.withDefaults()
	check(c.Workers > 0 && c.Workers <= 64, "workers: must be 1 to 64")
	check(c.BatchEvents > 0 && c.BatchEvents <= 100_000, "batch_events: must be 1 to 100000")
	check(c.BatchBytes >= 1<<20, "batch_bytes: must be at least 1 MiB, the size of one message")
	check(c.BatchWait > 0 && c.BatchWait <= 10*time.Second, "batch_wait: must be above 0 and at most 10s")
	check(c.MaxIdentitiesPerKey >= 2 && c.MaxIdentitiesPerKey < 10_000, "max_identities_per_key: must be 2 to 9999")
	return errors.Join(errs...)
}

// Deps are what a linker works with.
type Deps struct {
	JetStream jetstream.JetStream
	// Warehouse is a connection pool of the loader: see warehouse.OpenLoader.
	Warehouse driver.Conn
	Accounts  []schemas.Account
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	// Traces takes a span a batch and one an insert. Nil: none are taken.
	Traces trace.TracerProvider
}

// Linker is the consumer; make it with New, run it with Run.
type Linker struct {
	cfg      Config
	deps     Deps
	rule     identity.Rule
	accounts map[string]*schemas.Account
	metrics  *metrics
	reload   reloader
	state    state
}

// New checks cfg and prepares a linker. It dials nothing.
func New(cfg Config, deps Deps) (*Linker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	l := &Linker{
		cfg: cfg, deps: deps, rule: identity.Rule{MaxIdentitiesPerKey: cfg.MaxIdentitiesPerKey},
		accounts: map[string]*schemas.Account{}, metrics: newMetrics(deps.Metrics),
	}
	l.reload.conn = deps.Warehouse
	for i := range deps.Accounts {
		l.accounts[deps.Accounts[i].AppID] = &deps.Accounts[i]
	}
	return l, nil
}

// Run consumes until ctx ends, and then finishes the batches under way. It returns
// nil after ctx ended, and an error only where no linker could work: the streams
// are not there.
func (l *Linker) Run(ctx context.Context) error {
	s, err := l.deps.JetStream.Stream(ctx, stream.Events)
	if err != nil {
		return fmt.Errorf("look up stream %s (run unionlink migrate): %w", stream.Events, err)
	}
	consumer, err := s.Consumer(ctx, stream.Consumer)
	if err != nil {
		return fmt.Errorf("look up consumer %s (run unionlink migrate): %w", stream.Consumer, err)
	}
	epoch := uint64(s.CachedInfo().Created.Unix())
	g, ctx := errgroup.WithContext(ctx)
	for range l.cfg.Workers {
		w := &worker{linker: l, consumer: consumer, epoch: epoch}
		g.Go(func() error { return w.run(ctx) }) // ends with ctx
	}
	g.Go(func() error { return l.watch(ctx, s, consumer, epoch) }) // ends with ctx
	return g.Wait()
}

// Ready returns nil once batches are stored, or why they are not.
func (l *Linker) Ready() error { return l.state.err() }
