package embeddedtest_test

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

func TestDatabase(t *testing.T) {
	dsn := embeddedtest.Database(t)
	loader, analyst := open(t, dsn), open(t, embeddedtest.AnalystDSN(t, dsn))
	for _, query := range []string{"CREATE TABLE numbers (n UInt64) ENGINE = MergeTree ORDER BY n", "INSERT INTO numbers VALUES (7)"} {
		if err := loader.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	var n uint64
	if err := analyst.QueryRow(t.Context(), "SELECT n FROM numbers").Scan(&n); err != nil || n != 7 {
		t.Errorf("the analyst reads %d, %v; want 7", n, err)
	}
}

func TestDatabase_is_empty_for_each_test(t *testing.T) {
	loader := open(t, embeddedtest.Database(t))
	var tables uint64
	if err := loader.QueryRow(t.Context(), "SELECT count() FROM system.tables WHERE database = currentDatabase()").Scan(&tables); err != nil || tables != 0 {
		t.Errorf("a new database has %d tables, %v; want none", tables, err)
	}
}

func TestStartNATS_has_JetStream(t *testing.T) {
	for _, options := range [][]embeddedtest.NATSOption{nil, {embeddedtest.SyncAlways}} {
		conn, err := nats.Connect(embeddedtest.StartNATS(t, options...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		js, err := jetstream.New(conn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(t.Context(), "s", nil); err != nil {
			t.Error(err)
		}
	}
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
