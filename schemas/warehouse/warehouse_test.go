package warehouse_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

// shape lists every table and column of the database, the outcome of migrating.
func shape(t *testing.T, dsn string) []string {
	t.Helper()
	conn, err := warehouse.Open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.Query(context.Background(), `SELECT concat(table, '.', name, ' ', type, ' ', default_expression)
		FROM system.columns WHERE database = currentDatabase() ORDER BY table, position`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		out = append(out, line)
	}
	return out
}

func migrate(t *testing.T, dsn string) []string {
	t.Helper()
	done, err := warehouse.Migrate(context.Background(), warehouse.MigrateOptions{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestMigrate(t *testing.T) {
	want := embeddedtest.Database(t)
	all := migrate(t, want)
	t.Run("a second run applies nothing", func(t *testing.T) {
		if again := migrate(t, want); len(again) != 0 {
			t.Fatalf("applied %v", again)
		}
	})
	t.Run("from each earlier state to the same end", func(t *testing.T) {
		var tables []string
		for _, name := range all {
			if strings.HasPrefix(name, "0") {
				tables = append(tables, name)
			}
		}
		for n := range len(tables) + 1 {
			dsn := embeddedtest.Database(t)
			if _, err := warehouse.MigrateFrom(context.Background(), warehouse.MigrateOptions{DSN: dsn}, firstMigrations(t, n)); err != nil {
				t.Fatal(err)
			}
			migrate(t, dsn)
			if d := cmp.Diff(shape(t, want), shape(t, dsn)); d != "" {
				t.Fatalf("from %d: %s", n, d)
			}
		}
	})
	t.Run("from several processes at once", func(t *testing.T) {
		dsn := embeddedtest.Database(t)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = warehouse.Migrate(context.Background(), warehouse.MigrateOptions{DSN: dsn})
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(shape(t, want), shape(t, dsn)); d != "" {
			t.Fatal(d)
		}
	})
	t.Run("a changed migration is refused", func(t *testing.T) {
		changed := firstMigrations(t, len(all))
		changed["migrations/0001_facts.sql"] = &fstest.MapFile{Data: []byte("SELECT 1")}
		_, err := warehouse.MigrateFrom(context.Background(), warehouse.MigrateOptions{DSN: want}, changed)
		var e *warehouse.ErrChanged
		if !errors.As(err, &e) || e.Name != "0001_facts" {
			t.Fatalf("got %v", err)
		}
	})
}

// firstMigrations is the file system as it was when there were n migrations, and no objects.
func firstMigrations(t *testing.T, n int) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{"objects": &fstest.MapFile{Mode: fs.ModeDir}, "migrations": &fstest.MapFile{Mode: fs.ModeDir}}
	names, err := fs.Glob(warehouse.Files, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names[:min(n, len(names))] {
		data, err := fs.ReadFile(warehouse.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = &fstest.MapFile{Data: data}
	}
	return out
}

func TestNeighbourhood(t *testing.T) {
	ctx := context.Background()
	dsn := embeddedtest.Database(t)
	migrate(t, dsn)
	conn, err := warehouse.OpenLoader(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	row := func(who uint64, space, value string) warehouse.StatementRow {
		return warehouse.StatementRow{
			Identity: who, Space: space, OccurredAt: at, Digest: who, Action: "hold", Key: schemas.KeyHash(space, value),
			Value: value, EventID: "e", Source: "login", StreamTime: at,
		}
	}
	rows := []warehouse.StatementRow{row(1, "a", "x"), row(2, "a", "x"), row(2, "b", "y"), row(3, "b", "y"), row(4, "a", "z")}
	if err := warehouse.Statements.Insert(ctx, conn, rows); err != nil {
		t.Fatal(err)
	}
	facts, err := warehouse.Neighbourhood(ctx, conn, []uint64{1})
	if err != nil {
		t.Fatal(err)
	}
	w := identity.Rule{}.Resolve(facts)
	if len(facts.Statements) != 4 || w.Person[1] != w.Person[3] {
		t.Fatalf("%d statements, persons %v", len(facts.Statements), w.Person)
	}
}

func TestPurchaseVersion(t *testing.T) {
	ctx := context.Background()
	dsn := embeddedtest.Database(t)
	migrate(t, dsn)
	conn, err := warehouse.OpenLoader(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	at := time.Date(2026, 1, 31, 23, 59, 0, 0, time.UTC)
	row := func(revision uint32, digest uint64, learnt time.Duration, amount int64) warehouse.PurchaseRow {
		return warehouse.PurchaseRow{
			Identity: 1, OrderKey: 2, AppID: "wx", OrderID: "o", Kind: "purchase", Amount: amount, Currency: "CNY", OccurredAt: at,
			Revision: revision, Digest: digest, EventID: "e", StreamTime: at.Add(learnt),
		}
	}
	for _, r := range []warehouse.PurchaseRow{row(1, 5, 0, 100), row(0, 9, time.Hour, 200), row(1, 4, time.Hour, 300), row(1, 5, time.Hour, 100)} {
		if err := warehouse.Purchases.Insert(ctx, conn, []warehouse.PurchaseRow{r}); err != nil {
			t.Fatal(err)
		}
	}
	var n, versions uint64
	var amount int64
	var learnt time.Time
	if err := conn.QueryRow(ctx, "SELECT count(), sum(amount), max(stream_time) FROM purchases FINAL").Scan(&n, &amount, &learnt); err != nil {
		t.Fatal(err)
	}
	if n != 1 || amount != 100 || !learnt.Equal(at) {
		t.Fatalf("%d rows, amount %d, learnt %s: want the highest revision, of it the greatest digest, learnt first", n, amount, learnt)
	}
	if err := conn.QueryRow(ctx, "SELECT uniqExact(version) FROM purchases_log").Scan(&versions); err != nil || versions != 4 {
		t.Fatalf("%d versions in the log, want all 4: %v", versions, err)
	}
}
