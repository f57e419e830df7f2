package linker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func decimal(h uint64) string { return strconv.FormatUint(h, 10) }

// world is a seeded log in which everything happens, often to the same few people.
func world(random *rand.Rand, n int) []schemas.Event {
	pick := func(n int) int { return 1 + random.IntN(n) }
	who := func() (string, string) { return accounts[random.IntN(3)].AppID, fmt.Sprint("o", pick(n/8)) }
	var log []schemas.Event
	for i := range n {
		appid, openid := who()
		h := schemas.Envelope{EventID: fmt.Sprint("w", i), OccurredAt: day.Add(time.Duration(pick(40)) * time.Hour), AppID: appid, OpenID: openid}
		switch k := random.IntN(20); {
		case k < 9:
			l := &schemas.Login{Envelope: h}
			if random.IntN(3) > 0 {
				l.UnionID = fmt.Sprint("u", pick(n/8))
			}
			if random.IntN(4) == 0 {
				l.Keys = []schemas.Key{{Space: "crm", Value: fmt.Sprint("M", pick(n/4))}}
			}
			if random.IntN(8) == 0 {
				l.Keys = []schemas.Key{{Space: "crm", Value: "everybody"}}
			}
			l.SnapshotUser = random.IntN(20) == 0
			log = append(log, l)
		case k < 17:
			log = append(log, &schemas.Purchase{
				Envelope: h, OrderID: fmt.Sprint("order", pick(n)), PurchaseKind: schemas.PurchaseKindPurchase, Amount: int64(pick(1000)),
				Currency: "CNY", Revision: uint32(random.IntN(3)), Items: []schemas.Item{{SKU: "s", Quantity: 1, Amount: 1}},
			})
		case k == 17:
			log = append(log, &schemas.Identity{Envelope: h, Action: schemas.ActionUnlink, Space: []string{"main", "other", "crm", "migrate"}[random.IntN(4)]})
		case k == 18:
			from, old := who()
			if from != appid || old != openid {
				log = append(log, &schemas.Identity{Envelope: h, Action: schemas.ActionMigrate, FromAppID: from, FromOpenID: old})
			}
		case random.IntN(4) == 0:
			log = append(log, &schemas.Identity{Envelope: h, Action: schemas.ActionErase})
		}
	}
	// An order's time does not change between revisions.
	first := map[uint64]time.Time{}
	for _, e := range log {
		if p, ok := e.(*schemas.Purchase); ok {
			if at, seen := first[p.OrderKey()]; seen {
				p.OccurredAt = at
			}
			first[p.OrderKey()] = p.OccurredAt
		}
	}
	return log
}

// facts is the world as facts, by a way of its own.
func facts(log []schemas.Event) identity.Facts {
	platform := map[string]string{"wx1": "main", "wx2": "main", "wx3": "other"}
	var f identity.Facts
	for _, e := range log {
		h := e.Head()
		st := identity.Statement{Identity: h.Identity(), Occurred: h.OccurredAt.UnixMicro(), Digest: e.Digest(), Action: identity.ActionHold}
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
				hold(platform[e.AppID], e.UnionID)
			}
			for _, k := range e.Keys {
				hold(k.Space, k.Value)
			}
		case *schemas.Identity:
			st.Action = identity.ActionUnlink
			switch e.Action {
			case schemas.ActionErase:
				f.Erasures = append(f.Erasures, identity.Erasure{Identity: st.Identity, Occurred: st.Occurred})
			case schemas.ActionUnlink:
				hold(e.Space, "")
			case schemas.ActionMigrate:
				st.Action, st.Space, st.Key = identity.ActionEdge, "migrate", schemas.EdgeKey(e.From(), st.Identity)
				end := st
				end.Identity = e.From()
				f.Statements = append(f.Statements, st, end)
			}
		}
	}
	return f
}

