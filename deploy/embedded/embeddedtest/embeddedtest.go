// Package embeddedtest gives tests the real servers: NATS and ClickHouse, started for the test and gone after it.
//
// A test binary that uses ClickHouse must begin with
//
//	func TestMain(m *testing.M) { embeddedtest.Main(m) }
//
// because ClickHouse runs in a child that is the test binary itself, started again. Nothing here skips: where a server
// cannot be started, the test fails and says why. The servers leave fsync to the kernel, for speed.
package embeddedtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/unionlink/unionlink/deploy/embedded"
)

// Main runs the tests of a package; it never returns. It also is the ClickHouse child's main, and stops the shared server.
func Main(m *testing.M) {
	embedded.RunChildIfAsked()
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop shared clickhouse:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// NATSOption changes the configuration of a test's NATS.
type NATSOption func(*embedded.NATSConfig)

// SyncAlways makes every message be on disk before it is acknowledged, as in production.
func SyncAlways(cfg *embedded.NATSConfig) { cfg.LazySync = false }

// StartNATS starts an empty NATS for one test and returns its URL, which needs no credentials.
func StartNATS(t testing.TB, options ...NATSOption) string {
	t.Helper()
	cfg := embedded.NATSConfig{Dir: t.TempDir(), LazySync: true}
	for _, option := range options {
		option(&cfg)
	}
	nats, err := embedded.NewNATS(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := nats.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nats.Close(); err != nil {
			t.Error(err)
		}
	})
	return nats.ClientURL()
}

// StartClickHouse starts an empty ClickHouse for one test; it takes about a second. Most tests want Database instead.
func StartClickHouse(t testing.TB) *embedded.ClickHouse {
	t.Helper()
	server, err := startClickHouse(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func startClickHouse(dir string) (*embedded.ClickHouse, error) {
	server, err := embedded.NewClickHouse(embedded.ClickHouseConfig{Dir: dir, LazySync: true, Progress: os.Stderr}, quiet())
	if err != nil {
		return nil, err
	}
	return server, server.Start(context.Background()) // outlives the test that happens to be first
}

// Shared returns the one ClickHouse that all tests of this binary share, and starts it for the first of them.
func Shared(t testing.TB) *embedded.ClickHouse {
	t.Helper()
	server, err := shared.get()
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// database numbers the databases of this binary.
var database atomic.Int64

// Database makes an empty database on the shared server for one test, drops it afterwards, and returns the loader's DSN
// of it. Its name begins with "unionlink_", so the analyst may read it too (see AnalystDSN).
func Database(t testing.TB) string {
	t.Helper()
	server := Shared(t)
	name := fmt.Sprintf("unionlink_test_%d", database.Add(1))
	execute(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, server, "DROP DATABASE IF EXISTS "+name+" SYNC") })
	return server.DSNFor(embedded.UserLoader, name)
}

// AnalystDSN turns the DSN of Database into the analyst's.
func AnalystDSN(t testing.TB, dsn string) string {
	t.Helper()
	_, name, found := strings.Cut(dsn[len("clickhouse://"):], "/")
	if !found {
		t.Fatalf("the dsn names no database")
	}
	return Shared(t).DSNFor(embedded.UserAnalyst, name)
}

func execute(t testing.TB, server *embedded.ClickHouse, query string) {
	t.Helper()
	options, err := clickhouse.ParseDSN(server.DSNFor(embedded.UserLoader, "default"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.Exec(context.Background(), query), conn.Close()); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// shared is the server of Shared. A variable of the package, since Go's tests have nowhere else to keep it.
var shared sharedServer

type sharedServer struct {
	once   sync.Once
	dir    string
	server *embedded.ClickHouse
	err    error
}

func (s *sharedServer) get() (*embedded.ClickHouse, error) {
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "unionlink-clickhouse-"); s.err != nil {
			return
		}
		s.server, s.err = startClickHouse(s.dir)
	})
	return s.server, s.err
}

func (s *sharedServer) close() error {
	if s.server == nil {
		return nil
	}
	return errors.Join(s.server.Close(), os.RemoveAll(s.dir))
}

// quiet drops the servers' logs; what goes wrong comes back as an error.
func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}
