// Package evidence says why a person is one person, and what would change if a link
// were undone or the person erased. It reads the facts of the person's neighbourhood and
// applies the same linking rule to them that the linker does; it changes nothing.
package evidence

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

//go:embed sql/*.sql
var files embed.FS

// statement reads the SQL of a method.
func statement(name string) string {
	text, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(text)
}

// Identity is a user as one account sees them.
type Identity struct {
	AppID     string    `json:"appid"`
	OpenID    string    `json:"openid"`
	FirstSeen time.Time `json:"first_seen"`
}

// Reader reads evidence.
type Reader struct {
	Conn driver.Conn
	// Rule is the linker's.
	Rule identity.Rule
}

// Case is a person's identities with everything that bears on them.
type Case struct {
	// Person is who they are.
	Person uint64
	// own are the person's identities that the caller may see, names those of the whole
	// neighbourhood that still have one and that the caller may see.
	own   map[uint64]bool
	names map[uint64]Identity
	// hidden says that the person has identities that the caller may not see.
	hidden bool

	conn  driver.Conn
	rule  identity.Rule
	facts identity.Facts
	world *identity.World
}

// Asked is whose case is opened, for whom and as of when.
type Asked struct {
	// Person is who has the identities, at AsOf.
	Person     uint64
	Identities []uint64
	// Sees tells which accounts the caller may see: everything about others is left out.
	Sees func(appid string) bool
	// AsOf leaves out what was learnt after it; zero: now.
	AsOf time.Time
}

// Open reads the case of a person.
func (r Reader) Open(ctx context.Context, asked Asked) (*Case, error) {
	facts, err := warehouse.Neighbourhood(ctx, r.Conn, asked.Identities)
	if err != nil {
		return nil, err
	}
	if !asked.AsOf.IsZero() {
		facts = facts.Until(asked.AsOf.UnixMilli())
	}
	c := &Case{
		Person: asked.Person, own: map[uint64]bool{}, names: map[uint64]Identity{},
		conn: r.Conn, rule: r.Rule, facts: facts, world: r.Rule.Resolve(facts),
	}
	everyone := slices.Clone(asked.Identities)
	for id := range c.world.Person {
		everyone = append(everyone, id)
	}
	seen := map[uint64]bool{}
	err = warehouse.ReadByIDs(ctx, r.Conn, statement("names"), everyone, func(rows driver.Rows) error {
		var id uint64
		var name Identity
		if err := rows.Scan(&id, &name.AppID, &name.OpenID, &name.FirstSeen); err != nil {
			return err
		}
		name.FirstSeen = name.FirstSeen.UTC()
		if seen[id] = asked.Sees(name.AppID); seen[id] {
			c.names[id] = name
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the names of identities: %w", err)
	}
	for _, id := range asked.Identities {
		if visible, named := seen[id]; visible {
			c.own[id] = true
		} else if named {
			c.hidden = true
		}
	}
	return c, nil
}

// Hidden tells whether the person has identities in accounts that the caller may not see.
func (c *Case) Hidden() bool { return c.hidden }

// Known tells whether the caller may see any identity of the person.
func (c *Case) Known() bool { return len(c.own) > 0 }

// Find is the hash of one of the person's identities, if it is one.
func (c *Case) Find(appid, openid string) (uint64, bool) {
	id := schemas.IdentityHash(appid, openid)
	return id, c.own[id]
}

// sorted lists identities by account and openid.
func (c *Case) sorted(ids map[uint64]bool) []uint64 {
	out := make([]uint64, 0, len(ids))
	for id := range ids {
		out = append(out, id)
	}
	slices.SortFunc(out, c.order)
	return out
}

func (c *Case) order(a, b uint64) int {
	x, y := c.names[a], c.names[b]
	switch {
	case x.AppID != y.AppID && x.AppID < y.AppID, x.AppID == y.AppID && x.OpenID < y.OpenID:
		return -1
	case x == y:
		return 0
	}
	return 1
}
