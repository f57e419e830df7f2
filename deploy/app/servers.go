package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// servers are the addresses of what is connected to, credentials included.
type servers struct {
	natsURL    string
	natsUsers  map[string]string // passwords of the logins made for accounts, by appid
	maxBytes   int64             // of the event stream; 0: as it is, or the default
	loaderDSN  string            // may write the tables
	analystDSN string            // reads them
	limitedDSN string            // reads the rows of the accounts that each question names; empty: no such user
	httpURL    string            // ClickHouse's HTTP interface; empty: none

	native, http                 string // host:port of ClickHouse, as told to analysts
	analystUser, analystPassword string
}

// openServers starts the embedded servers where no others are configured.
func (a *App) openServers(ctx context.Context) (*servers, error) {
	w := &servers{natsURL: a.cfg.NATS.URL, maxBytes: a.cfg.NATS.MaxBytes, loaderDSN: a.cfg.ClickHouse.DSN, httpURL: a.cfg.ClickHouse.HTTPURL}
	w.analystDSN, w.limitedDSN = a.cfg.ClickHouse.AnalystDSN, a.cfg.ClickHouse.LimitedDSN
	if w.analystDSN == "" {
		w.analystDSN = w.loaderDSN
	}
	if w.natsURL == "" && a.parts.embed {
		a.ready.stage("the embedded NATS")
		if err := a.openNATS(ctx, w); err != nil {
			return nil, err
		}
	}
	if w.loaderDSN == "" && a.parts.embed {
		a.ready.stage("the embedded ClickHouse; a first start fetches its engine")
		if err := a.openClickHouse(ctx, w); err != nil {
			return nil, err
		}
	}
	if w.native == "" && w.loaderDSN != "" {
		opt, err := warehouse.Options(w.analystDSN)
		if err != nil {
			return nil, err
		}
		w.native, w.analystUser, w.analystPassword = opt.Addr[0], opt.Auth.Username, opt.Auth.Password
		if address, err := url.Parse(w.httpURL); err == nil {
			w.http = address.Host
		}
	}
	return w, nil
}

// natsUser is unionlink's own login at the embedded NATS.
const natsUser = "unionlink"

func (a *App) openNATS(ctx context.Context, w *servers) error {
	kept, err := loadKept(a.cfg.Data)
	if err != nil {
		return err
	}
	restarts := prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "unionlink", Subsystem: "nats", Name: "restarts_total", Help: "Restarts of the embedded NATS after its disk was full.",
	})
	a.metrics.MustRegister(restarts)
	cfg := embedded.NATSConfig{
		OnRestart: func(error) { restarts.Inc() },
		Dir:       filepath.Join(a.cfg.Data, "nats"), Host: a.cfg.NATS.Host, Port: a.cfg.NATS.Port,
		User: natsUser, Password: kept.NATSPassword, MaxStore: kept.NATSStore,
	}
	if a.cfg.NATS.MaxBytes > 0 {
		cfg.MaxStore = max(cfg.MaxStore, storeFor(a.cfg.NATS.MaxBytes))
	}
	publishers, made, err := a.publishers()
	if err != nil {
		return err
	}
	for _, u := range publishers {
		cfg.Users = append(cfg.Users, publisherUser(u))
	}
	server, err := embedded.NewNATS(cfg, a.deps.Log)
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	a.cleanup.add("nats", func(context.Context) error { return server.Close() })
	w.natsURL, w.natsUsers = server.ClientURL(), made
	// The streams' sizes are reserved out of the limit, which must therefore not shrink
	// when the disk fills: the first start's is kept.
	if kept.NATSStore < server.StoreLimit() {
		kept.NATSStore = server.StoreLimit()
		if err := kept.save(a.cfg.Data); err != nil {
			return err
		}
	}
	if w.maxBytes == 0 {
		w.maxBytes = eventsWithin(kept.NATSStore)
	}
	return nil
}

