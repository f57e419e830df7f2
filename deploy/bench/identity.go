package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// identityOptions are the flags of bench identity.
type identityOptions struct {
	identities             []int
	links, probes, lookups int
}

func identityBenchmark() benchmark {
	o := &identityOptions{}
	return benchmark{
		use: "identity", short: "The map of persons: links/s, freshness, look-ups, memory",
		long: `identity fills the tables with identities, nine tenths of them linked to persons of two to
three, loads the dictionaries, and then measures through the real linker: links a second;
freshness, from the publishing of a link until queries see it; how long it takes to resolve
one identity in a hundred that a membership number bridges to another person; and how long
look-ups take and what memory the dictionaries have.

Given several sizes it does all of it for each, and shows how the figures grow.

The ceiling of the links is to fetch the same messages and to insert the same rows in turn.
The floor of freshness is to publish and to load the small dictionary; its ceiling to publish
and to load the large one.`,
		example: "  unionlink bench identity\n  unionlink bench identity --identities 100000,1000000,10000000",
		flags:   o.flags, run: o.run,
	}
}

func (o *identityOptions) flags(f *pflag.FlagSet) {
	f.IntSliceVar(&o.identities, "identities", []int{1_000_000}, "`NUMBER` of identities, or several: 100000,1000000")
	f.IntVar(&o.links, "links", 20_000, "`NUMBER` of links in one go")
	f.IntVar(&o.probes, "probes", 50, "`NUMBER` of links that are waited for one by one")
	f.IntVar(&o.lookups, "lookups", 200, "`NUMBER` of look-ups of each kind")
}

// least is the smallest population in which everything that is measured occurs.
const least = 1000

func (o *identityOptions) validate() error {
	err := positive(map[string]int{"links": o.links, "probes": o.probes, "lookups": o.lookups})
	for _, n := range o.identities {
		if n < least {
			err = errors.Join(err, fmt.Errorf("--identities: %d: must be %d or more", n, least))
		} else if unlinked := n - (filling{identities: n}).linked(); o.probes >= unlinked {
			err = errors.Join(err, fmt.Errorf("--probes: must be under %d, a tenth of the identities", unlinked))
		}
	}
	return err
}

func (o *identityOptions) run(ctx context.Context, s *session) error {
	if err := o.validate(); err != nil {
		return err
	}
	for i, n := range o.identities {
		sub := *s
		sub.dir = filepath.Join(s.dir, fmt.Sprintf("%d-%d", i, n))
		if err := o.measure(ctx, &sub, n); err != nil {
			return fmt.Errorf("%s identities: %w", thousands(int64(n)), err)
		}
	}
	for _, n := range o.identities[1:] {
		s.report.grow(sizeGroup(o.identities[0]), sizeGroup(n))
	}
	s.report.note("look-ups ask the tables, not the dictionaries; bytes allocated are those of system.dictionaries")
	return nil
}

func sizeGroup(n int) string { return thousands(int64(n)) + " identities" }

// grow adds how much greater the figures of a group are than those of another.
func (r *Report) grow(from, to string) {
	for _, f := range r.Figures {
		if f.Group != from || f.Exact || f.Value == 0 {
			continue
		}
		if v, ok := r.Value(to, f.Name); ok {
			r.add("from "+from+" to "+to, f.Name, v/f.Value, unitTimes)
		}
	}
}

// mapping is the measurement of one size.
type mapping struct {
	*identityOptions
	*session
	size   filling
	broker *broker
	store  *store
	group  string
	// links is how many there is room for.
	links, published int
	base, recent     time.Duration // loads of the two dictionaries
}

func (o *identityOptions) measure(ctx context.Context, s *session, n int) (err error) {
	f := filling{seed: s.seed, identities: n}
	m := &mapping{identityOptions: o, session: s, size: f, group: sizeGroup(n), links: min(o.links, n-f.linked()-o.probes)}
	if m.broker, err = s.startBroker(ctx, m.links+o.probes+2*m.pairs()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.broker.close()) }()
	if m.store, err = s.startStore(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.store.close()) }()
	for _, step := range []func(context.Context) error{m.loadTables, m.linkMany, m.linkOne, m.bridge, m.memory, m.lookup, m.check} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// loadTables fills the tables and loads the large dictionary.
