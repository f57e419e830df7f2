package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// log tells what the parts warn of; it goes where the progress goes.
func (s *session) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(s.progress, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// broker is a NATS of the run's own, with the streams.
type broker struct {
	server *embedded.NATS
	nc     *nats.Conn
	js     jetstream.JetStream
}

// perEvent is what an event takes in the stream at most, in bytes.
const perEvent = 2 << 10

// startBroker starts NATS with room for so many events. Every message is on disk before it is acknowledged.
func (s *session) startBroker(ctx context.Context, events int) (b *broker, err error) {
	server, err := embedded.NewNATS(embedded.NATSConfig{Dir: filepath.Join(s.dir, "nats")}, s.log())
	if err != nil {
		return nil, err
	}
	b = &broker{server: server}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if err := server.Start(ctx); err != nil {
		return nil, err
	}
	if b.nc, err = nats.Connect(server.ClientURL(), nats.Name("unionlink-bench")); err != nil {
		return nil, fmt.Errorf("connect to nats: %w", err)
	}
	if b.js, err = jetstream.New(b.nc); err != nil {
		return nil, fmt.Errorf("open jetstream: %w", err)
	}
	size := max(int64(256<<20), int64(events)*perEvent)
	return b, stream.Provision(ctx, b.js, stream.Config{MaxBytes: size})
}

// close stops the server; a broker that was never made has none.
func (b *broker) close() error {
	if b.nc != nil {
		b.nc.Close()
	}
	return b.server.Close()
}

// stored is how many events the stream holds, and the last one's sequence.
func (b *broker) stored(ctx context.Context) (count, last uint64, err error) {
	s, err := b.js.Stream(ctx, stream.Events)
	if err != nil {
		return 0, 0, fmt.Errorf("look up stream %s: %w", stream.Events, err)
	}
	state := s.CachedInfo().State
	return state.Msgs, state.LastSeq, nil
}

func (b *broker) committer() (*ingest.Committer, error) {
	return ingest.NewCommitter(ingest.CommitConfig{}, b.nc, prometheus.NewRegistry())
}

// store is a ClickHouse of the run's own, with the tables.
type store struct {
	server  *embedded.ClickHouse
	loader  driver.Conn
	analyst driver.Conn
}

// startStore starts ClickHouse and migrates it. Every insert is on disk before it is answered.
func (s *session) startStore(ctx context.Context) (st *store, err error) {
	server, err := embedded.NewClickHouse(embedded.ClickHouseConfig{Dir: filepath.Join(s.dir, "clickhouse"), Progress: s.progress}, s.log())
	if err != nil {
		return nil, err
	}
	st = &store{server: server}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	if err := server.Start(ctx); err != nil {
		return nil, err
	}
	if st.loader, err = st.database(ctx, warehouse.DefaultDatabase); err != nil {
		return nil, err
	}
	st.analyst, err = warehouse.Open(server.DSN(embedded.UserAnalyst))
	return st, err
}

// database migrates a database and opens it for the loader.
func (st *store) database(ctx context.Context, name string) (driver.Conn, error) {
	dsn := st.server.DSNFor(embedded.UserLoader, name)
	if _, err := warehouse.Migrate(ctx, warehouse.MigrateOptions{DSN: dsn}); err != nil {
		return nil, err
	}
	return warehouse.OpenLoader(dsn)
}

func (st *store) close() error {
	var errs []error
	for _, conn := range []driver.Conn{st.loader, st.analyst} {
		if conn != nil {
			errs = append(errs, conn.Close())
		}
	}
	return errors.Join(append(errs, st.server.Close())...)
}

// count reads one number.
func (st *store) count(ctx context.Context, query string, args ...any) (uint64, error) {
	var n uint64
	if err := st.loader.QueryRow(ctx, query, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	return n, nil
}

// link runs a linker until the returned function is called, which waits for its end.
func (s *session) link(ctx context.Context, b *broker, st *store, cfg linker.Config) (stop func() error, err error) {
	l, err := linker.New(cfg, linker.Deps{
		JetStream: b.js, Warehouse: st.loader, Accounts: accounts(), Log: s.log(), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }() // ends with stop
	return func() error {
		cancel()
		return <-done
	}, nil
}
