package ledger

import (
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

func open(t *testing.T, dsn string) driver.Conn {
	t.Helper()
	conn, err := warehouse.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func start(t *testing.T) Ledger {
	t.Helper()
	dsn := embeddedtest.Database(t)
	if _, err := warehouse.Migrate(t.Context(), warehouse.MigrateOptions{DSN: dsn}); err != nil {
		t.Fatal(err)
	}
	return Ledger{Reader: open(t, embeddedtest.AnalystDSN(t, dsn)), Writer: open(t, dsn)}
}

func TestAudit(t *testing.T) {
	l := start(t)
	at := time.Date(2026, 11, 22, 10, 0, 0, 123e6, time.UTC)
	hostile := "'; DROP TABLE audit; --\n\t\\'\" {at:String} ${x} \x00 张三"
	var want []Entry
	for i, target := range []string{"a", "b", "c", hostile, "e"} {
		e := Entry{At: at.Add(time.Duration(i/2) * time.Millisecond), Actor: hostile, Role: "admin", Action: "export", Target: target, Detail: "{}"}
		if err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	got := map[string]Entry{}
	var after *Position
	var latest time.Time
	for page := 0; page < 5; page++ {
		entries, next, err := l.Entries(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !latest.IsZero() && e.At.After(latest) {
				t.Error("an entry is later than the one before")
			}
			latest = e.At
			if _, twice := got[e.Target]; twice {
				t.Errorf("%q comes twice", e.Target)
			}
			got[e.Target] = e
		}
		if after = next; next == nil {
			break
		}
	}
	for _, e := range want {
		if d := cmp.Diff(e, got[e.Target]); d != "" {
			t.Error(d)
		}
	}
}

func TestAudiences(t *testing.T) {
	l := start(t)
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	a := Audience{Name: "big spenders", Definition: "min_amount=10000", Owner: "me", At: at}
	b := a
	b.Definition, b.At = "min_amount=20000", at.Add(time.Second)
	other := Audience{Name: "all", Owner: "me", At: at}
	for _, kept := range []Audience{b, a, other} { // the older one comes last, and does not win
		if err := l.Keep(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
	}
	got, err := l.Audiences(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Audience{other, b}, got); d != "" {
		t.Error(d)
	}
	other.At = at.Add(time.Second)
	if err := l.Drop(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if got, err = l.Audiences(t.Context()); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
}
