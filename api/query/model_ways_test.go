package query_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/unionlink/unionlink/api/query"
)

// entered are the persons, of the whole history, whose first purchase occurred in the period.
func (m *model) entered() []spender {
	var out []spender
	for _, sp := range m.spenders(true) {
		if !sp.first.IsZero() && !sp.first.Before(m.p.From) {
			out = append(out, sp)
		}
	}
	return out
}

func (m *model) month(t time.Time) int {
	t = t.In(m.zone)
	return t.Year()*12 + int(t.Month()) - 1
}

func (m *model) cohorts() []query.Cohort {
	type key struct {
		currency string
		month    int
	}
	members := map[key][]spender{}
	end := 0
	for _, sp := range m.entered() {
		k := key{sp.currency, m.month(sp.first)}
		members[k] = append(members[k], sp)
		for _, s := range sp.sales {
			end = max(end, m.month(s.OccurredAt))
		}
	}
	if !m.p.To.IsZero() {
		end = m.month(m.p.To.Add(-time.Microsecond))
	}
	keys := make([]key, 0, len(members))
	for k := range members {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(strings.Compare(a.currency, b.currency), cmp.Compare(a.month, b.month))
	})
	out := []query.Cohort{}
	for _, k := range keys {
		c := query.Cohort{Currency: k.currency, Cohort: time.Date(k.month/12, time.Month(k.month%12+1), 1, 0, 0, 0, 0, time.UTC).Format("2006-01"), Size: uint64(len(members[k]))}
		total := int64(0)
		for month := k.month; month <= end; month++ {
			row := query.CohortMonth{Offset: month - k.month}
			for _, sp := range members[k] {
				var in []sale
				for _, s := range sp.sales {
					if m.month(s.OccurredAt) == month {
						in = append(in, s)
					}
				}
				got := money(in)
				row.Orders += got.Orders
				row.Net += got.Net
				if got.Orders > 0 {
					row.Buyers++
				}
			}
			total += row.Net
			row.CumulativeNet = total
			c.Months = append(c.Months, row)
		}
		out = append(out, c)
	}
	return out
}

func (m *model) journeys() []query.Journey {
	type key struct{ currency, from, to string }
	nets, waits, persons := map[key]int64{}, map[key][]int64{}, map[key]uint64{}
	for _, sp := range m.entered() {
		first := map[string]time.Time{}
		for _, s := range sp.sales {
			if at, ok := first[s.AppID]; s.bought() && (!ok || s.OccurredAt.Before(at)) {
				first[s.AppID] = s.OccurredAt
			}
		}
		visits := ordered(first)
		slices.SortStableFunc(visits, func(a, b string) int { return first[a].Compare(first[b]) })
		k := key{currency: sp.currency, from: visits[0]}
		if len(visits) > 1 {
			k.to = visits[1]
			waits[k] = append(waits[k], first[visits[1]].Sub(first[visits[0]]).Microseconds())
		}
		persons[k]++
		nets[k] += money(sp.sales).Net
	}
	out := []query.Journey{}
	for k := range persons {
		j := query.Journey{Currency: k.currency, FromAppID: k.from, ToAppID: k.to, Persons: persons[k], Net: nets[k]}
		j.MedianDays = medianDays(waits[k])
		out = append(out, j)
	}
	slices.SortFunc(out, func(a, b query.Journey) int {
		return cmp.Or(strings.Compare(a.Currency, b.Currency), cmp.Compare(b.Persons, a.Persons), strings.Compare(a.FromAppID, b.FromAppID), strings.Compare(a.ToAppID, b.ToAppID))
	})
	return out
}

// medianDays is the middle one, the later of two in the middle.
func medianDays(micros []int64) *float64 {
	if len(micros) == 0 {
		return nil
	}
	slices.Sort(micros)
	d := float64(micros[len(micros)/2]) / 86_400_000_000
	return &d
}

func (m *model) refunds() []query.RefundRow {
	type order struct{ account, id string }
	orderedAt := map[order]time.Time{}
	for _, s := range m.last() {
		o := order{s.AppID, s.OrderID}
		if at, ok := orderedAt[o]; s.bought() && (!ok || s.OccurredAt.Before(at)) {
			orderedAt[o] = s.OccurredAt
		}
	}
	out := []query.RefundRow{}
	g := groups(m.sales(false), byCurrency)
	for _, currency := range ordered(g) {
		a := groups(g[currency], func(s *sale) string { return s.AppID })
		for _, account := range ordered(a) {
			total := money(a[account])
			row := query.RefundRow{Currency: currency, AppID: account, Orders: total.Orders, Gross: total.Gross, Refunds: total.Refunds, RefundRate: share(int(total.Refunds), int(total.Gross))}
			var waits []int64
			for _, s := range a[account] {
				if s.bought() {
					continue
				}
				row.RefundsCount++
				if at, ok := orderedAt[order{s.AppID, s.OrderID}]; ok {
					waits = append(waits, s.OccurredAt.Sub(at).Microseconds())
				}
			}
			row.MedianDays = medianDays(waits)
			out = append(out, row)
		}
	}
	return out
}

func (m *model) products() []query.ProductRow {
	type item struct{ account, sku string }
	type buyer struct {
		currency string
		person   uint64
	}
	sku, category := m.p.SKU, m.p.Category
	m.p.SKU, m.p.Category = "", ""
	defer func() { m.p.SKU, m.p.Category = sku, category }()
	from, bought := map[buyer]set[item]{}, map[buyer]set[item]{}
	add := func(to map[buyer]set[item], b buyer, i item) {
		if to[b] == nil {
			to[b] = set[item]{}
		}
		to[b][i] = true
	}
	for _, s := range m.sales(false) {
		if !s.bought() {
			continue
		}
		for i := range s.SKU {
			b, it := buyer{s.Currency, s.person}, item{s.AppID, s.SKU[i]}
			add(bought, b, it)
			if (sku == "" || s.SKU[i] == sku) && (category == "" || s.Category[i] == category) {
				add(from, b, it)
			}
		}
	}
	count := map[query.ProductRow]uint64{}
	for b, items := range from {
		for one := range items {
			for other := range bought[b] {
				if one.account != other.account {
					count[query.ProductRow{Currency: b.currency, FromAppID: one.account, SKU: one.sku, ToAppID: other.account, ToSKU: other.sku}]++
				}
			}
		}
	}
	out := []query.ProductRow{}
	for row, buyers := range count {
		row.Buyers = buyers
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b query.ProductRow) int {
		return cmp.Or(strings.Compare(a.Currency, b.Currency), cmp.Compare(b.Buyers, a.Buyers), strings.Compare(a.FromAppID, b.FromAppID), strings.Compare(a.SKU, b.SKU),
			strings.Compare(a.ToAppID, b.ToAppID), strings.Compare(a.ToSKU, b.ToSKU))
	})
	return out
}
