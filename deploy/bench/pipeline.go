package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas/stream"
)

// pipelineOptions are the flags of bench pipeline.
type pipelineOptions struct {
	events  int
	linker  linker.Config
	answers bool
	answer  answerOptions
}

func pipelineBenchmark() benchmark {
	o := &pipelineOptions{}
	return benchmark{
		use: "pipeline", short: "From the stream to linked rows that can be queried: events/s",
		long: `pipeline fills the stream with events, four fifths of them purchases and among them logins that
tell late who bought, then lets one linker loose and waits until it has acknowledged the last
one: then every row is on disk, and every purchase has its person.

The ceiling is what the parts below the linker do in turn: fetch and acknowledge the same
messages, then insert the same rows, with nothing in between. Both are measured before.

With --event-to-answer it measures instead how long it takes from the publishing of a
purchase until a query of its person has it, while other events come at a steady rate.`,
		example: "  unionlink bench pipeline\n  unionlink bench pipeline --events 1000000 --workers 4\n  unionlink bench pipeline --event-to-answer --rate 500",
		flags:   o.flags, run: o.run,
	}
}

func (o *pipelineOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.events, "events", 300_000, "`NUMBER` of events in the stream")
	f.IntVar(&o.linker.Workers, "workers", 0, "batches that the linker has under way at once (default: the linker's own)")
	f.IntVar(&o.linker.BatchEvents, "batch-events", 0, "greatest `NUMBER` of events in a batch (default: the linker's own)")
	f.BoolVar(&o.answers, "event-to-answer", false, "measure the time from publish to answer instead")
	f.IntVar(&o.answer.rate, "rate", 200, "with --event-to-answer: other events a second")
	f.IntVar(&o.answer.probes, "probes", 100, "with --event-to-answer: `NUMBER` of purchases that are waited for")
}

func (o *pipelineOptions) run(ctx context.Context, s *session) (err error) {
	flags := map[string]int{"events": o.events}
	if o.answers {
		flags = map[string]int{"rate": o.answer.rate, "probes": o.answer.probes}
	}
	if err := positive(flags); err != nil {
		return err
	}
	b, err := s.startBroker(ctx, o.events)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	st, err := s.startStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	p := &pipelining{pipelineOptions: o, session: s, broker: b, store: st}
	if o.answers {
		return p.answers(ctx)
	}
	return p.measure(ctx)
}

// pipelining is one run of bench pipeline.
type pipelining struct {
	*pipelineOptions
	*session
	broker *broker
	store  *store
}

const pipelineGroup = "stream to linked rows"

func (p *pipelining) measure(ctx context.Context) error {
	t := newTraffic(p.seed, p.events, 0.8)
	if err := p.load(ctx, p.broker, t.next, p.events); err != nil {
		return err
	}
	fetch, err := p.rawFetch(ctx, p.broker, max(p.linker.Workers, 2))
	if err != nil {
		return err
	}
	insert, tables, err := p.rawInsert(ctx, p.store, newTraffic(p.seed, p.events, 0.8).next, p.events)
	if err != nil {
		return err
	}
	began := time.Now()
	stop, err := p.link(ctx, p.broker, p.store, p.linker)
	if err != nil {
		return err
	}
	counted := p.counted(ctx, p.broker, "link")
	took := time.Since(began)
	if err := errors.Join(counted, stop()); err != nil {
		return err
	}
	r := p.report
	r.add(pipelineGroup, "events, fetched to queryable", rate(p.events, took), unitEvents).between(nil, &Bound{inTurn(fetch, insert), "fetch and insert in turn"})
	r.add("beside", "fetch and acknowledge", fetch, unitEvents)
	r.add("beside", "insert the same rows", insert, unitEvents)
	for _, table := range tables {
		r.add("beside", "insert of "+table.name, float64(table.rows)/table.took.Seconds(), "rows/s")
	}
	return p.check(ctx, t)
}

// check holds what analysts would see to what the traffic came to.
func (p *pipelining) check(ctx context.Context, t *traffic) error {
	var purchases, buyers uint64
	var amount int64
	const query = "SELECT count(), sum(amount), uniqExact(person_id) FROM v_purchases"
	if err := p.store.loader.QueryRow(ctx, query).Scan(&purchases, &amount, &buyers); err != nil {
		return fmt.Errorf("count what was linked: %w", err)
	}
	return errors.Join(
		p.report.exact("check", "purchases", purchases, t.purchases),
		p.report.exact("check", "their amount, in fen", uint64(amount), uint64(t.amount)),
		p.report.exact("check", "buyers, as persons", buyers, t.buyers()),
	)
}

// counted waits until the linkers have acknowledged every message of the stream.
func (s *session) counted(ctx context.Context, b *broker, title string) error {
	_, last, err := b.stored(ctx)
	if err != nil {
		return err
	}
	consumer, err := b.js.Consumer(ctx, stream.Events, stream.Consumer)
	if err != nil {
		return fmt.Errorf("look up the consumer: %w", err)
	}
	done := consumer.CachedInfo().AckFloor.Stream
	m := s.meter(title, int(last-done))
	defer m.end()
	return poll(ctx, 20*time.Millisecond, func() (bool, error) {
		i, err := consumer.Info(ctx)
		if err != nil {
			return false, fmt.Errorf("look up the consumer: %w", err)
		}
		m.to(int(i.AckFloor.Stream - done))
		return i.NumPending == 0 && i.NumAckPending == 0 && i.Delivered.Stream >= last, nil
	})
}

// poll asks until the answer is yes.
func poll(ctx context.Context, every time.Duration, ask func() (bool, error)) error {
	for {
		yes, err := ask()
		if yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

// rawFetch fetches and acknowledges every message of the stream once, in so many loops,
// and does nothing else.
func (s *session) rawFetch(ctx context.Context, b *broker, workers int) (perSecond float64, err error) {
	cfg := stream.ConsumerConfig()
	cfg.Durable, cfg.Description = "bench", ""
	consumer, err := b.js.CreateConsumer(ctx, stream.Events, cfg)
	if err != nil {
		return 0, fmt.Errorf("make a consumer: %w", err)
	}
	count, _, err := b.stored(ctx)
	if err != nil {
		return 0, err
	}
	m := s.meter("fetch and acknowledge", int(count))
	began := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error { return fetchAll(gctx, consumer, m) }) // ends when there is nothing left
	}
	err = g.Wait()
	took := time.Since(began)
	m.end()
	if err != nil {
		return 0, err
	}
	return rate(int(count), took), b.js.DeleteConsumer(ctx, stream.Events, cfg.Durable)
}

func fetchAll(ctx context.Context, consumer jetstream.Consumer, m *meter) error {
	for ctx.Err() == nil {
		batch, err := consumer.FetchNoWait(2000)
		if err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		n := 0
		for msg := range batch.Messages() {
			if err := msg.Ack(); err != nil {
				return fmt.Errorf("acknowledge: %w", err)
			}
			n++
		}
		if err := batch.Error(); err != nil {
			return fmt.Errorf("fetch: %w", err)
		}
		if n == 0 {
			return nil
		}
		m.add(n)
	}
	return ctx.Err()
}
