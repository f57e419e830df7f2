package query_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/api/query"
)

// asked is after everything that the worlds hold.
var asked = streamStart.Add(streamSpan + time.Hour)

// questions are parameters that narrow in every way, alone and together.
func questions(rng *rand.Rand) []query.Params {
	least, most := int64(2000), int64(8000)
	autumn, winter := time.Date(2025, 10, 5, 16, 0, 0, 0, time.UTC), time.Date(2025, 12, 9, 3, 4, 5, 6000, time.UTC)
	out := []query.Params{
		{},
		{TZ: "Asia/Shanghai", From: autumn, To: winter},
		{TZ: "America/New_York", AppIDs: accounts[:2], Currency: "CNY"},
		{TZ: "Asia/Kathmandu", Allowed: accounts[1:4], AppIDs: accounts[:3], From: autumn},
		{Allowed: []string{}},
		{Allowed: accounts[1:4], Buyers: query.BuyersNew, From: autumn, To: winter},
		{TZ: "Australia/Lord_Howe", Buyers: query.BuyersReturning, From: autumn, FirstAccount: accounts[1]},
		{Category: categories[2], MinAmount: &least, MaxAmount: &most, To: winter},
		{SKU: products[2], Linked: query.LinkedYes},
		{SKU: products[0], Category: categories[0], Linked: query.LinkedNo},
		{Currency: "XXX"},
	}
	for range 3 {
		p := query.Params{TZ: pick(rng, []string{"UTC", "Asia/Shanghai", "Europe/Berlin"}), Currency: pick(rng, append(currencies, "")), Buyers: pick(rng, []query.Buyers{"", "new"}),
			Linked: pick(rng, []query.Linked{"", "linked"}), FirstAccount: pick(rng, append(accounts, "", "", ""))}
		if rng.IntN(2) == 0 {
			p.From = moment(rng)
			p.To = p.From.Add(time.Duration(1+rng.IntN(60)) * 24 * time.Hour)
		}
		if rng.IntN(2) == 0 {
			p.Allowed = []string{pick(rng, accounts), pick(rng, accounts)}
		}
		out = append(out, p)
	}
	for i := range out {
		out[i].Asked = asked
	}
	return out
}

// report is one report, as the model and as ClickHouse answer it.
type report struct {
	want func(*model) any
	got  func(testing.TB, *query.Reports, query.Params) (any, error)
}

var reports = map[string]report{
	"summary":  {func(m *model) any { return m.summary() }, func(t testing.TB, r *query.Reports, p query.Params) (any, error) { return r.Summary(t.Context(), p) }},
	"accounts": {func(m *model) any { return m.accounts() }, func(t testing.TB, r *query.Reports, p query.Params) (any, error) { return r.Accounts(t.Context(), p) }},
	"overlap":  {func(m *model) any { return m.overlap() }, func(t testing.TB, r *query.Reports, p query.Params) (any, error) { return r.Overlap(t.Context(), p) }},
	"days":     series(query.Series{Interval: query.IntervalDay}),
	"weeks":    series(query.Series{Interval: query.IntervalWeek, ByAccount: true}),
	"months":   series(query.Series{Interval: query.IntervalMonth}),
	"top-persons": {func(m *model) any { return m.topPersons() }, func(t testing.TB, r *query.Reports, p query.Params) (any, error) {
		all, next, err := r.TopPersons(t.Context(), p)
		if next != nil {
			t.Error("a page without a limit has a next one")
		}
		return all, err
	}},
	"rfm":      {func(m *model) any { return m.rfm() }, func(t testing.TB, r *query.Reports, p query.Params) (any, error) { return r.RFM(t.Context(), p) }},
	"cohorts":  {func(m *model) any { return m.cohorts() }, func(t testing.TB, r *query.Reports, p query.Params) (any, error) { return r.Cohorts(t.Context(), p) }},
	"journeys": {func(m *model) any { return m.journeys() }, func(t testing.TB, r *query.Reports, p query.Params) (any, error) { return r.Journeys(t.Context(), p) }},
	"refunds":  {func(m *model) any { return m.refunds() }, func(t testing.TB, r *query.Reports, p query.Params) (any, error) { return r.Refunds(t.Context(), p) }},
	"products": {func(m *model) any { return m.products() }, func(t testing.TB, r *query.Reports, p query.Params) (any, error) { return r.Products(t.Context(), p) }},
}

func series(by query.Series) report {
	return report{
		func(m *model) any { return m.timeseries(by) },
		func(t testing.TB, r *query.Reports, p query.Params) (any, error) {
			return r.Timeseries(t.Context(), p, by)
		},
	}
}

// TestAnswers holds everything that is answered about one world to the model.
func TestAnswers(t *testing.T) {
	w := makeWorld(1)
	r := w.store(t)
	for name, test := range map[string]func(*testing.T, *world, *query.Reports){
		"reports": testReports, "pages": testPages, "limits": testLimits, "present": testPresent, "person": testPerson, "unknown identity": testUnknownIdentity, "key": testByKey,
		"identity health": testIdentityHealth, "changes": testChanges, "hostile": testHostile, "fresh": testFresh,
	} {
		t.Run(name, func(t *testing.T) { test(t, w, r) })
	}
}

// testReports judges every report by the model, as it is now and as of a moment in the midst of the stream; and as of
// now it is the same as now.
func testReports(t *testing.T, w *world, r *query.Reports) {
	midst := streamStart.Add(streamSpan / 2)
	names := ordered(reports)
	for i, p := range questions(rand.New(rand.NewPCG(2, 3))) {
		t.Run(fmt.Sprintf("question %d", i), func(t *testing.T) {
			for j, name := range names {
				switch whole := i == 1; {
				case whole:
					now := judge(t, w, r, name, p)
					last := p
					last.AsOf = &asked
					if diff := cmp.Diff(now, judge(t, w, r, name, last)); diff != "" {
						t.Errorf("%s of %+v differs as of now (-now +as of now):\n%s", name, p, diff)
					}
				case (i+j)%6 == 0:
					judge(t, w, r, name, p)
				default:
					continue
				}
				past := p
				past.AsOf = &midst
				judge(t, w, r, name, past)
			}
		})
	}
}

// judge asks for a report and compares it with the model's.
func judge(t *testing.T, w *world, r *query.Reports, name string, p query.Params) any {
	t.Helper()
	got, err := reports[name].got(t, r, p)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if diff := cmp.Diff(reports[name].want(w.model(p)), got); diff != "" {
		t.Errorf("%s of %+v (-model +answer):\n%s", name, p, diff)
	}
	return got
}
