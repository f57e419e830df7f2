package chaos

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// orderPublishers publish one log together, in each of the orders.
const orderPublishers = 4

// orderLinkers is how many linkers load each of the random orders; one of them is killed.
var orderLinkers = []int{1, 2, 4, 2, 4}

// State is what analysts can see after one order, as hashes.
type State struct {
	Linkers int
	// Purchases is over v_purchases with person ids, Persons over the map of identities to
	// persons, Conflicts over the values that lost.
	Purchases, Persons, Conflicts string
	Rows, Identities              int
	Messages                      int
	Took                          time.Duration
}

// Same tells whether two states are the same to analysts.
func (s State) Same(o State) bool {
	return s.Purchases == o.Purchases && s.Persons == o.Persons && s.Conflicts == o.Conflicts
}

// Orders publishes one seeded log of n events in up to five random orders, a quarter of
// them twice, by four publishers, into one, two and four linkers of which one is killed, each
// time into fresh servers. It returns the states; an error where one of them is not
// what the model says.
func Orders(ctx context.Context, cfg Config, n, orders int) ([]State, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	cfg.orders = orders
	cfg.say("seed %d, %d events", cfg.Seed, n)
	log := writeLog(cfg.Seed, n)
	var events []schemas.Event
	for _, in := range log {
		events = append(events, in.event)
	}
	m := newModel(events)
	dir, remove, err := workDir(cfg.Dir, "order", cfg.Log)
	if err != nil {
		return nil, err
	}
	r, err := newRig(ctx, rigConfig{binary: cfg.Binary, dir: dir, engine: cfg.Engine})
	if err != nil {
		return nil, errors.Join(err, remove(true))
	}
	states, err := r.orders(ctx, cfg, log, m)
	err = errors.Join(err, r.close())
	return states, errors.Join(err, remove(cfg.Keep || err != nil))
}

func (r *rig) orders(ctx context.Context, cfg Config, log []*intent, m *model) ([]State, error) {
	var out []State
	for i := range min(cfg.orders, len(orderLinkers)) {
		if err := r.wipe(ctx); err != nil {
			return out, err
		}
		s, err := r.oneOrder(ctx, cfg, log, i, m)
		if err != nil {
			return out, fmt.Errorf("order %d, seed %d: %w", i+1, cfg.Seed, err)
		}
		cfg.say("order %d: %d linkers, %d messages, %.1f s: %d rows %s, %d identities %s, conflicts %s",
			i+1, s.Linkers, s.Messages, s.Took.Seconds(), s.Rows, s.Purchases, s.Identities, s.Persons, s.Conflicts)
		out = append(out, s)
	}
	return out, nil
}

// writeLog is the log of all publishers, without poison, with erasures.
func writeLog(seed uint64, n int) []*intent {
	var log []*intent
	for p := range orderPublishers {
		// Skewed clocks are relative to a fixed time, so that a seed always says the same.
		s := newScript(seed, p, day.AddDate(0, 3, 0))
		s.poison, s.erase = 0, true
		for range n / orderPublishers {
			log = append(log, s.next())
		}
	}
	return log
}

func (r *rig) oneOrder(ctx context.Context, cfg Config, log []*intent, i int, m *model) (s State, err error) {
	began := time.Now()
	s.Linkers = orderLinkers[i]
	if err := r.scale(ctx, s.Linkers); err != nil {
		return s, err
	}
	random := rand.New(rand.NewPCG(cfg.Seed, uint64(i+1)))
	shuffled := slices.Clone(log)
	for _, in := range log {
		if random.IntN(4) == 0 {
			shuffled = append(shuffled, in)
		}
	}
	random.Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
	s.Messages = len(shuffled)
	half := len(shuffled) / 2
	if err := r.publishAll(ctx, shuffled[:half]); err != nil {
		return s, err
	}
	r.linkers[0].kill()
	if err := r.publishAll(ctx, shuffled[half:]); err != nil {
		return s, err
	}
	patience, cancel := context.WithTimeout(ctx, cfg.Drain+time.Duration(len(log))*20*time.Millisecond)
	defer cancel()
	if err := r.drain(patience); err != nil {
		return s, err
	}
	s.Took = time.Since(began)
	return s, r.readState(ctx, &s, m)
}

// publishAll publishes from several publishers at once and waits for all acknowledgements.
func (r *rig) publishAll(ctx context.Context, intents []*intent) error {
	g, ctx := errgroup.WithContext(ctx)
	for p := range orderPublishers {
		g.Go(func() error { // ends when its share is published
			var flight []jetstream.PubAckFuture
			for k := p; k < len(intents); k += orderPublishers {
				f, err := r.js.PublishMsgAsync(intents[k].message(false))
				if err != nil {
					return fmt.Errorf("publish: %w", err)
				}
				if flight = append(flight, f); len(flight) < orderFlight {
					continue
				}
				if err := landed(ctx, flight); err != nil {
					return err
				}
				flight = flight[:0]
			}
			if err := landed(ctx, flight); err != nil {
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// orderFlight is how many messages of one publisher are under way at once: all of them
// together stay below the 4000 that the client allows.
const orderFlight = 900

// landed waits for the acknowledgements of messages.
func landed(ctx context.Context, flight []jetstream.PubAckFuture) error {
	for _, f := range flight {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return fmt.Errorf("publish to %s: %w", stream.Events, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// readState hashes what analysts see, and compares it with the model.
func (r *rig) readState(ctx context.Context, s *State, m *model) error {
	v := &Verdict{}
	if err := r.judgeRows(ctx, v, m); err != nil {
		return err
	}
	if err := r.judgePersons(ctx, v, m); err != nil {
		return err
	}
	persons, err := r.present(ctx)
	if err != nil {
		return err
	}
	if len(v.Violations) > 0 {
		return fmt.Errorf("the state is not what the model says: %s", v)
	}
	conflicts, err := r.conflicts(ctx, slices.Collect(maps.Keys(persons)))
	if err != nil {
		return err
	}
	var rows []string
	const query = `SELECT arrayStringConcat([person_id, appid, order_id, kind, refund_id, toString(amount), currency, toString(occurred_at),
		toString(revision), event_id, toString(identity), toString(sku), toString(quantity), toString(item_amount)], ' ') AS line FROM v_purchases`
	if err := r.conn.QueryRow(ctx, "SELECT groupArray(line) FROM ("+query+")").Scan(&rows); err != nil {
		return fmt.Errorf("read v_purchases: %w", err)
	}
	var pairs []string
	for who, person := range persons {
		pairs = append(pairs, fmt.Sprintf("%016x %016x", who, person))
	}
	s.Rows, s.Identities = len(rows), len(pairs)
	s.Purchases, s.Persons, s.Conflicts = hashLines(rows), hashLines(pairs), hashLines(conflicts)
	return nil
}

// conflicts are the values that stand and do not count, from the stored facts.
func (r *rig) conflicts(ctx context.Context, who []uint64) ([]string, error) {
	facts, err := warehouse.Neighbourhood(ctx, r.conn, who)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, c := range (identity.Rule{MaxIdentitiesPerKey: limit}).Resolve(facts).Conflicts {
		out = append(out, fmt.Sprintf("%016x %s %016x %d %016x", c.Identity, c.Space, c.Key, c.Occurred, c.Digest))
	}
	return out, nil
}

// hashLines is a short hash of lines in any order.
func hashLines(lines []string) string {
	slices.Sort(lines)
	return fmt.Sprintf("%.6x", sha256.Sum256([]byte(strings.Join(lines, "\n"))))
}
