package e2e

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"sort"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/schemas"
)

// TestRealData loads the purchases of 23,570 real people, links them late, and wants each
// of them found exactly as the file has them, however often the events are sent again.
func TestRealData(t *testing.T) {
	t.Parallel() // much of the other long test is waiting
	d := readCDNOW(t, 1<<30)
	u := up(t, t.TempDir(), cdnowConfig)
	dir := t.TempDir()
	before, after := d.logins()
	early := writeEvents(t, dir, "early.ndjson", before)
	purchases := writeEvents(t, dir, "purchases.ndjson", d.events())
	late := writeEvents(t, dir, "late.ndjson", after)
	db := u.analyst()

	u.importAll("--logins", early, "--purchases", purchases)
	t.Run("before_late_links_unlinked_identities_are_persons_of_their_own", func(t *testing.T) {
		s := u.summary()
		if s.Buyers != d.personsBeforeLateLinks() || s.AccountBuyers != cdnowIdentities {
			t.Errorf("%d persons and %d identities, want %d and %d", s.Buyers, s.AccountBuyers, d.personsBeforeLateLinks(), cdnowIdentities)
		}
	})
	facts := purchaseRows(t, db)

	u.importAll("--logins", late)
	t.Run("late_links_make_the_file's_persons", func(t *testing.T) { checkTotals(t, u, db) })
	t.Run("late_links_rewrite_no_purchase", func(t *testing.T) {
		if diff := cmp.Diff(facts, purchaseRows(t, db)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("each_customer_is_as_in_the_file", func(t *testing.T) { checkCustomers(t, u, db, d) })
	t.Run("a_person's_totals_are_the_sum_over_accounts", func(t *testing.T) { checkPersons(t, u, d) })
	t.Run("everything_again_shuffled_by_two_importers_changes_no_answer", func(t *testing.T) {
		answers := u.answers()
		logins := shuffled(append(append([]schemas.Event{}, before...), after...), 1)
		again := shuffled(d.events(), 2)
		var wg sync.WaitGroup
		for i := range 2 {
			name := []string{"a", "b"}[i]
			l := writeEvents(t, dir, name+"-logins.ndjson", half(logins, i))
			p := writeEvents(t, dir, name+"-purchases.ndjson", half(again, i))
			wg.Go(func() { u.importAll("--purchases", p, "--logins", l) })
		}
		wg.Wait()
		if diff := cmp.Diff(answers, u.answers()); diff != "" {
			t.Errorf("answers changed:\n%s", diff)
		}
		checkTotals(t, u, db)
	})
}

func half(events []schemas.Event, i int) []schemas.Event {
	middle := len(events) / 2
	if i == 0 {
		return events[:middle]
	}
	return events[middle:]
}

// summaryRow is a row of the reports summary and accounts.
type summaryRow struct {
	Currency      string `json:"currency"`
	Orders        int64  `json:"orders"`
	Net           int64  `json:"net"`
	AccountBuyers int64  `json:"account_buyers"`
	Buyers        int64  `json:"buyers"`
}

// summary is the one row of the report; another number of them fails the test.
func (u *instance) summary() summaryRow {
	u.t.Helper()
	var answer struct{ Rows []summaryRow }
	u.get("/v1/reports/summary", &answer)
	if len(answer.Rows) != 1 {
		u.t.Fatalf("%d rows, want one currency", len(answer.Rows))
	}
	return answer.Rows[0]
}

// personRow is a row of the report top-persons.
type personRow struct {
	PersonID string `json:"person_id"`
	Net      int64  `json:"net"`
	Orders   int64  `json:"orders"`
	Accounts int64  `json:"accounts"`
}

// persons reads every page of top-persons.
func (u *instance) persons() []personRow {
	u.t.Helper()
	var all []personRow
	query := url.Values{"limit": {"1000"}}
	for {
		var page struct {
			Rows       []personRow
			NextCursor string `json:"next_cursor"`
		}
		u.get("/v1/reports/top-persons?"+query.Encode(), &page)
		all = append(all, page.Rows...)
		if page.NextCursor == "" {
			return all
		}
		query.Set("cursor", page.NextCursor)
	}
}

// answers are the reports, without what tells the time of asking.
func (u *instance) answers() map[string]any {
	u.t.Helper()
	all := map[string]any{"persons": u.persons()}
	for _, report := range []string{"summary", "accounts", "overlap", "timeseries?interval=month"} {
		var answer struct{ Rows json.RawMessage }
		u.get("/v1/reports/"+report, &answer)
		all[report] = string(answer.Rows)
	}
	return all
}

// analyst connects as the analysts' SQL user.
func (u *instance) analyst() driver.Conn {
	u.t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{u.ClickHouse.Native},
		Auth: clickhouse.Auth{Database: "unionlink", Username: u.ClickHouse.AnalystUser, Password: u.ClickHouse.AnalystPassword},
	})
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			u.t.Error(err)
		}
	})
	return conn
}

