package identity

import (
	"github.com/unionlink/unionlink/schemas"
)

// state is the rule applied to a growing set of facts. Each fact costs O(1): within
// a space only the greatest statement can count, so what it replaced is forgotten.
type state struct {
	limit   int
	crowded map[uint64]bool
	members map[uint64]*member
	// holders has, for each key and each edge, the identities at which it stands.
	holders map[uint64]map[uint64]bool
	edges   map[uint64]bool
}

func newState(limit int, crowded map[uint64]bool) *state {
	return &state{limit: limit, crowded: crowded, members: map[uint64]*member{}, holders: map[uint64]map[uint64]bool{}, edges: map[uint64]bool{}}
}

func (s *state) member(identity uint64) *member {
	m, ok := s.members[identity]
	if !ok {
		m = &member{spaces: map[string]*slot{}, edges: map[uint64]int64{}, edgesVoid: never, erased: never}
		s.members[identity] = m
	}
	return m
}

func (m *member) slot(space string) *slot {
	sl, ok := m.spaces[space]
	if !ok {
		sl = &slot{void: never}
		m.spaces[space] = sl
	}
	return sl
}

// add applies one fact and tells whether the graph changed.
func (s *state) add(f *step) bool {
	m := s.member(f.Identity)
	switch {
	case f.erase:
		return s.erase(m, f)
	case f.Action == ActionHold:
		return s.hold(m, &f.Statement)
	case f.Action == ActionEdge:
		return s.edge(m, &f.Statement)
	case f.Space == schemas.SpaceMigrate:
		m.edgesVoid = max(m.edgesVoid, f.Occurred)
		return s.dropEdges(m, f.Identity, f.Occurred)
	}
	sl := m.slot(f.Space)
	sl.void = max(sl.void, f.Occurred)
	return s.void(sl, f.Identity, f.Occurred)
}

func (s *state) hold(m *member, f *Statement) bool {
	sl := m.slot(f.Space)
	if f.Occurred <= sl.void || f.Occurred <= m.erased {
		return false
	}
	w := sl.winner
	if w != nil && (f.Occurred < w.Occurred || f.Occurred == w.Occurred && f.Digest <= w.Digest) {
		return false
	}
	sl.winner = f
	if w != nil && w.Key == f.Key {
		return false
	}
	if w != nil {
		delete(s.holders[w.Key], f.Identity)
	}
	s.stand(f.Key, f.Identity)
	return true
}

func (s *state) stand(key, identity uint64) {
	if s.holders[key] == nil {
		s.holders[key] = map[uint64]bool{}
	}
	s.holders[key][identity] = true
}

func (s *state) edge(m *member, f *Statement) bool {
	if f.Occurred <= m.edgesVoid || f.Occurred <= m.erased {
		return false
	}
	at, ok := m.edges[f.Key]
	if !ok || f.Occurred > at {
		m.edges[f.Key] = f.Occurred
	}
	s.edges[f.Key] = true
	s.stand(f.Key, f.Identity)
	return !ok
}

func (s *state) void(sl *slot, identity uint64, upTo int64) bool {
	if sl.winner == nil || sl.winner.Occurred > upTo {
		return false
	}
	delete(s.holders[sl.winner.Key], identity)
	sl.winner = nil
	return true
}

func (s *state) dropEdges(m *member, identity uint64, upTo int64) bool {
	changed := false
	for key, at := range m.edges {
		if at <= upTo {
			delete(m.edges, key)
			delete(s.holders[key], identity)
			changed = true
		}
	}
	return changed
}

func (s *state) erase(m *member, f *step) bool {
	m.erased = max(m.erased, f.Occurred)
	changed := s.dropEdges(m, f.Identity, f.Occurred)
	for _, sl := range m.spaces {
		changed = s.void(sl, f.Identity, f.Occurred) || changed
	}
	return changed
}

// joins tells whether a key or an edge joins its holders now.
func (s *state) joins(key uint64) bool {
	n := len(s.holders[key])
	if s.edges[key] {
		return n == 2
	}
	return n > 0 && n <= s.limit && !s.crowded[key]
}

// persons computes every member's person.
func (s *state) persons() map[uint64]uint64 {
	u := forest{}
	smallest := map[uint64]uint64{} // root → smallest key of its component
	for key, holders := range s.holders {
		if !s.joins(key) {
			continue
		}
		first, any := uint64(0), false
		for identity := range holders {
			if any {
				u.join(first, identity)
			}
			first, any = identity, true
		}
	}
	for key, holders := range s.holders {
		if s.edges[key] || !s.joins(key) {
			continue
		}
		for identity := range holders {
			root := u.root(identity)
			if k, ok := smallest[root]; !ok || key < k {
				smallest[root] = key
			}
			break
		}
	}
	out := make(map[uint64]uint64, len(s.members))
	lone := map[uint64]uint64{} // root → smallest identity
	for identity := range s.members {
		root := u.root(identity)
		if l, ok := lone[root]; !ok || identity < l {
			lone[root] = identity
		}
	}
	for identity := range s.members {
		root := u.root(identity)
		if k, ok := smallest[root]; ok {
			out[identity] = k
		} else {
			out[identity] = lone[root]
		}
	}
	return out
}

// forest is union-find with path halving; an absent node is its own root.
type forest map[uint64]uint64

func (f forest) root(n uint64) uint64 {
	for {
		p, ok := f[n]
		if !ok || p == n {
			return n
		}
		if g, ok := f[p]; ok {
			f[n] = g
		}
		n = p
	}
}

func (f forest) join(a, b uint64) {
	a, b = f.root(a), f.root(b)
	if a != b {
		f[max(a, b)] = min(a, b)
	}
}
