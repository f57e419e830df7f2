package query_test

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// model answers the same questions in the plainest way: loops over all rows and sets of persons.
type model struct {
	*world
	p    query.Params
	zone *time.Location
	// begins has the intervals found so far, by what a calendar calls them.
	begins map[string]time.Time
}

func (w *world) model(p query.Params) *model {
	zone, err := time.LoadLocation(p.TZ)
	if err != nil {
		panic(err)
	}
	return &model{w, p, zone, map[string]time.Time{}}
}

// sale is an order or refund in its last revision, with its person.
type sale struct {
	warehouse.PurchaseRow
	person uint64
}

func (s *sale) bought() bool { return s.Kind == "purchase" }

func (m *model) known(at time.Time) bool { return m.p.AsOf == nil || !at.After(*m.p.AsOf) }

// person is where the last link known leads; an identity without one is its own person.
func (m *model) person(who uint64) uint64 {
	var last *warehouse.PersonRow
	for i := range m.persons {
		row := &m.persons[i]
		if row.Identity == who && m.known(row.Learnt) &&
			(last == nil || cmp.Or(row.Learnt.Compare(last.Learnt), cmp.Compare(row.Written, last.Written)) > 0) {
			last = row
		}
	}
	if last == nil {
		return who
	}
	return last.Person
}

// last is every order and refund in its last revision known.
func (m *model) last() []sale {
	type key struct{ identity, order uint64 }
	best := map[key]warehouse.PurchaseRow{}
	for _, row := range m.purchases {
		k := key{row.Identity, row.OrderKey}
		old, ok := best[k]
		if m.known(row.StreamTime) && (!ok || cmp.Or(cmp.Compare(row.Revision, old.Revision), cmp.Compare(row.Digest, old.Digest)) > 0) {
			best[k] = row
		}
	}
	var out []sale
	for _, row := range best {
		out = append(out, sale{row, m.person(row.Identity)})
	}
	return out
}

func (m *model) sees(account string) bool {
	return m.p.Allowed == nil || slices.Contains(m.p.Allowed, account)
}

// sales are the rows that the parameters keep. With history, From keeps nothing out.
func (m *model) sales(history bool) []sale {
	all := m.last()
	first := map[uint64]sale{}
	for _, s := range all {
		f, ok := first[s.person]
		if s.bought() && m.sees(s.AppID) && (!ok || cmp.Or(s.OccurredAt.Compare(f.OccurredAt), cmp.Compare(s.AppID, f.AppID)) < 0) {
			first[s.person] = s
		}
	}
	var out []sale
	for _, s := range all {
		if m.keeps(&s, history) && m.keepsPerson(first, &s) {
			out = append(out, s)
		}
	}
	return out
}

func (m *model) keeps(s *sale, history bool) bool {
	p := &m.p
	amount := max(s.Amount, -s.Amount)
	switch {
	case !m.sees(s.AppID), p.AppIDs != nil && !slices.Contains(p.AppIDs, s.AppID),
		!history && s.OccurredAt.Before(p.From), !p.To.IsZero() && !s.OccurredAt.Before(p.To),
		p.Currency != "" && s.Currency != p.Currency,
		p.MinAmount != nil && amount < *p.MinAmount, p.MaxAmount != nil && amount > *p.MaxAmount,
		p.Linked == query.LinkedYes && s.person == s.Identity, p.Linked == query.LinkedNo && s.person != s.Identity:
		return false
	}
	if p.SKU == "" && p.Category == "" {
		return true
	}
	for i := range s.SKU {
		if (p.SKU == "" || s.SKU[i] == p.SKU) && (p.Category == "" || s.Category[i] == p.Category) {
			return true
		}
	}
	return false
}

func (m *model) keepsPerson(first map[uint64]sale, s *sale) bool {
	p := &m.p
	f, ok := first[s.person]
	switch {
	case p.Buyers == query.BuyersAll && p.FirstAccount == "":
		return true
	case !ok, p.FirstAccount != "" && f.AppID != p.FirstAccount:
		return false
	case p.Buyers == query.BuyersNew:
		return !f.OccurredAt.Before(p.From) && (p.To.IsZero() || f.OccurredAt.Before(p.To))
	case p.Buyers == query.BuyersReturning:
		return f.OccurredAt.Before(p.From)
	}
	return true
}

type set[T comparable] map[T]bool