func (m *mapping) loadTables(ctx context.Context) error {
	if err := m.populate(ctx, m.store.loader, m.size); err != nil {
		return err
	}
	began := time.Now()
	if err := warehouse.ReloadBase(ctx, m.store.loader); err != nil {
		return err
	}
	m.base = time.Since(began)
	m.report.add(m.group, "load of the large dictionary", m.base.Seconds(), unitSecs)
	return nil
}

// event links a not yet linked identity, the n-th of them, to a person that there is.
func (m *mapping) event(n int) *schemas.Login {
	who := m.size.linked() + n
	return &schemas.Login{
		Envelope: schemas.Envelope{EventID: fmt.Sprintf("link-%d", who), OccurredAt: epoch, AppID: appID(who), OpenID: openID(who)},
		UnionID:  unionID(who % m.size.persons()),
	}
}

// linkMany lets a linker loose on links that wait in the stream.
func (m *mapping) linkMany(ctx context.Context) error {
	made := 0
	next := func(n int) []schemas.Event {
		events := make([]schemas.Event, n)
		for i := range events {
			events[i] = m.event(made)
			made++
		}
		return events
	}
	if err := m.publish(ctx, next, m.links); err != nil {
		return err
	}
	fetch, err := m.rawFetch(ctx, m.broker, 2)
	if err != nil {
		return err
	}
	made = 0
	insert, _, err := m.rawInsert(ctx, m.store, next, m.links)
	if err != nil {
		return err
	}
	took, err := m.settle(ctx, "link")
	if err != nil {
		return err
	}
	m.report.add(m.group, "links through the linker", rate(m.links, took), "links/s").between(nil, &Bound{inTurn(fetch, insert), "fetch and insert in turn"})
	began := time.Now()
	if err := warehouse.ReloadRecent(ctx, m.store.loader); err != nil {
		return err
	}
	m.recent = time.Since(began)
	m.report.add(m.group, "load of the small dictionary", millis(m.recent), unitMillis)
	return nil
}

// publish puts n events into the stream.
func (m *mapping) publish(ctx context.Context, next func(int) []schemas.Event, n int) error {
	m.published += n
	return m.load(ctx, m.broker, next, n)
}

// settle runs a linker until it has counted all that is in the stream.
func (m *mapping) settle(ctx context.Context, title string) (time.Duration, error) {
	began := time.Now()
	stop, err := m.link(ctx, m.broker, m.store, linker.Config{})
	if err != nil {
		return 0, err
	}
	err = m.counted(ctx, m.broker, title)
	took := time.Since(began)
	return took, errors.Join(err, stop())
}

// linkOne publishes links one by one and asks the dictionaries until they have each.
func (m *mapping) linkOne(ctx context.Context) (err error) {
	stop, err := m.link(ctx, m.broker, m.store, linker.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	const query = "SELECT dictGetOrDefault('person_recent', 'person', $1, dictGetOrDefault('person_base', 'person', $1, toUInt64($1)))"
	var acks, visible samples
	bar := m.meter("publish to visible", m.probes)
	defer bar.end()
	for i := range m.probes {
		e := m.event(m.links + i)
		began := time.Now()
		if err := m.broker.publish(ctx, []schemas.Event{e}); err != nil {
			return err
		}
		acks = append(acks, time.Since(began))
		err := poll(ctx, pollEvery, func() (bool, error) {
			person, err := m.store.count(ctx, query, e.Identity())
			return person == schemas.KeyHash(platform, e.UnionID), err
		})
		if err != nil {
			return err
		}
		visible = append(visible, time.Since(began))
		bar.add(1)
	}
	m.published += m.probes
	publish := acks.quantile(0.5)
	m.report.add(m.group, "publish of a link to visible p50", millis(visible.quantile(0.5)), unitMillis).between(
		&Bound{millis(publish + m.recent), "publish and small load"}, &Bound{millis(publish + m.base), "publish and large load"})
	m.report.add(m.group, "publish of a link to visible p99", millis(visible.quantile(0.99)), unitMillis)
	return nil
}
