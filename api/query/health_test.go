package query_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// holders are the identities that hold each key, as the linking rule says.
func (m *model) holders() map[schemas.Key]set[uint64] {
	out := map[schemas.Key]set[uint64]{}
	for _, l := range m.resolved().Links {
		k := schemas.Key{Space: l.Space, Value: l.Value}
		if l.Action != identity.ActionHold {
			continue
		}
		if out[k] == nil {
			out[k] = set[uint64]{}
		}
		out[k][l.Identity] = true
	}
	return out
}

func testByKey(t *testing.T, w *world, r *query.Reports) {
	for name, p := range views {
		t.Run(name, func(t *testing.T) {
			m := w.model(p)
			holders := m.holders()
			for _, value := range []string{"k0", "k3", "k7", "k11", "k19", "everybody", "nobody"} {
				k := schemas.Key{Space: "crm", Value: value}
				want := query.KeyHolders{Overloaded: len(holders[k]) > maxIdentitiesPerKey}
				for _, i := range m.seen() {
					if holders[k][i.Identity] {
						id := schemas.PersonID(m.person(i.Identity))
						want.Identities = append(want.Identities, query.KeyHolder{AppID: i.AppID, OpenID: i.OpenID, PersonID: id})
						want.PersonIDs = append(want.PersonIDs, id)
					}
				}
				slices.Sort(want.PersonIDs)
				want.PersonIDs = slices.Compact(want.PersonIDs)
				got, err := r.ByKey(t.Context(), k, maxIdentitiesPerKey, p)
				if want.Identities == nil && errors.Is(err, query.ErrNotFound) {
					continue
				}
				must(t, err)
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Errorf("%v (-model +answer):\n%s", k, diff)
				}
			}
		})
	}
}

func (m *model) health() query.Health {
	h := query.Health{Overloaded: []query.OverloadedKey{}, Biggest: []query.BigPerson{}, Revenue: []query.Unlinked{}}
	asked, persons := set[uint64]{}, map[uint64]uint64{}
	for _, i := range m.seen() {
		if m.p.AppIDs != nil && !slices.Contains(m.p.AppIDs, i.AppID) {
			continue
		}
		asked[i.Identity] = true
		person := m.person(i.Identity)
		persons[person]++
		h.Identities++
		if person != i.Identity {
			h.LinkedIdentities++
		}
	}
	h.Persons = uint64(len(persons))
	h.LinkShare = share(int(h.LinkedIdentities), int(h.Identities))
	for _, person := range ordered(persons) {
		if persons[person] > 1 {
			h.Biggest = append(h.Biggest, query.BigPerson{PersonID: schemas.PersonID(person), Identities: persons[person]})
		}
	}
	slices.SortStableFunc(h.Biggest, func(a, b query.BigPerson) int { return cmp.Compare(b.Identities, a.Identities) })
	h.Biggest = h.Biggest[:min(10, len(h.Biggest))]
	type place struct {
		identity uint64
		space    string
	}
	conflicts := set[place]{}
	for _, c := range m.resolved().Conflicts {
		if asked[c.Identity] {
			conflicts[place{c.Identity, c.Space}] = true
		}
	}
	h.Conflicts = uint64(len(conflicts))
	for k, holders := range m.holders() {
		key := query.OverloadedKey{Space: k.Space, Value: k.Value}
		for who := range holders {
			if asked[who] {
				key.Identities++
			}
		}
		if len(holders) > maxIdentitiesPerKey && key.Identities > 0 {
			h.Overloaded = append(h.Overloaded, key)
		}
	}
	slices.SortFunc(h.Overloaded, func(a, b query.OverloadedKey) int {
		return cmp.Or(cmp.Compare(b.Identities, a.Identities), strings.Compare(a.Space, b.Space), strings.Compare(a.Value, b.Value))
	})
	g := groups(m.sales(false), byCurrency)
	for _, currency := range ordered(g) {
		row := query.Unlinked{Currency: currency, Net: money(g[currency]).Net}
		for _, s := range g[currency] {
			if s.person == s.Identity {
				row.Unlinked += s.Amount
			}
		}
		row.Share = share(int(row.Unlinked), int(row.Net))
		h.Revenue = append(h.Revenue, row)
	}
	h.LateLinks = m.late(asked)
	return h
}

