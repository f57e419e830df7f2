// Package identity is the linking rule: facts in, persons out. It is pure, and it
// is the only place that decides who is one person; the linker applies it to the
// facts that it stores, the api explains with it.
//
// An identity is (appid, openid), a key is (space, value), both as 64-bit hashes.
// Persons are the connected components of the graph of identities and the keys
// they hold:
//
//  1. A hold states that an identity holds a key.
//  2. Within one space an identity holds the value of the greatest (occurred_at,
//     digest); other values that stand are conflicts, kept and not merged.
//  3. Values in different spaces all hold at once.
//  4. An unlink voids the identity's statements in its space up to its moment.
//  5. A migrate is an edge between the old identity and the new one, stated at both
//     ends; an unlink of the space "migrate" at either end voids it.
//  6. A key held by more than MaxIdentitiesPerKey identities is overloaded and links
//     nobody.
//  7. An erasure voids all statements of its identity up to its moment.
//
// A person's hash is the smallest hash among the keys of its component, or among
// its identities where there is no key. The result depends on the set of facts
// alone: not on their order, their repetition, or how they were cut into batches.
package identity

import (
	"cmp"
	"math"
	"slices"
)

// DefaultMaxIdentitiesPerKey is rule item 6's limit where none is configured.
const DefaultMaxIdentitiesPerKey = 50

// Action says what a statement does.
type Action uint8

// The actions of statements.
const (
	// ActionHold says that the identity holds Key.
	ActionHold Action = iota + 1
	// ActionUnlink voids the identity's statements in Space up to Occurred.
	ActionUnlink
	// ActionEdge is one end of a migrate; both ends have the same Key.
	ActionEdge
)

// Statement is one fact about one identity, with its evidence. Occurred is in
// microseconds since 1970, Learnt, the stream's time, in milliseconds.
type Statement struct {
	Identity uint64
	Action   Action
	Space    string
	Key      uint64
	Value    string
	Occurred int64
	Learnt   int64
	Digest   uint64
	EventID  string
	Source   string
}

// Erasure is the fact that an identity was erased. Units as in Statement.
type Erasure struct {
	Identity uint64
	Occurred int64
	Learnt   int64
	EventID  string
}

// Facts are what the rule is applied to. Repetitions are allowed.
type Facts struct {
	Statements []Statement
	Erasures   []Erasure
	// Crowded are keys stated by so many identities that not all of them were read;
	// they are overloaded at every moment.
	Crowded map[uint64]bool
}

// Until returns the facts learnt up to a stream time in milliseconds.
func (f Facts) Until(learnt int64) Facts {
	out := Facts{Crowded: f.Crowded}
	for _, s := range f.Statements {
		if s.Learnt <= learnt {
			out.Statements = append(out.Statements, s)
		}
	}
	for _, e := range f.Erasures {
		if e.Learnt <= learnt {
			out.Erasures = append(out.Erasures, e)
		}
	}
	return out
}

// Rule is the linking rule with its one setting.
type Rule struct {
	// MaxIdentitiesPerKey is the greatest number of identities that a key may join.
	// Zero stands for DefaultMaxIdentitiesPerKey.
	MaxIdentitiesPerKey int
}

func (r Rule) limit() int {
	if r.MaxIdentitiesPerKey <= 0 {
		return DefaultMaxIdentitiesPerKey
	}
	return r.MaxIdentitiesPerKey
}

// Change is a moment from which on an identity belongs to Person. Learnt is a
// stream time in milliseconds, Cause the event_id of the fact that moved it.
type Change struct {
	Learnt int64
	Person uint64
	Cause  string
}

// step is one fact in the order in which it was learnt.
type step struct {
	Statement
	erase bool
}

// steps puts facts in the order of learning, each once, at the first time it was
// learnt. Facts of one moment take effect together, so their order is free, but
// fixed, since Change.Cause shows it.
func (f Facts) steps() []step {
	out := make([]step, 0, len(f.Statements)+len(f.Erasures))
	for _, s := range f.Statements {
		out = append(out, step{Statement: s})
	}
	for _, e := range f.Erasures {
		out = append(out, step{erase: true, Statement: Statement{Identity: e.Identity, Occurred: e.Occurred, Learnt: e.Learnt, EventID: e.EventID}})
	}
	same := func(a, b step) int {
		return cmp.Or(cmp.Compare(a.Identity, b.Identity), cmp.Compare(a.Occurred, b.Occurred), cmp.Compare(a.Digest, b.Digest),
			cmp.Compare(a.Space, b.Space), cmp.Compare(a.EventID, b.EventID), cmp.Compare(a.Key, b.Key))
	}
	slices.SortFunc(out, func(a, b step) int { return cmp.Or(same(a, b), cmp.Compare(a.Learnt, b.Learnt)) })
	out = slices.CompactFunc(out, func(a, b step) bool { return same(a, b) == 0 && a.erase == b.erase })
	slices.SortStableFunc(out, func(a, b step) int { return cmp.Compare(a.Learnt, b.Learnt) })
	return out
}

const never = math.MinInt64

// slot is what one identity has in one space: the statement that counts, if one
// stands, and up to when statements are void.
type slot struct {
	winner *Statement
	void   int64
}

// member is one identity in the state of the rule.
type member struct {
	spaces map[string]*slot
	// edges has the greatest occurred time of each migrate edge that stands.
	edges     map[uint64]int64
	edgesVoid int64
	erased    int64
}
