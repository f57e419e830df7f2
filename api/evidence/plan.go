package evidence

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// Unlink is one identity's space to void.
type Unlink struct {
	AppID  string `json:"appid"`
	OpenID string `json:"openid"`
	Space  string `json:"space"`
}

// Shift is an identity that would be another person. To is empty where it would be erased.
type Shift struct {
	AppID  string `json:"appid"`
	OpenID string `json:"openid"`
	From   string `json:"from"`
	To     string `json:"to" doc:"empty where it would be erased"`
}

// Money is what the shifted identities bought in one account.
type Money struct {
	AppID    string `json:"appid"`
	Currency string `json:"currency"`
	Orders   uint64 `json:"orders"`
	Net      int64  `json:"net"`
}

// Plan is what would move, and the events that move it.
type Plan struct {
	Unlinks    []Unlink `json:"unlinks"`
	Identities []Shift  `json:"identities" doc:"those whose person changes"`
	// Before and After count the persons that the shifted identities are part of.
	Before int     `json:"persons_before"`
	After  int     `json:"persons_after"`
	Money  []Money `json:"money" doc:"what these identities bought"`
	// Events are what to publish; their moment is OccurredAt.
	Events     []schemas.Event `json:"-"`
	OccurredAt time.Time       `json:"-"`
}

// Selection says which links to undo: all fields that are set must fit.
type Selection struct {
	// Identity is one of the person's, 0 for any.
	Identity uint64
	Space    string
	Value    string
	Source   string
	// From and To bound the stream time, half-open; zero: unbounded.
	From, To time.Time
}

func (s Selection) takes(st *identity.Statement) bool {
	learnt := time.UnixMilli(st.Learnt)
	return (s.Identity == 0 || st.Identity == s.Identity) &&
		(s.Space == "" || st.Space == s.Space) &&
		(s.Value == "" || st.Value == s.Value) &&
		(s.Source == "" || st.Source == s.Source) &&
		(s.From.IsZero() || !learnt.Before(s.From)) &&
		(s.To.IsZero() || learnt.Before(s.To))
}

// Unlink plans to void what a selection takes of the person's standing statements. The
// plan has no unlinks where nothing fits. It voids up to now, or up to the latest of
// those statements where a publisher's clock is ahead.
func (c *Case) Unlink(ctx context.Context, s Selection, now time.Time) (*Plan, error) {
	upTo := now.UnixMicro()
	places := map[place]bool{}
	for _, list := range [][]identity.Statement{c.world.Links, c.world.Conflicts} {
		for i := range list {
			if st := &list[i]; c.own[st.Identity] && s.takes(st) {
				places[place{st.Identity, st.Space}] = true
				upTo = max(upTo, st.Occurred)
			}
		}
	}
	p := &Plan{Unlinks: []Unlink{}, OccurredAt: time.UnixMicro(upTo).UTC()}
	after := identity.Facts{Statements: slices.Clone(c.facts.Statements), Erasures: c.facts.Erasures, Crowded: c.facts.Crowded}
	for _, at := range c.places(places) {
		n := c.names[at.identity]
		p.Unlinks = append(p.Unlinks, Unlink{n.AppID, n.OpenID, at.space})
		p.Events = append(p.Events, &schemas.Identity{
			Envelope: schemas.Envelope{OccurredAt: p.OccurredAt, AppID: n.AppID, OpenID: n.OpenID}, Action: schemas.ActionUnlink, Space: at.space,
		})
		after.Statements = append(after.Statements, identity.Statement{
			Identity: at.identity, Action: identity.ActionUnlink, Space: at.space, Occurred: upTo, Learnt: math.MaxInt64, Digest: math.MaxUint64,
		})
	}
	return p, c.shifts(ctx, p, after)
}

func (c *Case) places(set map[place]bool) []place {
	out := make([]place, 0, len(set))
	for at := range set {
		out = append(out, at)
	}
	slices.SortFunc(out, func(a, b place) int {
		if o := c.order(a.identity, b.identity); o != 0 {
			return o
		}
		if a.space < b.space {
			return -1
		}
		return 1
	})
	return out
}

// Erase plans to erase all identities of the person.
func (c *Case) Erase(ctx context.Context, now time.Time) (*Plan, error) {
	upTo := now.UnixMicro()
	for _, st := range c.facts.Statements {
		if c.own[st.Identity] {
			upTo = max(upTo, st.Occurred)
		}
	}
	p := &Plan{Unlinks: []Unlink{}, OccurredAt: time.UnixMicro(upTo).UTC()}
	after := identity.Facts{Statements: c.facts.Statements, Erasures: slices.Clone(c.facts.Erasures), Crowded: c.facts.Crowded}
	for _, id := range c.sorted(c.own) {
		n := c.names[id]
		p.Events = append(p.Events, &schemas.Identity{
			Envelope: schemas.Envelope{OccurredAt: p.OccurredAt, AppID: n.AppID, OpenID: n.OpenID}, Action: schemas.ActionErase,
		})
		after.Erasures = append(after.Erasures, identity.Erasure{Identity: id, Occurred: upTo, Learnt: math.MaxInt64})
	}
	return p, c.shifts(ctx, p, after, c.sorted(c.own)...)
}

// shifts fills in who would be whom, and their money. Of the neighbourhood only those
// are told whom the caller may see; erased ones shift to nobody.
func (c *Case) shifts(ctx context.Context, p *Plan, after identity.Facts, erased ...uint64) error {
	world := c.rule.Resolve(after)
	moved, before, then := map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
	for id := range c.names {
		was, gone := c.personIn(c.world, id), slices.Contains(erased, id)
		if gone || c.personIn(world, id) != was {
			moved[id], before[was] = true, true
		}
	}
	// Those who stay behind count too: after a split there are two.
	for id := range c.names {
		if before[c.personIn(c.world, id)] && !slices.Contains(erased, id) {
			then[c.personIn(world, id)] = true
		}
	}
	p.Identities, p.Before, p.After = []Shift{}, len(before), len(then)
	ids := c.sorted(moved)
	for _, id := range ids {
		n := c.names[id]
		s := Shift{AppID: n.AppID, OpenID: n.OpenID, From: schemas.PersonID(c.personIn(c.world, id))}
		if !slices.Contains(erased, id) {
			s.To = schemas.PersonID(c.personIn(world, id))
		}
		p.Identities = append(p.Identities, s)
	}
	return c.money(ctx, p, ids)
}

// personIn is an identity's person; one without facts is its own.
func (c *Case) personIn(w *identity.World, id uint64) uint64 {
	if person, ok := w.Person[id]; ok {
		return person
	}
	return id
}

func (c *Case) money(ctx context.Context, p *Plan, ids []uint64) error {
	p.Money = []Money{}
	err := warehouse.ReadByIDs(ctx, c.conn, statement("money"), ids, func(rows driver.Rows) error {
		var m Money
		if err := rows.Scan(&m.AppID, &m.Currency, &m.Orders, &m.Net); err != nil {
			return err
		}
		p.Money = append(p.Money, m)
		return nil
	})
	if err != nil {
		return fmt.Errorf("sum the money of identities: %w", err)
	}
	return nil
}
