package bench

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
)

// pairs is how many persons are bridged to another one: two identities of a hundred
// each hold a key of a second space.
func (m *mapping) pairs() int { return m.size.identities / 200 }

// bridge resolves identities that a membership number joins across persons.
func (m *mapping) bridge(ctx context.Context) error {
	made, n := 0, 2*m.pairs()
	err := m.publish(ctx, func(n int) []schemas.Event {
		events := make([]schemas.Event, n)
		for i := range events {
			events[i] = &schemas.Login{
				Envelope: schemas.Envelope{EventID: fmt.Sprintf("bridge-%d", made), OccurredAt: epoch, AppID: appID(made), OpenID: openID(made)},
				Keys:     []schemas.Key{{Space: "crm", Value: fmt.Sprintf("M-%d", made/2)}},
			}
			made++
		}
		return events
	}, n)
	if err != nil {
		return err
	}
	took, err := m.settle(ctx, "resolve the bridged")
	if err != nil {
		return err
	}
	m.report.add(m.group, "resolve 1 % bridged to another person", took.Seconds(), unitSecs)
	m.report.add(m.group, "bridged identities", rate(n, took), "links/s")
	return nil
}

// memory asks what the dictionaries take.
func (m *mapping) memory(ctx context.Context) error {
	for _, d := range []struct{ name, title string }{{"person_base", "large"}, {"person_recent", "small"}} {
		const query = "SELECT bytes_allocated FROM system.dictionaries WHERE database = currentDatabase() AND name = $1"
		size, err := m.store.count(ctx, query, d.name)
		if err != nil {
			return err
		}
		m.report.add(m.group, d.title+" dictionary in memory", float64(size), unitBytes)
	}
	return nil
}

// lookup times the three ways to a person.
func (m *mapping) lookup(ctx context.Context) error {
	reports, rng := query.New(m.store.analyst), rand.New(rand.NewPCG(m.seed, 2))
	anyone := func() int { return rng.IntN(m.size.linked()) }
	for _, l := range []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"nothing (SELECT 1)", func(ctx context.Context) error {
			var one uint8
			return m.store.analyst.QueryRow(ctx, "SELECT 1").Scan(&one)
		}},
		{"person of an identity", func(ctx context.Context) error {
			who := anyone()
			_, err := reports.PersonOf(ctx, appID(who), openID(who), query.Params{})
			return err
		}},
		{"persons of a key", func(ctx context.Context) error {
			key := schemas.Key{Space: platform, Value: unionID(anyone() % m.size.persons())}
			_, err := reports.ByKey(ctx, key, identity.DefaultMaxIdentitiesPerKey, query.Params{})
			return err
		}},
		{"identities of a person", func(ctx context.Context) error {
			_, err := reports.Identities(ctx, personOfKey(anyone()%m.size.persons()), query.Params{})
			return err
		}},
	} {
		d, err := m.drive(ctx, work{title: "look up " + l.name, times: m.lookups, workers: 1, do: func(ctx context.Context, _ int) error { return l.do(ctx) }})
		if err != nil {
			return fmt.Errorf("look up %s: %w", l.name, err)
		}
		m.report.quantiles(m.group, "look-up: "+l.name, d.calls)
	}
	return nil
}

// check counts the persons there must be: those of the tables, less the bridged, and
// every identity that nothing links yet.
func (m *mapping) check(ctx context.Context) error {
	got, err := m.store.count(ctx, "SELECT uniqExact(person_id) FROM v_identities")
	if err != nil {
		return err
	}
	alone := m.size.identities - m.size.linked() - m.links - m.probes
	if err := m.report.exact(m.group, "persons", got, uint64(m.size.persons()-m.pairs()+alone)); err != nil {
		return err
	}
	count, _, err := m.broker.stored(ctx)
	if err != nil {
		return err
	}
	return m.report.exact(m.group, "events linked", count, uint64(m.published))
}
