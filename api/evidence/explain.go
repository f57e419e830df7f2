package evidence

import (
	"time"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
)

// Evidence is one statement of a fact.
type Evidence struct {
	EventID    string    `json:"event_id"`
	Source     string    `json:"source" doc:"who stated it"`
	OccurredAt time.Time `json:"occurred_at"`
	StreamTime time.Time `json:"stream_time" doc:"when it was learnt"`
}

// Link is a key that an identity holds, and why.
type Link struct {
	AppID    string     `json:"appid"`
	OpenID   string     `json:"openid"`
	Space    string     `json:"space"`
	Value    string     `json:"value"`
	Evidence []Evidence `json:"evidence"`
}

// Migration is one end of a migrate.
type Migration struct {
	AppID  string `json:"appid"`
	OpenID string `json:"openid"`
	Evidence
}

// Conflict is a value that was stated for an identity, but is not the one that counts.
type Conflict struct {
	AppID  string `json:"appid"`
	OpenID string `json:"openid"`
	Space  string `json:"space"`
	Value  string `json:"value"`
	Held   string `json:"held" doc:"the value that counts"`
	Evidence
}

// Overloaded is a key held by so many identities that it links none.
type Overloaded struct {
	Space      string `json:"space"`
	Value      string `json:"value"`
	Identities int    `json:"identities"`
}

// Voided is a statement that an unlink or an erasure undid.
type Voided struct {
	AppID  string `json:"appid"`
	OpenID string `json:"openid"`
	Space  string `json:"space"`
	Value  string `json:"value"`
	By     string `json:"by" doc:"event_id of what undid it"`
	Evidence
}

// Explanation is why a person is one.
type Explanation struct {
	Identities []Identity    `json:"identities"`
	Keys       []schemas.Key `json:"keys"`
	Links      []Link        `json:"links"`
	Migrations []Migration   `json:"migrations"`
	Conflicts  []Conflict    `json:"conflicts"`
	Overloaded []Overloaded  `json:"overloaded"`
	Voided     []Voided      `json:"voided"`
}

// Explain tells why the person's identities are one person.
func (c *Case) Explain() Explanation {
	e := Explanation{
		Identities: []Identity{}, Keys: []schemas.Key{}, Links: []Link{}, Migrations: []Migration{},
		Conflicts: []Conflict{}, Overloaded: []Overloaded{}, Voided: []Voided{},
	}
	for _, id := range c.sorted(c.own) {
		e.Identities = append(e.Identities, c.names[id])
	}
	held := c.links(&e)
	for i := range c.world.Conflicts {
		if st := &c.world.Conflicts[i]; c.own[st.Identity] {
			n := c.names[st.Identity]
			e.Conflicts = append(e.Conflicts, Conflict{n.AppID, n.OpenID, st.Space, st.Value, held[place{st.Identity, st.Space}], evidenceOf(st)})
		}
	}
	for i := range c.world.Voided {
		if st := &c.world.Voided[i]; c.own[st.Identity] {
			n := c.names[st.Identity]
			e.Voided = append(e.Voided, Voided{n.AppID, n.OpenID, st.Space, st.Value, c.voider(st), evidenceOf(st)})
		}
	}
	return e
}

// place is where an identity may hold one value.
type place struct {
	identity uint64
	space    string
}

// links fills in what holds: links, migrations, keys, overloaded keys. It returns the
// value that counts at each place.
func (c *Case) links(e *Explanation) map[place]string {
	held := map[place]string{}
	keys := map[uint64]bool{}
	for i := range c.world.Links {
		st := &c.world.Links[i]
		if !c.own[st.Identity] {
			continue
		}
		n := c.names[st.Identity]
		if st.Action == identity.ActionEdge {
			e.Migrations = append(e.Migrations, Migration{n.AppID, n.OpenID, evidenceOf(st)})
			continue
		}
		at := place{st.Identity, st.Space}
		if _, again := held[at]; again {
			last := &e.Links[len(e.Links)-1] // statements of one identity and key come together
			last.Evidence = append(last.Evidence, evidenceOf(st))
			continue
		}
		held[at] = st.Value
		e.Links = append(e.Links, Link{n.AppID, n.OpenID, st.Space, st.Value, []Evidence{evidenceOf(st)}})
		if keys[st.Key] {
			continue
		}
		keys[st.Key] = true
		if crowd, over := c.world.Overloaded[st.Key]; over {
			e.Overloaded = append(e.Overloaded, Overloaded{st.Space, st.Value, crowd})
		} else {
			e.Keys = append(e.Keys, schemas.Key{Space: st.Space, Value: st.Value})
		}
	}
	return held
}

func evidenceOf(st *identity.Statement) Evidence {
	return Evidence{st.EventID, st.Source, time.UnixMicro(st.Occurred).UTC(), time.UnixMilli(st.Learnt).UTC()}
}

// voider is the event that undid a statement: of those that would, the one learnt first.
func (c *Case) voider(st *identity.Statement) string {
	by, learnt := "", int64(0)
	take := func(eventID string, at int64) {
		if by == "" || at < learnt {
			by, learnt = eventID, at
		}
	}
	for _, o := range c.facts.Statements {
		if o.Action == identity.ActionUnlink && o.Identity == st.Identity && o.Space == st.Space && o.Occurred >= st.Occurred {
			take(o.EventID, o.Learnt)
		}
	}
	for _, o := range c.facts.Erasures {
		if o.Identity == st.Identity && o.Occurred >= st.Occurred {
			take(o.EventID, o.Learnt)
		}
	}
	return by
}
