package query_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

var midst = streamStart.Add(streamSpan / 2)

// views are how look-ups are asked.
var views = map[string]query.Params{
	"now":             {},
	"as of the midst": {AsOf: &midst},
	"limited":         {Allowed: accounts[1:3]},
	"limited, midst":  {Allowed: accounts[1:3], AsOf: &midst},
	"nothing allowed": {Allowed: []string{}},
}

// seen are the identities that the asker may see, as known.
func (m *model) seen() []warehouse.IdentityRow {
	var out []warehouse.IdentityRow
	for _, i := range m.identities {
		if m.sees(i.AppID) && m.known(i.FirstSeen) {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b warehouse.IdentityRow) int {
		return cmp.Or(strings.Compare(a.AppID, b.AppID), strings.Compare(a.OpenID, b.OpenID))
	})
	return out
}

// resolved is what the linking rule says of the facts known.
func (m *model) resolved() *identity.World {
	f := m.facts()
	if m.p.AsOf != nil {
		f = f.Until(m.p.AsOf.UnixMilli())
	}
	return rule.Resolve(f)
}

// everPersons are all that ever were a person, or could be thought one.
func (w *world) everPersons() []uint64 {
	all := set[uint64]{42: true}
	for _, i := range w.identities {
		all[i.Identity] = true
	}
	for _, p := range w.persons {
		all[p.Person] = true
	}
	return ordered(all)
}

// present is the person that most of the identities are that ever were of a person, itself if any is.
func (m *model) present(person uint64) (uint64, bool) {
	votes := map[uint64]int{}
	for _, i := range m.seen() {
		was := i.Identity == person
		for _, row := range m.persons {
			was = was || row.Identity == i.Identity && row.Person == person
		}
		if was {
			votes[m.person(i.Identity)]++
		}
	}
	if votes[person] > 0 {
		return person, true
	}
	best, ok := uint64(0), false
	for _, p := range ordered(votes) {
		if !ok || votes[p] > votes[best] {
			best, ok = p, true
		}
	}
	return best, ok
}

func testPresent(t *testing.T, w *world, r *query.Reports) {
	for name, p := range views {
		t.Run(name, func(t *testing.T) {
			m := w.model(p)
			for i, person := range w.everPersons() {
				if i%20 > 0 {
					continue // every twentieth says enough
				}
				want, ok := m.present(person)
				got, err := r.Present(t.Context(), schemas.PersonID(person), p)
				if !ok {
					if !errors.Is(err, query.ErrNotFound) {
						t.Errorf("%s: %v, want not found", schemas.PersonID(person), err)
					}
					continue
				}
				must(t, err)
				if diff := gocmp.Diff(query.Present{Person: want, PersonID: schemas.PersonID(want), Former: want != person}, got); diff != "" {
					t.Errorf("%s (-model +answer):\n%s", schemas.PersonID(person), diff)
				}
			}
		})
	}
	if _, err := r.Present(t.Context(), "p_zz", query.Params{}); err == nil {
		t.Error("a malformed id is answered")
	}
}

// profile is what was last said of some identities.
func (m *model) profile(who set[uint64]) schemas.Profile {
	last := map[string]warehouse.ProfileRow{}
	for _, row := range m.profiles {
		old, ok := last[row.Field]
		if who[row.Identity] && m.known(row.StreamTime) && (!ok || cmp.Or(row.OccurredAt.Compare(old.OccurredAt), cmp.Compare(row.Digest, old.Digest)) > 0) {
			last[row.Field] = row
		}
	}
	return schemas.Profile{Nickname: last["nickname"].Value, HeadImgURL: last["headimgurl"].Value}
}

func (m *model) totals(person uint64) []query.Total {
	type key struct{ account, currency string }
	var own []sale
	for _, s := range m.last() {
		if s.person == person && m.keeps(&s, false) {
			own = append(own, s)
		}
	}
	out := []query.Total{}
	for k, sales := range groups(own, func(s *sale) key { return key{s.AppID, s.Currency} }) {
		row := query.Total{AppID: k.account, Currency: k.currency, Money: money(sales)}
		for _, s := range sales {
			for i := range s.Quantity {
				if s.bought() {
					row.Items += s.Quantity[i]
				}
			}
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b query.Total) int {
		return cmp.Or(strings.Compare(a.AppID, b.AppID), strings.Compare(a.Currency, b.Currency))
	})
	return out
}

