package embedded_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
)

func TestMain(m *testing.M) {
	embedded.RunChildIfAsked()
	runParentIfAsked()
	embeddedtest.Main(m)
}

// patience is for machines that are slow and busy; nothing here is expected to take a tenth of it.
const patience = 90 * time.Second

func TestClickHouse_restarts(t *testing.T) {
	restarts := make(chan error, 10)
	server := start(t, embedded.ClickHouseConfig{Dir: t.TempDir(), OnRestart: func(reason error) { restarts <- reason }})
	native, http := server.NativeAddr(), server.HTTPAddr()
	conn := open(t, server.DSNFor(embedded.UserLoader, "default"))
	run(t, conn, "CREATE DATABASE unionlink")
	run(t, conn, "CREATE TABLE unionlink.kept (n UInt64) ENGINE = MergeTree ORDER BY n")
	run(t, conn, "INSERT INTO unionlink.kept SELECT number FROM numbers(1000)")

	killed := server.Pid()
	if err := syscall.Kill(killed, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case reason := <-restarts:
		if !strings.Contains(reason.Error(), "killed") {
			t.Errorf("restarted because %q; want the signal", reason)
		}
	case <-time.After(patience):
		t.Fatal("the child that was killed did not come back")
	}
	if pid := server.Pid(); pid == killed || pid == 0 {
		t.Errorf("the child's pid is %d after the restart; want a new one", pid)
	}
	if server.NativeAddr() != native || server.HTTPAddr() != http {
		t.Errorf("the restarted child listens on %s and %s; want %s and %s", server.NativeAddr(), server.HTTPAddr(), native, http)
	}
	var rows uint64
	eventually(t, "the rows are still there", func() error {
		err := conn.QueryRow(t.Context(), "SELECT count() FROM unionlink.kept").Scan(&rows)
		if err == nil && rows != 1000 {
			t.Fatalf("%d rows after kill -9; want 1000", rows)
		}
		return err
	})
}

func TestClickHouse_keeps_its_data_and_passwords_between_starts(t *testing.T) {
	dir := t.TempDir()
	first := start(t, embedded.ClickHouseConfig{Dir: dir})
	conn := open(t, first.DSNFor(embedded.UserLoader, "default"))
	run(t, conn, "CREATE DATABASE unionlink")
	run(t, conn, "CREATE TABLE unionlink.kept ENGINE = MergeTree ORDER BY n AS SELECT number AS n FROM numbers(10)")
	password := first.Password(embedded.UserAnalyst)
	if err := first.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if pid := first.Pid(); pid != 0 {
		t.Errorf("the child %d is left after Close", pid)
	}

	second := start(t, embedded.ClickHouseConfig{Dir: dir})
	if second.Password(embedded.UserAnalyst) != password {
		t.Error("the analyst has another password after the second start")
	}
	var rows uint64
	if err := open(t, second.DSN(embedded.UserAnalyst)).QueryRow(t.Context(), "SELECT count() FROM kept").Scan(&rows); err != nil || rows != 10 {
		t.Errorf("%d rows, %v; want 10", rows, err)
	}
	loader := open(t, second.DSN(embedded.UserLoader))
	run(t, loader, "SYSTEM FLUSH LOGS")
	if err := loader.QueryRow(t.Context(), "SELECT count() FROM system.query_log").Scan(&rows); err != nil || rows == 0 {
		t.Errorf("the query log of the second start has %d rows, %v; want some", rows, err)
	}
}

func TestClickHouse_locks_its_folder(t *testing.T) {
	dir := t.TempDir()
	start(t, embedded.ClickHouseConfig{Dir: dir})
	second := create(t, embedded.ClickHouseConfig{Dir: dir})
	err := second.Start(t.Context())
	var locked *embedded.LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("a second start: %v; want a LockedError", err)
	}
	if locked.PID != os.Getpid() {
		t.Errorf("the error names pid %d; want %d", locked.PID, os.Getpid())
	}
	if err := second.Close(); err != nil {
		t.Errorf("close after a start that went wrong: %v", err)
	}
}

func TestClickHouse_tells_a_busy_port(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	err = create(t, embedded.ClickHouseConfig{Dir: t.TempDir(), HTTPPort: port}).Start(t.Context())
	var busy *embedded.BusyPortError
	if !errors.As(err, &busy) {
		t.Fatalf("start on a busy port: %v; want a BusyPortError", err)
	}
	for _, want := range []string{"127.0.0.1:" + strconv.Itoa(port), "clickhouse.http_port"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not name %s", err, want)
		}
	}
}

func TestClickHouse_files_are_private(t *testing.T) {
	dir := t.TempDir()
	start(t, embedded.ClickHouseConfig{Dir: dir})
	for _, name := range []string{"secrets.json", "users.xml", "config.xml", "lock"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o; want 600", name, mode)
		}
	}
}

func TestClickHouse_tells_every_fault_of_its_configuration(t *testing.T) {
	_, err := embedded.NewClickHouse(embedded.ClickHouseConfig{
		Host: "localhost", NativePort: -1, Database: "a;b", MemoryLimit: 1, LogLevel: "loud",
	}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"dir", "host", "native_port", "database", "memory limit", "log level"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell of the %s: %v", want, err)
		}
	}
}

func TestClickHouse_cannot_run_where_main_forgot_the_child(t *testing.T) {
	t.Setenv("UNIONLINK_CHDB_CHILD", "engine")
	err := create(t, embedded.ClickHouseConfig{Dir: t.TempDir()}).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "RunChildIfAsked") {
		t.Errorf("%v; want the function that main has to call", err)
	}
}

func TestClickHouse_without_an_engine(t *testing.T) {
	t.Run("a missing program", func(t *testing.T) {
		err := create(t, embedded.ClickHouseConfig{Dir: t.TempDir(), Engine: "no/such/clickhouse"}).Start(t.Context())
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v; want that the program is not there", err)
		}
	})
	t.Run("a library that is none", func(t *testing.T) {
		err := create(t, embedded.ClickHouseConfig{Dir: t.TempDir(), Engine: "no/such/libchdb.so"}).Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), "load clickhouse engine") {
			t.Errorf("%v; want the child's last words", err)
		}
	})
}

func create(t *testing.T, cfg embedded.ClickHouseConfig) *embedded.ClickHouse {
	t.Helper()
	cfg.Progress = os.Stderr
	server, err := embedded.NewClickHouse(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func start(t *testing.T, cfg embedded.ClickHouseConfig) *embedded.ClickHouse {
	t.Helper()
	server := create(t, cfg)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func open(t *testing.T, dsn string) clickhouse.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func run(t *testing.T, conn clickhouse.Conn, query string) {
	t.Helper()
	if err := conn.Exec(context.Background(), query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// eventually polls until check has no error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %s: %v", what, patience, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
