package identity

import (
	"cmp"
	"slices"
)

// World is what the rule says of a set of facts, with the reasons.
type World struct {
	// Person has every identity of the facts.
	Person map[uint64]uint64
	// Links are the statements that stand and agree with what counts: the evidence of
	// each link, most recent first within an identity and key.
	Links []Statement
	// Conflicts are statements that stand, but whose value is not the one that counts.
	Conflicts []Statement
	// Voided are statements undone by an unlink or an erasure.
	Voided []Statement
	// Overloaded are the keys that link nobody, with the number of identities that hold them.
	Overloaded map[uint64]int
}

// Resolve applies the rule. Only the person of each identity is derived from the
// whole; everything else is what the facts of that identity say.
func (r Rule) Resolve(f Facts) *World {
	steps := f.steps()
	s := newState(r.limit(), f.Crowded)
	for i := range steps {
		s.add(&steps[i])
	}
	w := &World{Person: s.persons(), Overloaded: map[uint64]int{}}
	for key, holders := range s.holders {
		if !s.edges[key] && (len(holders) > s.limit || s.crowded[key]) {
			w.Overloaded[key] = len(holders)
		}
	}
	for i := range steps {
		if st := &steps[i]; !st.erase && st.Action != ActionUnlink {
			w.sort(s.members[st.Identity], &st.Statement)
		}
	}
	for _, list := range [][]Statement{w.Links, w.Conflicts, w.Voided} {
		slices.SortFunc(list, func(a, b Statement) int {
			return cmp.Or(cmp.Compare(a.Identity, b.Identity), cmp.Compare(a.Space, b.Space), cmp.Compare(a.Key, b.Key),
				cmp.Compare(b.Occurred, a.Occurred), cmp.Compare(a.Digest, b.Digest))
		})
	}
	return w
}

// sort puts a statement where it belongs, by what became of its identity and space.
func (w *World) sort(m *member, st *Statement) {
	void, winner := m.edgesVoid, st
	if st.Action == ActionHold {
		sl := m.spaces[st.Space]
		void, winner = sl.void, sl.winner
	}
	switch {
	case st.Occurred <= void || st.Occurred <= m.erased:
		w.Voided = append(w.Voided, *st)
	case winner.Key == st.Key:
		w.Links = append(w.Links, *st)
	default:
		w.Conflicts = append(w.Conflicts, *st)
	}
}