// TestAgrees: any order, repetition and batching, two linkers with one that dies in
// between, and the map in ClickHouse, its dictionaries and the messages on
// unionlink.v1.person.changed all say what the pure rule says.
func TestAgrees(t *testing.T) {
	const seed = 20261126
	log := world(rand.New(rand.NewPCG(seed, 0)), 600)
	want := identity.Rule{MaxIdentitiesPerKey: 3}.Resolve(facts(log)).Person
	var sums []string
	for order := range 2 {
		r := newRig(t)
		random := rand.New(rand.NewPCG(seed, uint64(order+1)))
		shuffled := slices.Concat(log, log[:len(log)/4])
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		dies := r.link(linker.Config{BatchEvents: 40})
		r.link(linker.Config{BatchEvents: 25})
		for part := range slices.Chunk(shuffled, len(shuffled)/4+1) {
			r.publish(part...)
			if dies != nil {
				dies.kill()
				dies = nil
			}
		}
		r.counted()
		got := present(t, r)
		for who, person := range want {
			if p, ok := got[who]; ok && p != person {
				t.Errorf("order %d: %x is %x, the rule says %x", order, who, p, person)
			}
		}
		for who, person := range changed(t, r) {
			if got[who] != 0 && got[who] != person {
				t.Errorf("order %d: the changes say that %x is %x, the map says %x", order, who, person, got[who])
			}
		}
		agreesAtEveryMoment(t, r)
		r.want("SELECT count() - max(seq) FROM messages FINAL", "0")
		sums = append(sums, r.ask("SELECT sum(cityHash64(person_id, order_id, appid, amount, revision)), count(), sum(amount) FROM v_purchases"))
	}
	if sums[0] != sums[1] {
		t.Fatalf("two orders, two answers: %v", sums)
	}
}

// present is the map as the dictionaries have it.
func present(t *testing.T, r *rig) map[uint64]uint64 {
	t.Helper()
	rows, err := r.conn.Query(t.Context(), `SELECT identity, dictGetOrDefault('person_recent', 'person', identity,
		dictGetOrDefault('person_base', 'person', identity, identity)) FROM identities FINAL`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := map[uint64]uint64{}
	for rows.Next() {
		var who, person uint64
		if err := rows.Scan(&who, &person); err != nil {
			t.Fatal(err)
		}
		out[who] = person
	}
	return out
}

// agreesAtEveryMoment compares the stored history with that of the stored facts.
func agreesAtEveryMoment(t *testing.T, r *rig) {
	t.Helper()
	var all []uint64
	if err := r.conn.QueryRow(t.Context(), "SELECT groupUniqArray(identity) FROM identities").Scan(&all); err != nil {
		t.Fatal(err)
	}
	f, err := warehouse.Neighbourhood(t.Context(), r.conn, all)
	if err != nil {
		t.Fatal(err)
	}
	history := identity.Rule{MaxIdentitiesPerKey: 3}.History(f)
	rows, err := r.conn.Query(t.Context(), "SELECT identity, learnt, argMax(person, written) FROM persons GROUP BY identity, learnt ORDER BY identity, learnt")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	stored := map[uint64][]identity.Change{}
	for rows.Next() {
		var who, person uint64
		var learnt time.Time
		if err := rows.Scan(&who, &learnt, &person); err != nil {
			t.Fatal(err)
		}
		stored[who] = append(stored[who], identity.Change{Learnt: learnt.UnixMilli(), Person: person})
	}
	for who, changes := range history {
		for _, c := range changes {
			if got := personAt(stored[who], who, c.Learnt); got != c.Person {
				t.Errorf("as of %d %x is stored as %x, its facts say %x", c.Learnt, who, got, c.Person)
			}
		}
	}
	for who, changes := range stored {
		for _, c := range changes {
			if want := personAt(history[who], who, c.Learnt); want != c.Person {
				t.Errorf("as of %d %x is stored as %x, its facts say %x", c.Learnt, who, c.Person, want)
			}
		}
	}
}

func personAt(changes []identity.Change, who uint64, learnt int64) uint64 {
	person := who
	for _, c := range changes {
		if c.Learnt <= learnt {
			person = c.Person
		}
	}
	return person
}

func changes(t *testing.T, r *rig) []linker.Changed {
	t.Helper()
	s, err := r.js.Stream(t.Context(), stream.Changes)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.OrderedConsumer(context.Background(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var out []linker.Changed
	for n := s.CachedInfo().State.Msgs; n > 0; n-- {
		m, err := c.Next(jetstream.FetchMaxWait(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		var change linker.Changed
		if err := json.Unmarshal(m.Data(), &change); err != nil {
			t.Fatal(err)
		}
		out = append(out, change)
	}
	return out
}

// changed applies all changes, as a subscriber would.
func changed(t *testing.T, r *rig) map[uint64]uint64 {
	t.Helper()
	revision, out := map[uint64]uint64{}, map[uint64]uint64{}
	for _, c := range changes(t, r) {
		who, err := strconv.ParseUint(c.Identity, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		to, err := schemas.ParsePersonID(c.To)
		if err != nil {
			t.Fatal(err)
		}
		if c.Revision >= revision[who] {
			revision[who], out[who] = c.Revision, to
		}
	}
	if d := cmp.Diff(0, len(revision)); d == "" {
		t.Fatal("nobody ever moved: the test tests nothing")
	}
	return out
}