func (m *model) ownPurchases(person uint64) []query.PurchaseRow {
	var own []sale
	for _, s := range m.last() {
		if s.person == person && m.keeps(&s, false) {
			own = append(own, s)
		}
	}
	slices.SortFunc(own, func(a, b sale) int {
		return cmp.Or(b.OccurredAt.Compare(a.OccurredAt), cmp.Compare(b.OrderKey, a.OrderKey))
	})
	openids := map[uint64]string{}
	for _, i := range m.identities {
		openids[i.Identity] = i.OpenID
	}
	out := []query.PurchaseRow{}
	for _, s := range own {
		row := query.PurchaseRow{AppID: s.AppID, OpenID: openids[s.Identity], OrderID: s.OrderID, Kind: s.Kind, RefundID: s.RefundID, Amount: s.Amount,
			Currency: s.Currency, OccurredAt: s.OccurredAt, Revision: s.Revision, EventID: s.EventID, Items: []schemas.Item{}}
		for i := range s.SKU {
			row.Items = append(row.Items, schemas.Item{SKU: s.SKU[i], Name: s.Name[i], Category: s.Category[i], Quantity: s.Quantity[i], Amount: s.ItemAmount[i]})
		}
		out = append(out, row)
	}
	return out
}

// testPerson judges all that is told of persons, and pages through their purchases.
func testPerson(t *testing.T, w *world, r *query.Reports) {
	for _, name := range []string{"now", "limited, midst"} {
		p := views[name]
		t.Run(name, func(t *testing.T) {
			m := w.model(p)
			members := map[uint64][]warehouse.IdentityRow{}
			for _, i := range m.seen() {
				members[m.person(i.Identity)] = append(members[m.person(i.Identity)], i)
			}
			links := m.resolved().Links
			for n, person := range ordered(members) {
				if n%12 > 0 && len(members[person]) < 5 {
					continue // the large ones and a few others say enough
				}
				identities, who := []query.Identity{}, set[uint64]{}
				for _, i := range members[person] {
					identities = append(identities, query.Identity{AppID: i.AppID, OpenID: i.OpenID, FirstSeen: i.FirstSeen})
					who[i.Identity] = true
				}
				keys := []schemas.Key{}
				for _, l := range links {
					if k := (schemas.Key{Space: l.Space, Value: l.Value}); who[l.Identity] && l.Action == identity.ActionHold && !slices.Contains(keys, k) {
						keys = append(keys, k)
					}
				}
				slices.SortFunc(keys, func(a, b schemas.Key) int {
					return cmp.Or(strings.Compare(a.Space, b.Space), strings.Compare(a.Value, b.Value))
				})
				same := func(what string, want, got any, err error) {
					t.Helper()
					must(t, err)
					if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
						t.Errorf("%s of %s (-model +answer):\n%s", what, schemas.PersonID(person), diff)
					}
				}
				got, err := r.Identities(t.Context(), person, p)
				same("identities", identities, got, err)
				gotKeys, err := r.Keys(t.Context(), person, p)
				same("keys", keys, gotKeys, err)
				profile, err := r.Profile(t.Context(), person, p)
				same("profile", m.profile(who), profile, err)
				totals, err := r.Totals(t.Context(), person, p)
				same("totals", m.totals(person), totals, err)
				want := m.ownPurchases(person)
				purchases, err := pages(len(want)/2+1, func(limit int, c *query.Cursor) ([]query.PurchaseRow, *query.Cursor, error) {
					p := p
					p.Limit, p.Cursor = limit, c
					return r.Purchases(t.Context(), person, p)
				})
				same("purchases", want, purchases, err)
				first := identities[0]
				of, err := r.PersonOf(t.Context(), first.AppID, first.OpenID, p)
				same("identity", query.PersonIdentity{AppID: first.AppID, OpenID: first.OpenID, FirstSeen: first.FirstSeen, PersonID: schemas.PersonID(person)}, of, err)
			}
		})
	}
}

// pages reads all pages of a question.
func pages[R any](limit int, ask func(int, *query.Cursor) ([]R, *query.Cursor, error)) ([]R, error) {
	var out []R
	var c *query.Cursor
	for {
		rows, next, err := ask(limit, c)
		if err != nil || len(rows) > limit {
			return out, cmp.Or(err, errors.New("a page has more rows than asked for"))
		}
		out = append(out, rows...)
		if next == nil {
			return out, nil
		}
		c = next
	}
}

func testUnknownIdentity(t *testing.T, w *world, r *query.Reports) {
	before := streamStart.Add(-time.Hour)
	for _, ask := range []struct {
		appid, openid string
		p             query.Params
	}{{"wx-alpha", "nobody", query.Params{}}, {accounts[0], "o0", query.Params{Allowed: accounts[1:]}}, {accounts[0], "o0", query.Params{AsOf: &before}}} {
		if got, err := r.PersonOf(t.Context(), ask.appid, ask.openid, ask.p); !errors.Is(err, query.ErrNotFound) {
			t.Errorf("%s %s of %+v: %+v, %v, want not found", ask.appid, ask.openid, ask.p, got, err)
		}
	}
}
