package query_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

// world is everything that the tables hold, and what the model judges by.
type world struct {
	purchases  []warehouse.PurchaseRow
	statements []warehouse.StatementRow
	identities []warehouse.IdentityRow
	profiles   []warehouse.ProfileRow
	persons    []warehouse.PersonRow
	erasures   []warehouse.ErasureRow
}

var (
	// One account has a name that would break out of a statement it was pasted into.
	accounts   = []string{"wx-alpha", `wx-b'"\eta`, "wx-gamma", "wx-小店", "wx-omega"}
	currencies = []string{"CNY", "JPY", "USD"}
	products   = []string{"tea", "cup", `po't`, "kettle"}
	categories = []string{"drink", "ware", "其他"}
	// streamStart is when the stream of the worlds begins; it goes on for streamSpan.
	streamStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	streamSpan  = 100 * time.Hour
)

const maxIdentitiesPerKey = 4

// makeWorld makes a small world in which everything happens: late links, conflicts, unlinks, migrates, overloaded keys, erasures,
// revisions, refunds, repeated events, events out of order, and purchases at the midnights of several zones.
func makeWorld(seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := &world{}
	for i := range 70 {
		row := warehouse.IdentityRow{AppID: accounts[i%len(accounts)], OpenID: fmt.Sprintf("o%d", i), FirstSeen: stream(rng)}
		row.Identity = schemas.IdentityHash(row.AppID, row.OpenID)
		w.identities = append(w.identities, row)
	}
	for i := range 160 {
		w.state(rng, i)
	}
	for i := range 60 {
		w.profiles = append(w.profiles, warehouse.ProfileRow{Identity: pick(rng, w.identities).Identity, Field: pick(rng, []string{"nickname", "headimgurl"}),
			OccurredAt: moment(rng), Digest: rng.Uint64(), Value: fmt.Sprint("v", i), StreamTime: stream(rng)})
	}
	for range 2 {
		w.erasures = append(w.erasures, warehouse.ErasureRow{Identity: pick(rng, w.identities).Identity, OccurredAt: moment(rng), Digest: rng.Uint64(), EventID: "erase", StreamTime: stream(rng)})
	}
	for i := range 500 {
		w.order(rng, i)
	}
	w.settle()
	return w
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func stream(rng *rand.Rand) time.Time {
	return streamStart.Add(time.Duration(rng.Int64N(int64(streamSpan)))).Truncate(time.Millisecond)
}

// moment is when something occurred: often at, just before or just after a midnight somewhere.
func moment(rng *rand.Rand) time.Time {
	day := time.Date(2025, 9, 20, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rng.IntN(110))
	if rng.IntN(2) == 0 {
		return day.Add(time.Duration(rng.Int64N(int64(24 * time.Hour)))).Truncate(time.Microsecond)
	}
	zone, err := time.LoadLocation(pick(rng, []string{"Asia/Shanghai", "UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"}))
	if err != nil {
		panic(err)
	}
	year, month, d := day.Date()
	return query.DayStart(year, month, d, zone).Add(time.Duration(rng.IntN(3)-1) * time.Microsecond).UTC()
}

// state adds a statement; the first few make one key of too many identities.
func (w *world) state(rng *rand.Rand, i int) {
	key := schemas.Key{Space: pick(rng, []string{"platform", "crm"}), Value: fmt.Sprint("k", rng.IntN(22))}
	row := warehouse.StatementRow{Identity: pick(rng, w.identities).Identity, Action: "hold", EventID: fmt.Sprint("s", i), Source: "test", OccurredAt: moment(rng), Digest: rng.Uint64(), StreamTime: stream(rng)}
	switch {
	case i <= maxIdentitiesPerKey+2:
		row.Identity, key = w.identities[i].Identity, schemas.Key{Space: "crm", Value: "everybody"}
	case i%20 == 0:
		row.Action, row.Space = "unlink", key.Space
		w.statements = append(w.statements, row)
		return
	case i%25 == 1:
		row.Action, row.Space, row.Key = "edge", schemas.SpaceMigrate, rng.Uint64()
		other := row
		other.Identity = pick(rng, w.identities).Identity
		if other.Identity != row.Identity {
			w.statements = append(w.statements, row, other)
		}
		return
	}
	row.Space, row.Value, row.Key = key.Space, key.Value, schemas.KeyHash(key.Space, key.Value)
	w.statements = append(w.statements, row)
}

// order adds an order or a refund with some of its revisions, in any order, some of them told twice.
func (w *world) order(rng *rand.Rand, i int) {
	who := pick(rng, w.identities)
	row := warehouse.PurchaseRow{Identity: who.Identity, AppID: who.AppID, OrderID: fmt.Sprint("A", i), Kind: "purchase",
		Currency: pick(rng, append(currencies, "CNY", "CNY")), OccurredAt: moment(rng)}
	if len(w.purchases) > 0 && i%6 == 0 {
		of := pick(rng, w.purchases)
		row.Identity, row.AppID, row.OrderID, row.Currency = of.Identity, of.AppID, of.OrderID, of.Currency
		row.Kind, row.RefundID = "refund", fmt.Sprint("R", i)
	}
	row.OrderKey = (&schemas.Purchase{Envelope: schemas.Envelope{AppID: row.AppID}, OrderID: row.OrderID, PurchaseKind: schemas.PurchaseKind(row.Kind), RefundID: row.RefundID}).OrderKey()
	for range 1 + rng.IntN(3) {
		row.Revision, row.Digest, row.EventID, row.StreamTime = uint32(rng.IntN(3)), rng.Uint64(), fmt.Sprint("e", rng.Uint32()), stream(rng)
		row.Amount = 1 + rng.Int64N(20)*500
		if row.Kind == "refund" {
			row.Amount = -row.Amount
		}
		row.SKU, row.Name, row.Category, row.Quantity, row.ItemAmount = []string{}, []string{}, []string{}, []int64{}, []int64{}
		for range rng.IntN(3) {
			row.SKU, row.Name, row.Category = append(row.SKU, pick(rng, products)), append(row.Name, "n"), append(row.Category, pick(rng, categories))
			row.Quantity, row.ItemAmount = append(row.Quantity, 1+rng.Int64N(3)), append(row.ItemAmount, rng.Int64N(500))
		}
		w.purchases = append(w.purchases, row)
		if rng.IntN(4) == 0 {
			again := row
			again.StreamTime = stream(rng)
			w.purchases = append(w.purchases, again)
		}
	}
}

// facts are the statements as the linking rule wants them.
func (w *world) facts() identity.Facts {
	var f identity.Facts
	actions := map[string]identity.Action{"hold": identity.ActionHold, "unlink": identity.ActionUnlink, "edge": identity.ActionEdge}
	for _, s := range w.statements {
		f.Statements = append(f.Statements, identity.Statement{Identity: s.Identity, Action: actions[s.Action], Space: s.Space, Key: s.Key, Value: s.Value,
			Occurred: s.OccurredAt.UnixMicro(), Learnt: s.StreamTime.UnixMilli(), Digest: s.Digest, EventID: s.EventID, Source: s.Source})
	}
	for _, e := range w.erasures {
		f.Erasures = append(f.Erasures, identity.Erasure{Identity: e.Identity, Occurred: e.OccurredAt.UnixMicro(), Learnt: e.StreamTime.UnixMilli(), EventID: e.EventID})
	}
	return f
}

var rule = identity.Rule{MaxIdentitiesPerKey: maxIdentitiesPerKey}

// settle derives the persons. For some, an earlier writer knew less and said something else of the same moment.
func (w *world) settle() {
	written := uint64(time.Now().UnixNano())
	for who, changes := range rule.History(w.facts()) {
		for i, c := range changes {
			learnt := time.UnixMilli(c.Learnt).UTC()
			if i%3 == 0 {
				w.persons = append(w.persons, warehouse.PersonRow{Identity: who, Learnt: learnt, Person: c.Person ^ 1, Cause: "less", Written: written - 5})
			}
			w.persons = append(w.persons, warehouse.PersonRow{Identity: who, Learnt: learnt, Person: c.Person, Cause: c.Cause, Written: written})
		}
	}
}

// store puts the world into a fresh database, a part of each table before the large dictionary is loaded and the rest after,
// and returns the analyst's reports on it.
func (w *world) store(t testing.TB) *query.Reports {
	t.Helper()
	dsn := embeddedtest.Database(t)
	ctx := t.Context()
	_, err := warehouse.Migrate(ctx, warehouse.MigrateOptions{DSN: dsn})
	must(t, err)
	loader, err := warehouse.OpenLoader(dsn)
	must(t, err)
	t.Cleanup(func() { must(t, loader.Close()) })
	for half := range 2 {
		must(t, warehouse.Purchases.Insert(ctx, loader, part(w.purchases, half)))
		must(t, warehouse.Statements.Insert(ctx, loader, part(w.statements, half)))
		must(t, warehouse.Identities.Insert(ctx, loader, part(w.identities, half)))
		must(t, warehouse.Profiles.Insert(ctx, loader, part(w.profiles, half)))
		must(t, warehouse.InsertPersons(ctx, loader, part(w.persons, half)))
		must(t, warehouse.Erasures.Insert(ctx, loader, part(w.erasures, half)))
		if half == 0 {
			must(t, warehouse.ReloadBase(ctx, loader))
		}
	}
	must(t, warehouse.ReloadRecent(ctx, loader))
	for _, through := range []time.Time{asked.Add(-time.Hour), asked} {
		must(t, loader.Exec(ctx, "INSERT INTO progress (at, through, pending, dead) VALUES ($1, $2, 3, 2)", through.Add(time.Second), through))
	}
	analyst, err := warehouse.Open(embeddedtest.AnalystDSN(t, dsn))
	must(t, err)
	t.Cleanup(func() { must(t, analyst.Close()) })
	return query.New(analyst)
}

func part[T any](rows []T, half int) []T {
	cut := len(rows) * 2 / 3
	if half == 0 {
		return rows[:cut]
	}
	// The first rows come again, as they would after a crash.
	return slices.Concat(rows[cut:], rows[:min(len(rows), 20)])
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
