package chaos

import (
	"fmt"
	"time"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
)

// model is what the analysts must see, worked out from the events by a way of its own:
// without ClickHouse, without the linker, with the pure linking rule.
type model struct {
	// rows are the lines of v_purchases by business key; see line.
	rows map[string]string
	// sums are the amounts by currency, in minor units.
	sums map[string]int64
	// versions are the ids of all purchase events, superseded ones included.
	versions map[string]bool
	// identities are those that must be known; persons maps each to its person.
	identities map[uint64]bool
	persons    map[uint64]uint64
}

// platforms is where each account's unionids are unique.
var platforms = map[string]string{"wxchaos1": "main", "wxchaos2": "main", "wxchaos3": "other"}

// newModel takes events, each once or more often, in any order.
func newModel(events []schemas.Event) *model {
	m := &model{rows: map[string]string{}, sums: map[string]int64{}, versions: map[string]bool{}, identities: map[uint64]bool{}, persons: map[uint64]uint64{}}
	world := identity.Rule{MaxIdentitiesPerKey: limit}.Resolve(factsOf(events))
	best := map[string]*schemas.Purchase{}
	erased := erasures(events)
	for _, e := range events {
		h := e.Head()
		switch e := e.(type) {
		case *schemas.Login:
			if !e.SnapshotUser && !erased.void(h.Identity(), h.OccurredAt) {
				m.identities[h.Identity()] = true
			}
		case *schemas.Identity:
			if e.Action == schemas.ActionErase || erased.void(h.Identity(), h.OccurredAt) {
				continue
			}
			m.identities[h.Identity()] = true
			if e.Action == schemas.ActionMigrate && !erased.void(e.From(), h.OccurredAt) {
				m.identities[e.From()] = true
			}
		case *schemas.Purchase:
			m.identities[erased.name(e)] = true
			m.versions[e.AppID+":"+e.EventID] = true
			key := businessKey(e.AppID, e.OrderID, string(e.PurchaseKind), e.RefundID)
			if b := best[key]; b == nil || e.Revision > b.Revision || e.Revision == b.Revision && e.Digest() > b.Digest() {
				best[key] = e
			}
		}
	}
	for who := range m.identities {
		m.persons[who] = who
		if p, ok := world.Person[who]; ok {
			m.persons[who] = p
		}
	}
	for key, p := range best {
		amount := p.Amount
		if p.PurchaseKind == schemas.PurchaseKindRefund {
			amount = -amount
		}
		m.sums[p.Currency] += amount
		m.rows[key] = line(schemas.PersonID(m.persons[erased.name(p)]), amount, p.Currency, p.OccurredAt, p.Revision, p.EventID)
	}
	return m
}

// ledger has the moment up to which the facts of erased identities are void.
type ledger map[uint64]time.Time

func erasures(events []schemas.Event) ledger {
	out := ledger{}
	for _, e := range events {
		if i, ok := e.(*schemas.Identity); ok && i.Action == schemas.ActionErase && i.OccurredAt.After(out[i.Head().Identity()]) {
			out[i.Head().Identity()] = i.OccurredAt
		}
	}
	return out
}

func (l ledger) void(who uint64, occurred time.Time) bool {
	until, ok := l[who]
	return ok && !occurred.After(until)
}

// name is the identity under which a purchase is kept.
func (l ledger) name(p *schemas.Purchase) uint64 {
	who := p.Head().Identity()
	if l.void(who, p.OccurredAt) {
		return schemas.Pseudonym(who)
	}
	return who
}

func businessKey(appid, order, kind, refund string) string {
	return appid + " " + order + " " + kind + " " + refund
}

// line is a row of v_purchases as text.
func line(person string, amount int64, currency string, occurred time.Time, revision uint32, event string) string {
	return fmt.Sprintf("%s %d %s %d r%d %s", person, amount, currency, occurred.UnixMicro(), revision, event)
}

// factsOf is what the events state, by a way of its own.
func factsOf(events []schemas.Event) identity.Facts {
	var f identity.Facts
	for _, e := range events {
		h := e.Head()
		st := identity.Statement{Identity: h.Identity(), Occurred: h.OccurredAt.UnixMicro(), Digest: e.Digest(), EventID: h.EventID, Action: identity.ActionHold}
		hold := func(space, value string) {
			st.Space, st.Value, st.Key = space, value, schemas.KeyHash(space, value)
			f.Statements = append(f.Statements, st)
		}
		switch e := e.(type) {
		case *schemas.Login:
			if e.SnapshotUser {
				continue
			}
			if e.UnionID != "" {
				hold(platforms[e.AppID], e.UnionID)
			}
			for _, k := range e.Keys {
				hold(k.Space, k.Value)
			}
		case *schemas.Purchase:
			if e.UnionID != "" {
				hold(platforms[e.AppID], e.UnionID)
			}
		case *schemas.Identity:
			st.Action = identity.ActionUnlink
			switch e.Action {
			case schemas.ActionErase:
				f.Erasures = append(f.Erasures, identity.Erasure{Identity: st.Identity, Occurred: st.Occurred, EventID: h.EventID})
			case schemas.ActionUnlink:
				hold(e.Space, "")
			case schemas.ActionMigrate:
				st.Action, st.Space, st.Key = identity.ActionEdge, schemas.SpaceMigrate, schemas.EdgeKey(e.From(), st.Identity)
				end := st
				end.Identity = e.From()
				f.Statements = append(f.Statements, st, end)
			}
		}
	}
	return f
}
