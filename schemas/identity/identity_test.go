package identity

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/unionlink/unionlink/schemas"
)

// world draws facts that collide a lot: few identities, keys, spaces and moments.
func world(t *rapid.T) Facts {
	spaces := []string{"main", "other", "crm"}
	ids := rapid.IntRange(2, 9).Draw(t, "identities")
	moments := rapid.IntRange(1, 6).Draw(t, "moments")
	var f Facts
	for n := range rapid.IntRange(1, 30).Draw(t, "facts") {
		identity := schemas.IdentityHash("wx", fmt.Sprint(rapid.IntRange(1, ids).Draw(t, "id")))
		occurred := int64(rapid.IntRange(1, moments).Draw(t, "occurred"))
		learnt := int64(rapid.IntRange(1, 8).Draw(t, "learnt"))
		st := Statement{
			Identity: identity, Occurred: occurred, Learnt: learnt, EventID: fmt.Sprintf("e%d", n),
			Digest: uint64(rapid.IntRange(0, 1).Draw(t, "digest"))<<32 | uint64(n), Space: rapid.SampledFrom(spaces).Draw(t, "space"),
		}
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0:
			st.Action = ActionUnlink
			if rapid.Bool().Draw(t, "edges") {
				st.Space = schemas.SpaceMigrate
			}
		case 1:
			f.Erasures = append(f.Erasures, Erasure{Identity: identity, Occurred: occurred, Learnt: learnt, EventID: st.EventID})
			continue
		case 2:
			to := schemas.IdentityHash("wx", fmt.Sprint(rapid.IntRange(1, ids).Draw(t, "to")))
			if to == identity {
				continue
			}
			st.Action, st.Space, st.Key = ActionEdge, schemas.SpaceMigrate, schemas.EdgeKey(identity, to)
			end := st
			end.Identity = to
			f.Statements = append(f.Statements, end)
		default:
			st.Action = ActionHold
			st.Value = fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "value"))
			st.Key = schemas.KeyHash(st.Space, st.Value)
		}
		f.Statements = append(f.Statements, st)
	}
	return f
}

func shuffled(t *rapid.T, f Facts) Facts {
	again := rapid.SliceOfN(rapid.SampledFrom(f.Statements), 0, 5).Draw(t, "again")
	late := slices.Clone(again)
	for i := range late {
		late[i].Learnt += int64(rapid.IntRange(0, 3).Draw(t, "later"))
	}
	return Facts{
		Statements: rapid.Permutation(slices.Concat(f.Statements, late)).Draw(t, "order"),
		Erasures:   rapid.Permutation(f.Erasures).Draw(t, "erasures"),
	}
}

func TestRule(t *testing.T) {
	rule := Rule{MaxIdentitiesPerKey: 3}
	t.Run("agrees with the judge at every moment", rapid.MakeCheck(func(t *rapid.T) {
		f := world(t)
		if len(f.Statements) == 0 {
			return
		}
		history := rule.History(shuffled(t, f))
		for learnt := int64(0); learnt <= 9; learnt++ {
			known := f.Until(learnt)
			want := judge{limit: 3, facts: known}.persons()
			if d := cmp.Diff(want, rule.Resolve(known).Person); d != "" {
				t.Fatalf("resolved as of %d: %s", learnt, d)
			}
			for identity, person := range want {
				if got := personAt(history, identity, learnt); got != person {
					t.Fatalf("history as of %d: %x is %x, want %x", learnt, identity, got, person)
				}
			}
		}
	}))
	t.Run("does not depend on order or repetition", rapid.MakeCheck(func(t *rapid.T) {
		f := world(t)
		if len(f.Statements) == 0 {
			return
		}
		g := shuffled(t, f)
		if d := cmp.Diff(rule.History(f), rule.History(g)); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(rule.Resolve(f).Person, rule.Resolve(g).Person); d != "" {
			t.Fatal(d)
		}
	}))
	t.Run("every statement has its place", rapid.MakeCheck(func(t *rapid.T) {
		f := world(t)
		w := rule.Resolve(f)
		n := 0
		for _, s := range f.Statements {
			if s.Action != ActionUnlink {
				n++
			}
		}
		if got := len(w.Links) + len(w.Conflicts) + len(w.Voided); got != n {
			t.Fatalf("%d statements are told of, want %d", got, n)
		}
	}))
}

