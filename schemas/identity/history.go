package identity

// History returns, for every identity of the facts, the moments at which its person
// changed, oldest first. An identity whose only person ever was itself has none.
//
// Components are resolved one by one, and each only at the moments at which its
// graph changed, so that many persons in one set of facts cost their sum.
func (r Rule) History(f Facts) map[uint64][]Change {
	out := map[uint64][]Change{}
	for _, c := range components(f.steps()) {
		r.component(c, f.Crowded, out)
	}
	return out
}

// component adds the history of one connected set of facts, in the order of learning.
func (r Rule) component(steps []step, crowded map[uint64]bool, out map[uint64][]Change) {
	s := newState(r.limit(), crowded)
	present := map[uint64]uint64{}
	for i := 0; i < len(steps); {
		learnt, cause, changed := steps[i].Learnt, "", false
		own := map[uint64]string{}
		for ; i < len(steps) && steps[i].Learnt == learnt; i++ {
			if s.add(&steps[i]) {
				changed, cause = true, steps[i].EventID
				own[steps[i].Identity] = cause
			}
		}
		if !changed {
			continue
		}
		for identity, person := range s.persons() {
			was, ok := present[identity]
			if !ok {
				was = identity
			}
			if was == person {
				continue
			}
			present[identity] = person
			why := cause
			if c, ok := own[identity]; ok {
				why = c
			}
			out[identity] = append(out[identity], Change{Learnt: learnt, Person: person, Cause: why})
		}
	}
}

// components cuts facts, in the order of learning, into sets that share neither an
// identity nor a key that was ever stated, each in the order of learning.
func components(steps []step) [][]step {
	u := forest{}
	keys := map[uint64]uint64{}
	for _, s := range steps {
		if s.erase || s.Action == ActionUnlink {
			continue
		}
		if other, ok := keys[s.Key]; ok {
			u.join(other, s.Identity)
		} else {
			keys[s.Key] = s.Identity
		}
	}
	var out [][]step
	at := map[uint64]int{}
	for _, s := range steps {
		root := u.root(s.Identity)
		i, ok := at[root]
		if !ok {
			i = len(out)
			at[root] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], s)
	}
	return out
}
