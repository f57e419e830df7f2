package identity

// The judge: the linking rule as section 3 of the design says it, word by word, slow
// and without any of the package's code. It looks at the whole set each time.

type judge struct {
	limit int
	facts Facts
}

func (j judge) holds(identity uint64) []Statement {
	var out []Statement
	for _, s := range j.facts.Statements {
		if s.Identity != identity || s.Action != ActionHold || j.voided(s) {
			continue
		}
		best := true
		for _, o := range j.facts.Statements {
			sameSlot := o.Identity == identity && o.Action == ActionHold && o.Space == s.Space && !j.voided(o)
			if sameSlot && (o.Occurred > s.Occurred || o.Occurred == s.Occurred && o.Digest > s.Digest) {
				best = false
			}
		}
		if best {
			out = append(out, s)
		}
	}
	return out
}

func (j judge) voided(s Statement) bool {
	space := s.Space
	if s.Action == ActionEdge {
		space = "migrate"
	}
	for _, o := range j.facts.Statements {
		if o.Action == ActionUnlink && o.Identity == s.Identity && o.Space == space && o.Occurred >= s.Occurred {
			return true
		}
	}
	for _, e := range j.facts.Erasures {
		if e.Identity == s.Identity && e.Occurred >= s.Occurred {
			return true
		}
	}
	return false
}

func (j judge) identities() map[uint64]bool {
	out := map[uint64]bool{}
	for _, s := range j.facts.Statements {
		out[s.Identity] = true
	}
	for _, e := range j.facts.Erasures {
		out[e.Identity] = true
	}
	return out
}

// persons colours identities and lets colours spread along keys until nothing moves.
func (j judge) persons() map[uint64]uint64 {
	held := map[uint64]map[uint64]bool{} // key → identities
	put := func(key, identity uint64) {
		if held[key] == nil {
			held[key] = map[uint64]bool{}
		}
		held[key][identity] = true
	}
	edges := map[uint64]map[uint64]bool{}
	colour := map[uint64]uint64{}
	for identity := range j.identities() {
		colour[identity] = identity
		for _, s := range j.holds(identity) {
			put(s.Key, identity)
		}
	}
	for _, s := range j.facts.Statements {
		if s.Action == ActionEdge && !j.voided(s) {
			if edges[s.Key] == nil {
				edges[s.Key] = map[uint64]bool{}
			}
			edges[s.Key][s.Identity] = true
		}
	}
	var groups []map[uint64]bool
	for key, ids := range held {
		if len(ids) > j.limit {
			delete(held, key)
			continue
		}
		groups = append(groups, ids)
	}
	for _, ids := range edges {
		if len(ids) == 2 {
			groups = append(groups, ids)
		}
	}
	for moved := true; moved; {
		moved = false
		for _, ids := range groups {
			low := ^uint64(0)
			for i := range ids {
				low = min(low, colour[i])
			}
			for i := range ids {
				if colour[i] != low {
					colour[i], moved = low, true
				}
			}
		}
	}
	out := map[uint64]uint64{}
	for i, c := range colour {
		best, any := uint64(0), false
		for key, ids := range held {
			for o := range ids {
				if colour[o] == c && (!any || key < best) {
					best, any = key, true
				}
			}
		}
		if !any {
			best = c // the smallest identity of the component
		}
		out[i] = best
	}
	return out
}