func (m *model) late(asked set[uint64]) query.LateLinks {
	var lags []int64
	for _, i := range m.identities {
		var first *warehouse.PersonRow
		for j := range m.persons {
			if row := &m.persons[j]; row.Identity == i.Identity && m.known(row.Learnt) && row.Person != row.Identity && (first == nil || row.Learnt.Before(first.Learnt)) {
				first = row
			}
		}
		if asked[i.Identity] && first != nil && first.Learnt.After(i.FirstSeen) && !first.Learnt.Before(m.p.From) && (m.p.To.IsZero() || first.Learnt.Before(m.p.To)) {
			lags = append(lags, first.Learnt.Sub(i.FirstSeen).Milliseconds())
		}
	}
	if len(lags) == 0 {
		return query.LateLinks{}
	}
	slices.Sort(lags)
	n := float64(len(lags))
	return query.LateLinks{Count: uint64(len(lags)), MedianSeconds: float64(lags[int(0.5*n)]) / 1000, P95Seconds: float64(lags[int(0.95*n)]) / 1000}
}

func testIdentityHealth(t *testing.T, w *world, r *query.Reports) {
	asks := map[string]query.Params{
		"one account": {AppIDs: accounts[:1]},
		"a period":    {From: streamStart, To: midst},
	}
	for name, p := range views {
		asks[name] = p
	}
	for name, p := range asks {
		t.Run(name, func(t *testing.T) {
			got, err := r.IdentityHealth(t.Context(), p, maxIdentitiesPerKey)
			must(t, err)
			if diff := gocmp.Diff(w.model(p).health(), got); diff != "" {
				t.Errorf("(-model +answer):\n%s", diff)
			}
		})
	}
}

func (m *model) changes() []query.Change {
	out := []query.Change{}
	for _, i := range m.identities {
		last := map[int64]warehouse.PersonRow{}
		for _, row := range m.persons {
			if old, ok := last[row.Learnt.UnixMilli()]; row.Identity == i.Identity && m.known(row.Learnt) && m.sees(i.AppID) && (!ok || row.Written > old.Written) {
				last[row.Learnt.UnixMilli()] = row
			}
		}
		was := i.Identity
		for _, at := range ordered(last) {
			row := last[at]
			if row.Person != was {
				out = append(out, query.Change{AppID: i.AppID, OpenID: i.OpenID, From: schemas.PersonID(was), To: schemas.PersonID(row.Person), Learnt: row.Learnt, Cause: row.Cause})
			}
			was = row.Person
		}
	}
	slices.SortFunc(out, func(a, b query.Change) int {
		return cmp.Or(a.Learnt.Compare(b.Learnt), cmp.Compare(schemas.IdentityHash(a.AppID, a.OpenID), schemas.IdentityHash(b.AppID, b.OpenID)))
	})
	return out
}

func testChanges(t *testing.T, w *world, r *query.Reports) {
	for name, p := range views {
		t.Run(name, func(t *testing.T) {
			since := streamStart.Add(streamSpan / 4)
			want := slices.DeleteFunc(w.model(p).changes(), func(c query.Change) bool { return c.Learnt.Before(since) })
			got, err := pages(7, func(limit int, c *query.Cursor) ([]query.Change, *query.Cursor, error) {
				p := p
				p.Limit, p.Cursor = limit, c
				return r.Changes(t.Context(), since, p)
			})
			must(t, err)
			if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-model +answer):\n%s", diff)
			}
			person := w.persons[1].Person
			ever := set[string]{}
			for _, i := range w.identities {
				for _, row := range w.persons {
					if row.Identity == i.Identity && row.Person == person || i.Identity == person {
						ever[i.AppID+" "+i.OpenID] = true
					}
				}
			}
			history, err := r.History(t.Context(), person, p)
			must(t, err)
			own := slices.DeleteFunc(w.model(p).changes(), func(c query.Change) bool { return !ever[c.AppID+" "+c.OpenID] })
			if diff := gocmp.Diff(own, history, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("history (-model +answer):\n%s", diff)
			}
		})
	}
}
