package linker

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// Verification is what Verify found. Everything but the sums is 0 on a sound system.
type Verification struct {
	// Published is the stream's last sequence, Acknowledged the consumer's floor, Pending
	// what lies between, Missing the acknowledged messages without a row in the ledger.
	Published, Acknowledged, Pending, Missing uint64
	// Identities were compared; Wrong of them were not mapped as their facts say.
	Identities, Wrong uint64
	// Stale identities are other in the dictionaries than in the map.
	Stale uint64
	// Repaired tells that Wrong and Stale were put right.
	Repaired bool
	// Persons, Purchases and Conflicts are hashes of the state, free of order and of
	// when anything was learnt: two systems that were told the same facts have equal ones.
	Persons, Purchases, Conflicts uint64
}

// Sound tells whether everything agrees.
func (v *Verification) Sound() bool { return v.Missing == 0 && v.Wrong == 0 && v.Stale == 0 }

// Verify compares the stream with the ledger of messages, the map with the facts, and
// the dictionaries with the map; with repair it puts right what differs. It may run
// beside linkers: what they change meanwhile is theirs. progress is called with the
// number of identities done and the number in all.
func (l *Linker) Verify(ctx context.Context, repair bool, progress func(done, all uint64)) (*Verification, error) {
	v := &Verification{Repaired: repair}
	if err := l.verifyStream(ctx, v); err != nil {
		return nil, err
	}
	if err := l.verifyMap(ctx, v, progress); err != nil {
		return nil, err
	}
	if err := l.verifyDictionaries(ctx, v); err != nil {
		return nil, err
	}
	return v, l.sums(ctx, v)
}

func (l *Linker) verifyStream(ctx context.Context, v *Verification) error {
	s, err := l.deps.JetStream.Stream(ctx, stream.Events)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", stream.Events, err)
	}
	c, err := s.Consumer(ctx, stream.Consumer)
	if err != nil {
		return fmt.Errorf("look up consumer %s: %w", stream.Consumer, err)
	}
	v.Published, v.Acknowledged = s.CachedInfo().State.LastSeq, c.CachedInfo().AckFloor.Stream
	v.Pending = open(c.CachedInfo())
	v.Missing, err = Missing(ctx, l.deps.Warehouse, uint64(s.CachedInfo().Created.Unix()), 0, v.Acknowledged)
	return err
}

func open(i *jetstream.ConsumerInfo) uint64 { return i.NumPending + uint64(i.NumAckPending) }

// verifyChunk is how many identities are compared at a time.
const verifyChunk = 20_000

func (l *Linker) verifyMap(ctx context.Context, v *Verification, progress func(done, all uint64)) error {
	var all uint64
	if err := l.deps.Warehouse.QueryRow(ctx, "SELECT uniqExact(identity) FROM identities").Scan(&all); err != nil {
		return fmt.Errorf("count identities: %w", err)
	}
	for after, first := uint64(0), true; ; first = false {
		var chunk []uint64
		const query = `SELECT groupArray(identity) FROM (SELECT DISTINCT identity FROM identities
			WHERE identity > $1 OR ($2 AND identity = 0) ORDER BY identity LIMIT $3)`
		if err := l.deps.Warehouse.QueryRow(ctx, query, after, first, verifyChunk).Scan(&chunk); err != nil {
			return fmt.Errorf("list identities: %w", err)
		}
		if len(chunk) == 0 {
			return nil
		}
		m, err := l.moves(ctx, chunk)
		if err != nil {
			return err
		}
		wrong := m.identities()
		v.Wrong += uint64(len(wrong))
		if v.Repaired {
			if err := l.settle(ctx, wrong); err != nil {
				return err
			}
		}
		after = chunk[len(chunk)-1]
		v.Identities += uint64(len(chunk))
		progress(v.Identities, all)
	}
}

func (l *Linker) verifyDictionaries(ctx context.Context, v *Verification) error {
	const query = `SELECT count() FROM (SELECT identity, argMax(person, (learnt, written)) AS person FROM persons GROUP BY identity)
		WHERE person != dictGetOrDefault('person_recent', 'person', identity, dictGetOrDefault('person_base', 'person', identity, identity))`
	if err := l.deps.Warehouse.QueryRow(ctx, query).Scan(&v.Stale); err != nil {
		return fmt.Errorf("compare the dictionaries: %w", err)
	}
	if v.Stale > 0 && v.Repaired {
		return warehouse.ReloadBase(ctx, l.deps.Warehouse)
	}
	return nil
}

func (l *Linker) sums(ctx context.Context, v *Verification) error {
	sum := func(into *uint64, query string) error {
		if err := l.deps.Warehouse.QueryRow(ctx, query).Scan(into); err != nil {
			return fmt.Errorf("sum up the state: %w", err)
		}
		return nil
	}
	const (
		persons = `SELECT sum(cityHash64(identity, person)) FROM (SELECT identity, argMax(person, (learnt, written)) AS person
			FROM persons GROUP BY identity HAVING person != identity)`
		purchases = `SELECT sum(cityHash64(person_id, identity, toString(appid), order_id, toString(kind), refund_id, amount, toString(currency), occurred_at, revision, event_id)) FROM v_purchases`
		conflicts = `SELECT sum(cityHash64(identity, space, values)) FROM (
			SELECT identity, toString(space) AS space, arraySort(groupUniqArrayIf(value, action = 'hold' AND occurred_at > void)) AS values
			FROM (SELECT *, maxIf(occurred_at, action = 'unlink') OVER (PARTITION BY identity, space) AS void FROM statements FINAL)
			GROUP BY identity, space HAVING length(values) > 1)`
	)
	for query, into := range map[string]*uint64{persons: &v.Persons, purchases: &v.Purchases, conflicts: &v.Conflicts} {
		if err := sum(into, query); err != nil {
			return err
		}
	}
	return nil
}