// rowState tells a rewritten row: a new one has a later stream time, or is one more.
type rowState struct {
	Rows   uint64
	Newest string
	Sum    uint64
}

func purchaseRows(t *testing.T, db driver.Conn) (s rowState) {
	t.Helper()
	const query = "SELECT count(), toString(max(stream_time)), sum(cityHash64(identity, order_key, version, stream_time)) FROM purchases FINAL"
	if err := db.QueryRow(context.Background(), query).Scan(&s.Rows, &s.Newest, &s.Sum); err != nil {
		t.Fatal(err)
	}
	return s
}

func checkTotals(t *testing.T, u *instance, db driver.Conn) {
	t.Helper()
	want := summaryRow{Currency: "USD", Orders: cdnowOrders, Net: cdnowCents, AccountBuyers: cdnowIdentities, Buyers: cdnowCustomers}
	if diff := cmp.Diff(want, u.summary()); diff != "" {
		t.Error(diff)
	}
	var items int64
	if err := db.QueryRow(context.Background(), "SELECT sum(arraySum(quantity)) FROM v_purchases").Scan(&items); err != nil {
		t.Fatal(err)
	}
	if items != cdnowItems {
		t.Errorf("%d items, want %d", items, cdnowItems)
	}
}

// checkCustomers compares every customer, by the API and by the analysts' SQL.
func checkCustomers(t *testing.T, u *instance, db driver.Conn, d *cdnow) {
	want := map[string]personRow{}
	wantItems := map[string]int64{}
	for _, c := range d.customers {
		want[c.person()] = personRow{PersonID: c.person(), Net: c.cents, Orders: c.orders, Accounts: int64(len(c.accounts))}
		wantItems[c.person()] = c.items
	}
	got := map[string]personRow{}
	last := int64(1 << 62)
	for _, p := range u.persons() {
		if p.Net > last {
			t.Fatalf("%s has more net than the person before it", p.PersonID)
		}
		last, got[p.PersonID] = p.Net, p
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("top-persons:\n%.2000s", diff)
	}
	rows, err := db.Query(context.Background(), "SELECT person_id, count(), sum(amount), sum(arraySum(quantity)) FROM v_purchases GROUP BY person_id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := 0
	for ; rows.Next(); found++ {
		var id string
		var orders uint64
		var amount, items int64
		if err := rows.Scan(&id, &orders, &amount, &items); err != nil {
			t.Fatal(err)
		}
		if w := want[id]; int64(orders) != w.Orders || amount != w.Net || items != wantItems[id] {
			t.Errorf("%s by SQL: %d orders, %d cents, %d items; want %d, %d, %d", id, orders, amount, items, w.Orders, w.Net, wantItems[id])
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if found != len(want) {
		t.Errorf("%d persons by SQL, want %d", found, len(want))
	}
}

// checkPersons looks at every 471st customer, some fifty, by /v1/persons.
func checkPersons(t *testing.T, u *instance, d *cdnow) {
	for id := int64(1); id <= cdnowCustomers; id += 471 {
		c := d.customers[id]
		var p struct {
			Identities []struct{ AppID string }
			Totals     []struct{ Orders, Net, Items int64 }
		}
		u.get("/v1/persons/"+c.person(), &p)
		var orders, net, items int64
		for _, total := range p.Totals {
			orders, net, items = orders+total.Orders, net+total.Net, items+total.Items
		}
		if orders != c.orders || net != c.cents || items != c.items {
			t.Errorf("customer %d: %d orders, %d cents, %d items; want %d, %d, %d", id, orders, net, items, c.orders, c.cents, c.items)
		}
		var got, want []string
		for _, identity := range p.Identities {
			got = append(got, identity.AppID)
		}
		for appid := range c.accounts {
			want = append(want, appid)
		}
		sort.Strings(got)
		sort.Strings(want)
		if !slices.Equal(got, want) {
			t.Errorf("customer %d has identities in %v, want %v", id, got, want)
		}
	}
}
