package query_test

import (
	"testing"
	"time"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// zones are ones whose days begin at odd moments: clocks that skip midnight (Beirut, Havana, Cairo, Asunción, Santiago), offsets
// of a quarter and changes of half an hour, and the far ends of the earth.
var zones = []string{"Asia/Shanghai", "UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana",
	"Africa/Cairo", "America/Santiago", "Pacific/Kiritimati", "Pacific/Niue"}

// TestDayStart finds the beginning of 400 days of each zone again by looking at a clock: the moment before shows another date.
func TestDayStart(t *testing.T) {
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		must(t, err)
		for d := range 400 {
			date := time.Date(2025, 1, 1+d, 0, 0, 0, 0, time.UTC)
			start := query.DayStart(date.Year(), date.Month(), date.Day(), zone)
			before := start.Add(-time.Nanosecond)
			if start.Format(time.DateOnly) != date.Format(time.DateOnly) || before.Format(time.DateOnly) != date.AddDate(0, 0, -1).Format(time.DateOnly) {
				t.Fatalf("%s %s begins at %s", name, date.Format(time.DateOnly), start)
			}
		}
	}
}

func TestDayStart_oddities(t *testing.T) {
	for _, c := range []struct {
		zone             string
		year, month, day int
		want             string
	}{
		{"America/Sao_Paulo", 2018, 11, 4, "2018-11-04T01:00:00-02:00"}, // clocks skip midnight
		{"Pacific/Apia", 2011, 12, 30, "2011-12-31T00:00:00+14:00"},     // a day that never was
		{"America/St_Johns", 2010, 11, 7, "2010-11-07T00:00:00-02:30"},  // midnight comes twice, an hour apart
		{"Asia/Shanghai", 2026, 1, 1, "2026-01-01T00:00:00+08:00"},
	} {
		zone, err := time.LoadLocation(c.zone)
		must(t, err)
		if got := query.DayStart(c.year, time.Month(c.month), c.day, zone).Format(time.RFC3339); got != c.want {
			t.Errorf("%s %d-%d-%d begins at %s, want %s", c.zone, c.year, c.month, c.day, got, c.want)
		}
	}
}

// TestTimeseries_days asks for 400 days of each zone, with a purchase at the beginning of each day and one in the microsecond before:
// each falls on the date that a clock of the zone shows.
func TestTimeseries_days(t *testing.T) {
	w := &world{}
	first := time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC)
	who := schemas.IdentityHash(accounts[0], "o")
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		must(t, err)
		for d := range 401 {
			date := first.AddDate(0, 0, d)
			start := query.DayStart(date.Year(), date.Month(), date.Day(), zone)
			for _, at := range []time.Time{start, start.Add(-time.Microsecond)} {
				w.purchases = append(w.purchases, warehouse.PurchaseRow{Identity: who, OrderKey: uint64(len(w.purchases)), AppID: accounts[0], Kind: "purchase",
					Amount: 1, Currency: "CNY", OccurredAt: at.UTC(), StreamTime: streamStart})
			}
		}
	}
	r := w.store(t)
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		must(t, err)
		last := first.AddDate(0, 0, 400)
		from, to := query.DayStart(first.Year(), first.Month(), first.Day(), zone), query.DayStart(last.Year(), last.Month(), last.Day(), zone)
		want := map[string]uint64{}
		for _, p := range w.purchases {
			if !p.OccurredAt.Before(from) && p.OccurredAt.Before(to) {
				want[p.OccurredAt.In(zone).Format(time.DateOnly)]++
			}
		}
		points, err := r.Timeseries(t.Context(), query.Params{TZ: name, From: from, To: to}, query.Series{Interval: query.IntervalDay})
		must(t, err)
		if len(points) != 400 || len(want) != 400 {
			t.Errorf("%s has %d days, by its clock %d, want 400", name, len(points), len(want))
		}
		for _, p := range points {
			if day := p.Start.Format(time.DateOnly); p.Orders != want[day] || p.Orders == 0 {
				t.Errorf("%s %s has %d orders, by the clock %d", name, day, p.Orders, want[day])
			}
		}
	}
}
