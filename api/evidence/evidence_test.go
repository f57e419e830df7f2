package evidence

import (
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// day is a moment of the test's world.
func day(n int) time.Time { return start.AddDate(0, 0, n) }

func seen(appid, openid string) uint64 { return schemas.IdentityHash(appid, openid) }

func hold(id uint64, space, value string, n int) warehouse.StatementRow {
	return warehouse.StatementRow{
		Identity: id, Space: space, OccurredAt: day(n), Digest: uint64(n), Action: "hold", Key: schemas.KeyHash(space, value),
		Value: value, EventID: "e-" + space + "-" + value + "-" + day(n).Format("02"), Source: "shop", StreamTime: day(n),
	}
}

// world is three identities of one person: a and b by a unionid, c by a membership number that a holds too. b once had
// another unionid, and c a number that was unlinked.
func world(t *testing.T) (conn driver.Conn, a, b, c uint64) {
	t.Helper()
	dsn := embeddedtest.Database(t)
	if _, err := warehouse.Migrate(t.Context(), warehouse.MigrateOptions{DSN: dsn}); err != nil {
		t.Fatal(err)
	}
	loader, err := warehouse.OpenLoader(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loader.Close() })
	a, b, c = seen("wx1", "oa"), seen("wx2", "ob"), seen("wx3", "oc")
	unlink := hold(c, "vip", "", 3)
	unlink.Action, unlink.Key, unlink.EventID = "unlink", 0, "undo"
	check(t, warehouse.Identities.Insert(t.Context(), loader, []warehouse.IdentityRow{
		{Identity: a, AppID: "wx1", OpenID: "oa", FirstSeen: day(1)},
		{Identity: b, AppID: "wx2", OpenID: "ob", FirstSeen: day(0)},
		{Identity: c, AppID: "wx3", OpenID: "oc", FirstSeen: day(2)},
	}))
	check(t, warehouse.Statements.Insert(t.Context(), loader, []warehouse.StatementRow{
		hold(a, "plat", "u1", 1), hold(a, "plat", "u1", 4), hold(b, "plat", "u0", 0), hold(b, "plat", "u1", 2),
		hold(a, "crm", "M-1", 5), hold(c, "crm", "M-1", 6), hold(c, "vip", "V", 2), unlink,
	}))
	buy := func(id uint64, appid, order, kind string, amount int64) warehouse.PurchaseRow {
		return warehouse.PurchaseRow{
			Identity: id, OrderKey: schemas.KeyHash(order, kind), AppID: appid, OrderID: order, Kind: kind, Amount: amount,
			Currency: "CNY", OccurredAt: day(1), StreamTime: day(1), EventID: order + kind,
		}
	}
	check(t, warehouse.Purchases.Insert(t.Context(), loader, []warehouse.PurchaseRow{
		buy(a, "wx1", "1", "purchase", 100), buy(b, "wx2", "2", "purchase", 200), buy(c, "wx3", "3", "purchase", 300), buy(c, "wx3", "3", "refund", -50),
	}))
	if conn, err = warehouse.Open(embeddedtest.AnalystDSN(t, dsn)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, a, b, c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, r Reader, sees func(string) bool, ids ...uint64) *Case {
	t.Helper()
	c, err := r.Open(t.Context(), Asked{Person: schemas.KeyHash("plat", "u1"), Identities: ids, Sees: sees})
	check(t, err)
	return c
}

func everything(string) bool { return true }

func TestEvidence(t *testing.T) {
	conn, a, b, c := world(t)
	r := Reader{Conn: conn, Rule: identity.Rule{}}
	whole := open(t, r, everything, a, b, c)
	told := func(space, value string, n int) Evidence {
		return Evidence{"e-" + space + "-" + value + "-" + day(n).Format("02"), "shop", day(n), day(n)}
	}
	t.Run("explains every link, conflict and undoing", func(t *testing.T) {
		got := whole.Explain()
		want := Explanation{
			Identities: []Identity{{"wx1", "oa", day(1)}, {"wx2", "ob", day(0)}, {"wx3", "oc", day(2)}},
			Conflicts:  []Conflict{{"wx2", "ob", "plat", "u0", "u1", told("plat", "u0", 0)}},
			Overloaded: []Overloaded{}, Migrations: []Migration{},
			Voided: []Voided{{"wx3", "oc", "vip", "V", "undo", told("vip", "V", 2)}},
		}
		links, keys := got.Links, got.Keys
		got.Links, got.Keys = nil, nil
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if len(links) != 4 || len(keys) != 2 {
			t.Errorf("%d links by %d keys", len(links), len(keys))
		}
		for _, l := range links {
			if l.OpenID == "oa" && l.Space == "plat" {
				if d := cmp.Diff([]Evidence{told("plat", "u1", 4), told("plat", "u1", 1)}, l.Evidence); d != "" {
					t.Error(d)
				}
			}
		}
	})
	t.Run("tells nothing of accounts that may not be seen", func(t *testing.T) {
		part := open(t, r, func(appid string) bool { return appid == "wx1" }, a, b, c)
		got := part.Explain()
		if len(got.Identities) != 1 || len(got.Links) != 2 || len(got.Conflicts)+len(got.Voided) != 0 || !part.Hidden() {
			t.Errorf("%+v", got)
		}
		if _, found := part.Find("wx2", "ob"); found {
			t.Error("a hidden identity is found")
		}
	})
	t.Run("explains as of a moment before the undoing", func(t *testing.T) {
		then, err := r.Open(t.Context(), Asked{Person: c, Identities: []uint64{c}, Sees: everything, AsOf: day(3).Add(-time.Millisecond)})
		check(t, err)
		got := then.Explain()
		want := []Link{{"wx3", "oc", "vip", "V", []Evidence{told("vip", "V", 2)}}}
		if d := cmp.Diff(want, got.Links); d != "" || len(got.Voided) != 0 {
			t.Error(d, got.Voided)
		}
	})
	t.Run("plans to part one identity", func(t *testing.T) { partOne(t, whole, c) })
	t.Run("plans what a source stated in a time", func(t *testing.T) {
		p, err := whole.Unlink(t.Context(), Selection{Source: "shop", From: day(5), To: day(7)}, day(10))
		check(t, err)
		want := []Unlink{{"wx1", "oa", "crm"}, {"wx3", "oc", "crm"}}
		if d := cmp.Diff(want, p.Unlinks); d != "" || len(p.Events) != 2 {
			t.Error(d)
		}
		if p, err = whole.Unlink(t.Context(), Selection{Source: "another"}, day(10)); err != nil || len(p.Unlinks)+len(p.Identities) != 0 {
			t.Error(p, err)
		}
	})
	t.Run("voids also what a clock ahead of ours stated", func(t *testing.T) {
		p, err := whole.Unlink(t.Context(), Selection{Identity: c, Space: "crm"}, day(1))
		check(t, err)
		if !p.OccurredAt.Equal(day(6)) || len(p.Identities) != 1 {
			t.Errorf("%+v", p)
		}
	})
	t.Run("plans to erase everyone", func(t *testing.T) {
		p, err := whole.Erase(t.Context(), day(10))
		check(t, err)
		if len(p.Events) != 3 || len(p.Identities) != 3 || p.Identities[0].To != "" || p.After != 0 || len(p.Money) != 3 {
			t.Errorf("%+v", p)
		}
		for _, e := range p.Events {
			if err := e.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}

func partOne(t *testing.T, whole *Case, c uint64) {
	p, err := whole.Unlink(t.Context(), Selection{Identity: c, Space: "crm"}, day(10))
	check(t, err)
	events := p.Events
	p.Events = nil
	person := schemas.PersonID(min(schemas.KeyHash("plat", "u1"), schemas.KeyHash("crm", "M-1")))
	want := &Plan{
		Unlinks: []Unlink{{"wx3", "oc", "crm"}}, OccurredAt: day(10),
		Identities: []Shift{{"wx3", "oc", person, schemas.PersonID(c)}}, Before: 1, After: 2,
		Money: []Money{{"wx3", "CNY", 1, 250}},
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
	if len(events) != 1 || events[0].Validate() != nil || !events[0].Head().OccurredAt.Equal(day(10)) {
		t.Error(events)
	}
}
