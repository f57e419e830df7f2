package query_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
)

// begin is the first moment of the interval that holds t, found by stepping back from it minute by minute.
func (m *model) begin(t time.Time, by query.Interval) time.Time {
	label := func(t time.Time) string {
		t = t.In(m.zone)
		switch by {
		case query.IntervalWeek:
			year, week := t.ISOWeek()
			return time.Date(year, 1, week, 0, 0, 0, 0, time.UTC).String()
		case query.IntervalMonth:
			return t.Format("2006-01")
		}
		return t.Format(time.DateOnly)
	}
	want, at := label(t), t.In(m.zone).Truncate(time.Minute)
	if begin, ok := m.begins[want]; ok {
		return begin
	}
	for _, step := range []time.Duration{6 * time.Hour, time.Minute} {
		for label(at.Add(-step)) == want {
			at = at.Add(-step)
		}
	}
	m.begins[want] = at
	return at
}

func (m *model) timeseries(by query.Series) []query.Point {
	type key struct{ currency, account string }
	g := groups(m.sales(false), func(s *sale) key {
		if by.ByAccount {
			return key{s.Currency, s.AppID}
		}
		return key{s.Currency, ""}
	})
	var first, last time.Time
	for _, sales := range g {
		for _, s := range sales {
			if first.IsZero() || s.OccurredAt.Before(first) {
				first = s.OccurredAt
			}
			if s.OccurredAt.After(last) {
				last = s.OccurredAt
			}
		}
	}
	if !m.p.From.IsZero() {
		first = m.p.From
	}
	if !m.p.To.IsZero() {
		last = m.p.To.Add(-time.Microsecond)
	}
	keys := make([]key, 0, len(g))
	for k := range g {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(strings.Compare(a.currency, b.currency), strings.Compare(a.account, b.account))
	})
	out := []query.Point{}
	for _, k := range keys {
		buckets := groups(g[k], func(s *sale) int64 { return m.begin(s.OccurredAt, by.Interval).UnixMicro() })
		for at := m.begin(first, by.Interval); !at.After(last); at = m.begin(at.Add(longer[by.Interval]), by.Interval) {
			in := buckets[at.UnixMicro()]
			out = append(out, query.Point{Start: at, Currency: k.currency, AppID: k.account, Money: money(in), Buyers: buying(in, nil).Buyers})
		}
	}
	return out
}

// longer leads from the beginning of an interval into the next one, whatever the clocks do.
var longer = map[query.Interval]time.Duration{query.IntervalDay: 36 * time.Hour, query.IntervalWeek: 10 * 24 * time.Hour, query.IntervalMonth: 45 * 24 * time.Hour}

// spender is what one person bought in one currency.
type spender struct {
	person   uint64
	currency string
	sales    []sale
	first    time.Time
	last     time.Time
}

func (m *model) spenders(history bool) []spender {
	type key struct {
		currency string
		person   uint64
	}
	var out []spender
	for k, sales := range groups(m.sales(history), func(s *sale) key { return key{s.Currency, s.person} }) {
		sp := spender{person: k.person, currency: k.currency, sales: sales}
		for _, s := range sales {
			if s.bought() && (sp.first.IsZero() || s.OccurredAt.Before(sp.first)) {
				sp.first = s.OccurredAt
			}
			if s.bought() && s.OccurredAt.After(sp.last) {
				sp.last = s.OccurredAt
			}
		}
		out = append(out, sp)
	}
	return out
}

func (m *model) topPersons() []query.TopPerson {
	segments := m.segments()
	out := []query.TopPerson{}
	for _, sp := range m.spenders(false) {
		in := sets(sp.sales)[sp.person]
		total := money(sp.sales)
		if m.p.ExactAccounts != nil && !slices.Equal(ordered(in), slices.Sorted(slices.Values(m.p.ExactAccounts))) {
			continue
		}
		if m.p.Segment != "" && segments[personIn{sp.currency, sp.person}] != m.p.Segment {
			continue
		}
		row := query.TopPerson{PersonID: schemas.PersonID(sp.person), Currency: sp.currency, Net: total.Net, Gross: total.Gross, Orders: total.Orders, Accounts: uint64(len(in))}
		if total.Orders > 0 {
			row.LastOrderAt = &sp.last
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b query.TopPerson) int {
		return cmp.Or(strings.Compare(a.Currency, b.Currency), cmp.Compare(b.Net, a.Net), strings.Compare(a.PersonID, b.PersonID))
	})
	return out
}

type personIn struct {
	currency string
	person   uint64
}

// segments are those of all buyers, by their quintiles.
func (m *model) segments() map[personIn]query.Segment {
	out := map[personIn]query.Segment{}
	buyers := map[string][]spender{}
	for _, sp := range m.spenders(false) {
		if !sp.last.IsZero() {
			buyers[sp.currency] = append(buyers[sp.currency], sp)
		}
	}
	for currency, all := range buyers {
		var last, orders []int64
		for _, sp := range all {
			last, orders = append(last, sp.last.UnixMicro()), append(orders, int64(money(sp.sales).Orders))
		}
		for i, sp := range all {
			r, f := score(last, last[i]), score(orders, orders[i])
			out[personIn{currency, sp.person}] = segmentOf(r, f)
		}
	}
	return out
}

func score(all []int64, v int64) int {
	sorted := slices.Sorted(slices.Values(all))
	n := 1
	for _, q := range []float64{0.2, 0.4, 0.6, 0.8} {
		if v > sorted[int(q*float64(len(sorted)))] {
			n++
		}
	}
	return n
}

// segmentOf is the customary grid, written as its rules.
func segmentOf(r, f int) query.Segment {
	switch {
	case r <= 2 && f <= 2:
		return "hibernating"
	case r <= 2 && f <= 4:
		return "at_risk"
	case r <= 2:
		return "cannot_lose"
	case r == 3 && f <= 2:
		return "about_to_sleep"
	case r == 3 && f == 3:
		return "need_attention"
	case r <= 4 && f >= 4:
		return "loyal"
	case r == 4 && f == 1:
		return "promising"
	case r == 5 && f == 1:
		return "new"
	case f <= 3:
		return "potential_loyal"
	}
	return "champions"
}

func (m *model) rfm() []query.SegmentRow {
	type key struct {
		currency string
		rank     int
	}
	rows, days := map[key]*query.SegmentRow{}, map[key]int64{}
	segments := m.segments()
	reference := m.p.Asked
	for _, t := range []time.Time{m.p.To} {
		if !t.IsZero() && t.Before(reference) {
			reference = t
		}
	}
	if m.p.AsOf != nil && m.p.AsOf.Before(reference) {
		reference = *m.p.AsOf
	}
	for _, sp := range m.spenders(false) {
		segment, ok := segments[personIn{sp.currency, sp.person}]
		if !ok {
			continue
		}
		k := key{sp.currency, slices.Index(query.Segments, segment)}
		if rows[k] == nil {
			rows[k] = &query.SegmentRow{Currency: sp.currency, Segment: segment}
		}
		total := money(sp.sales)
		rows[k].Persons++
		rows[k].Orders += total.Orders
		rows[k].Net += total.Net
		days[k] += int64(reference.Sub(sp.last) / (24 * time.Hour))
	}
	out := []query.SegmentRow{}
	for _, currency := range currencies {
		for rank := range query.Segments {
			if row := rows[key{currency, rank}]; row != nil {
				n := float64(row.Persons)
				row.RecencyDays, row.Frequency, row.Monetary = float64(days[key{currency, rank}])/n, float64(row.Orders)/n, float64(row.Net)/n
				out = append(out, *row)
			}
		}
	}
	return out
}