// groups are sales by anything.
func groups[K comparable](sales []sale, key func(*sale) K) map[K][]sale {
	out := map[K][]sale{}
	for _, s := range sales {
		out[key(&s)] = append(out[key(&s)], s)
	}
	return out
}

func byCurrency(s *sale) string { return s.Currency }

func ordered[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func money(sales []sale) query.Money {
	var out query.Money
	for _, s := range sales {
		if s.bought() {
			out.Orders++
			out.Gross += s.Amount
		} else {
			out.Refunds -= s.Amount
		}
		out.Net += s.Amount
	}
	return out
}

func share(part, whole int) *float64 {
	if whole == 0 {
		return nil
	}
	f := float64(part) / float64(whole)
	return &f
}

// sets are the accounts in which each person bought.
func sets(sales []sale) map[uint64]set[string] {
	out := map[uint64]set[string]{}
	for _, s := range sales {
		if s.bought() {
			if out[s.person] == nil {
				out[s.person] = set[string]{}
			}
			out[s.person][s.AppID] = true
		}
	}
	return out
}

func buying(sales []sale, where map[uint64]set[string]) query.Buying {
	out := query.Buying{Money: money(sales)}
	identities, linked, persons := set[uint64]{}, set[uint64]{}, set[uint64]{}
	for _, s := range sales {
		if s.bought() {
			identities[s.Identity], persons[s.person] = true, true
			if s.person != s.Identity {
				linked[s.Identity] = true
			}
		}
	}
	out.AccountBuyers, out.Buyers = uint64(len(identities)), uint64(len(persons))
	for person := range persons {
		if len(where[person]) > 1 {
			out.CrossAccountBuyers++
		}
	}
	out.LinkedShare = share(len(linked), len(identities))
	return out
}

func (m *model) summary() []query.SummaryRow {
	out := []query.SummaryRow{}
	g := groups(m.sales(false), byCurrency)
	for _, currency := range ordered(g) {
		out = append(out, query.SummaryRow{Currency: currency, Buying: buying(g[currency], sets(g[currency]))})
	}
	return out
}

func (m *model) accounts() []query.AccountRow {
	out := []query.AccountRow{}
	g := groups(m.sales(false), byCurrency)
	for _, currency := range ordered(g) {
		where := sets(g[currency])
		a := groups(g[currency], func(s *sale) string { return s.AppID })
		for _, account := range ordered(a) {
			row := query.AccountRow{AppID: account, Currency: currency, Buying: buying(a[account], where)}
			row.SharedBuyers = row.CrossAccountBuyers
			out = append(out, row)
		}
	}
	return out
}

func (m *model) overlap() query.Overlap {
	out := query.Overlap{Sets: []query.OverlapSet{}, Pairs: []query.OverlapSet{}}
	g := groups(m.sales(false), byCurrency)
	for _, currency := range ordered(g) {
		where := sets(g[currency])
		nets := groups(g[currency], func(s *sale) uint64 { return s.person })
		exact, pairs := map[string]*query.OverlapSet{}, map[string]*query.OverlapSet{}
		count := func(in map[string]*query.OverlapSet, names []string, net int64) {
			key := joined(names)
			if in[key] == nil {
				in[key] = &query.OverlapSet{Currency: currency, AppIDs: names}
			}
			in[key].Buyers++
			in[key].Net += net
		}
		for person, names := range where {
			sorted, net := ordered(names), money(nets[person]).Net
			count(exact, sorted, net)
			for i := range sorted {
				for j := i + 1; j < len(sorted); j++ {
					count(pairs, []string{sorted[i], sorted[j]}, net)
				}
			}
		}
		out.Sets, out.Pairs = append(out.Sets, most(exact)...), append(out.Pairs, most(pairs)...)
	}
	return out
}

func joined(names []string) string {
	out := ""
	for _, n := range names {
		out += n + "\x00"
	}
	return out
}

func most(sets map[string]*query.OverlapSet) []query.OverlapSet {
	var out []query.OverlapSet
	for _, key := range ordered(sets) {
		out = append(out, *sets[key])
	}
	slices.SortStableFunc(out, func(a, b query.OverlapSet) int {
		return cmp.Or(cmp.Compare(b.Buyers, a.Buyers), slices.Compare(a.AppIDs, b.AppIDs))
	})
	return out
}