func personAt(history map[uint64][]Change, identity uint64, learnt int64) uint64 {
	person := identity
	for _, c := range history[identity] {
		if c.Learnt <= learnt {
			person = c.Person
		}
	}
	return person
}

func hold(identity uint64, space, value string, occurred int64) Statement {
	return Statement{
		Identity: identity, Action: ActionHold, Space: space, Value: value, Key: schemas.KeyHash(space, value),
		Occurred: occurred, Learnt: occurred, EventID: fmt.Sprint(space, value, occurred), Digest: uint64(occurred),
	}
}

func TestItems(t *testing.T) {
	const a, b, c = 1, 2, 3
	resolve := func(st ...Statement) map[uint64]uint64 { return Rule{}.Resolve(Facts{Statements: st}).Person }
	t.Run("a late unionid joins", func(t *testing.T) {
		p := resolve(hold(a, "main", "u", 1), hold(b, "main", "u", 9))
		if p[a] != p[b] || p[a] != schemas.KeyHash("main", "u") {
			t.Fatal(p)
		}
	})
	t.Run("values in different spaces bridge", func(t *testing.T) {
		p := resolve(hold(a, "old", "u", 1), hold(b, "old", "u", 1), hold(b, "new", "v", 2), hold(c, "new", "v", 3))
		if p[a] != p[b] || p[b] != p[c] {
			t.Fatal(p)
		}
	})
	t.Run("a newer value takes the identity along and leaves a conflict", func(t *testing.T) {
		w := Rule{}.Resolve(Facts{Statements: []Statement{hold(a, "main", "u", 1), hold(b, "main", "u", 1), hold(b, "main", "v", 2)}})
		if w.Person[a] == w.Person[b] || len(w.Conflicts) != 1 || w.Conflicts[0].Value != "u" {
			t.Fatal(w)
		}
	})
	t.Run("a migrate joins old and new", func(t *testing.T) {
		edge := Statement{Action: ActionEdge, Space: schemas.SpaceMigrate, Key: schemas.EdgeKey(a, b), Occurred: 1, Learnt: 1}
		old, fresh := edge, edge
		old.Identity, fresh.Identity = a, b
		p := resolve(old, fresh)
		if p[a] != p[b] || p[a] != a {
			t.Fatal(p)
		}
		undo := Statement{Identity: b, Action: ActionUnlink, Space: schemas.SpaceMigrate, Occurred: 2, Learnt: 2}
		if p := resolve(old, fresh, undo); p[a] == p[b] {
			t.Fatal("unlinking the migrate did not part them")
		}
	})
	t.Run("an overloaded key links nobody and is told of", func(t *testing.T) {
		var st []Statement
		for i := range uint64(51) {
			st = append(st, hold(i+1, "crm", "test", 1))
		}
		w := Rule{}.Resolve(Facts{Statements: st})
		if w.Person[1] != 1 || w.Overloaded[schemas.KeyHash("crm", "test")] != 51 {
			t.Fatal(w.Overloaded)
		}
		if w := (Rule{}).Resolve(Facts{Statements: st[:50]}); w.Person[1] == 1 || len(w.Overloaded) != 0 {
			t.Fatal("fifty are too many already")
		}
	})
	t.Run("an erasure stops late facts and lets new ones in", func(t *testing.T) {
		f := Facts{Statements: []Statement{hold(a, "main", "u", 1), hold(b, "main", "u", 5)}, Erasures: []Erasure{{Identity: b, Occurred: 5}}}
		if p := (Rule{}).Resolve(f).Person; p[b] != b {
			t.Fatal(p)
		}
		f.Statements = append(f.Statements, hold(b, "main", "u", 6))
		if p := (Rule{}).Resolve(f).Person; p[a] != p[b] {
			t.Fatal(p)
		}
	})
}