// bucketBytes is set aside for WeChat's key-value buckets.
const bucketBytes = 1 << 30

// storeFor is the limit of all streams together that an event stream needs: changes and
// dead letters have an eighth of it each.
func storeFor(events int64) int64 { return events + events/4 + bucketBytes }

// eventsWithin is the inverse of storeFor, at most 32 GiB.
func eventsWithin(store int64) int64 {
	return min(32<<30, (store-min(bucketBytes, store/4))/5*4)
}

func (a *App) openClickHouse(ctx context.Context, w *servers) error {
	restarts := prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "unionlink", Subsystem: "clickhouse", Name: "restarts_total", Help: "Restarts of an embedded ClickHouse that had died.",
	})
	a.metrics.MustRegister(restarts)
	server, err := embedded.NewClickHouse(embedded.ClickHouseConfig{
		Dir: filepath.Join(a.cfg.Data, "clickhouse"), Host: a.cfg.ClickHouse.Host,
		NativePort: a.cfg.ClickHouse.NativePort, HTTPPort: a.cfg.ClickHouse.HTTPPort,
		Database: warehouse.DefaultDatabase, Engine: a.cfg.ClickHouse.Engine, MemoryLimit: a.cfg.ClickHouse.MaxMemory,
		Progress: a.deps.Progress, OnRestart: func(error) { restarts.Inc() },
	}, a.deps.Log)
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	a.cleanup.add("clickhouse", func(context.Context) error { return server.Close() })
	w.loaderDSN, w.analystDSN, w.limitedDSN = server.DSN(embedded.UserLoader), server.DSN(embedded.UserAnalyst), server.DSN(embedded.UserLimited)
	w.native, w.http, w.httpURL = server.NativeAddr(), server.HTTPAddr(), server.HTTPURL()
	w.analystUser, w.analystPassword = string(embedded.UserAnalyst), server.Password(embedded.UserAnalyst)
	return nil
}

// provision makes streams and tables, which up does by itself.
func (a *App) provision(ctx context.Context, w *servers) error {
	if a.target != TargetUp {
		return nil
	}
	a.ready.stage("streams and tables")
	_, err := provision(ctx, w, a.cfg.NATS.Replicas)
	return err
}

// Migrate brings streams and tables of configured servers to what this program needs and
// returns the names of the changes to the tables. Where only one of the servers is
// configured, it does that one.
func Migrate(ctx context.Context, cfg Config) ([]string, error) {
	if cfg.NATS.URL == "" && cfg.ClickHouse.DSN == "" {
		return nil, errors.New("configuration: nats.url and clickhouse.dsn: migrate needs one of them (unionlink up migrates its own servers)")
	}
	return provision(ctx, &servers{natsURL: cfg.NATS.URL, maxBytes: cfg.NATS.MaxBytes, loaderDSN: cfg.ClickHouse.DSN}, cfg.NATS.Replicas)
}

func provision(ctx context.Context, w *servers, replicas int) ([]string, error) {
	if w.natsURL != "" {
		if err := provisionStreams(ctx, w, replicas); err != nil {
			return nil, err
		}
	}
	if w.loaderDSN == "" {
		return nil, nil
	}
	done, err := warehouse.Migrate(ctx, warehouse.MigrateOptions{DSN: w.loaderDSN})
	if err != nil {
		return done, fmt.Errorf("migrate the tables: %w", err)
	}
	return done, nil
}

func provisionStreams(ctx context.Context, w *servers, replicas int) error {
	nc, err := nats.Connect(w.natsURL, nats.Name("unionlink-migrate"))
	if err != nil {
		return fmt.Errorf("connect to nats: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	return stream.Provision(ctx, js, stream.Config{MaxBytes: w.maxBytes, Replicas: replicas})
}

// newSecret is 128 bits or more that nobody guesses.
func newSecret() string { return rand.Text() }
