package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/schemas"
)

// answerOptions are the flags of bench pipeline --event-to-answer.
type answerOptions struct{ rate, probes int }

// pollEvery is the pause between two questions for the same purchase: what a measured
// time may be too long by.
const pollEvery = 2 * time.Millisecond

// answers publishes purchases, one after the other, and asks for each until it is in the
// totals of its person, while other events come at the rate.
func (p *pipelining) answers(ctx context.Context) (err error) {
	committer, err := p.broker.committer()
	if err != nil {
		return err
	}
	stop, err := p.link(ctx, p.broker, p.store, p.linker)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	g, gctx := errgroup.WithContext(ctx)
	background, quiet := context.WithCancel(gctx)
	sent := 0
	g.Go(func() (err error) { // ends with quiet
		sent, err = p.steady(background, committer)
		return err
	})
	var acks, visible, asks samples
	g.Go(func() (err error) {
		defer quiet()
		acks, visible, asks, err = p.probe(gctx, committer)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	r := p.report
	group := fmt.Sprintf("one purchase, beside %d other events/s", p.answer.rate)
	for _, q := range []struct {
		name string
		of   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		r.add(group, "publish to answer "+q.name, millis(visible.quantile(q.of)), unitMillis).between(
			&Bound{millis(acks.quantile(q.of) + asks.quantile(q.of)), "publish, then one question"}, nil)
	}
	r.quantiles(group, "durable", acks)
	r.quantiles(group, "one question", asks)
	count, _, err := p.broker.stored(ctx)
	if err != nil {
		return err
	}
	return errors.Join(
		r.exact("check", "purchases seen in answers", uint64(len(visible)), uint64(p.answer.probes)),
		r.exact("check", "events in the stream", count, uint64(sent+p.answer.probes)),
	)
}

// probe publishes and awaits the probes. Each is by an identity of its own, which its unionid links.
func (p *pipelining) probe(ctx context.Context, publisher ingest.Publisher) (acks, visible, asks samples, err error) {
	reports := query.New(p.store.analyst)
	m := p.meter("publish to answer", p.answer.probes)
	defer m.end()
	for i := range p.answer.probes {
		who := 1_000_000_000 + i
		began := time.Now()
		err := publishAll(ctx, publisher, &schemas.Purchase{
			Envelope: schemas.Envelope{EventID: fmt.Sprintf("probe-%d", i), OccurredAt: epoch, AppID: appID(who), OpenID: openID(who)},
			OrderID:  fmt.Sprintf("P-%d", i), PurchaseKind: schemas.PurchaseKindPurchase, Amount: 100, Currency: "CNY", UnionID: unionID(who),
		})
		if err != nil {
			return nil, nil, nil, err
		}
		acks = append(acks, time.Since(began))
		err = poll(ctx, pollEvery, func() (bool, error) {
			asked := time.Now()
			totals, err := reports.Totals(ctx, personOfKey(who), query.Params{})
			asks = append(asks, time.Since(asked))
			return len(totals) == 1, err
		})
		if err != nil {
			return nil, nil, nil, err
		}
		visible = append(visible, time.Since(began))
		m.add(1)
	}
	return acks, visible, asks, nil
}

// steady publishes traffic at the rate until ctx ends, and tells how much it was.
func (p *pipelining) steady(ctx context.Context, publisher ingest.Publisher) (sent int, err error) {
	const ticks = 20 // a second
	t := newTraffic(p.seed, 100_000, 0.8)
	tick := time.NewTicker(time.Second / ticks)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return sent, nil
		case <-tick.C:
		}
		n := max(p.answer.rate/ticks, 1)
		if err := publishAll(context.WithoutCancel(ctx), publisher, t.next(n)...); err != nil {
			return sent, err
		}
		sent += n
	}
}

// publishAll publishes events that must all be stored.
func publishAll(ctx context.Context, publisher ingest.Publisher, events ...schemas.Event) error {
	outcomes, err := publisher.Publish(ctx, events)
	errs := []error{err}
	for _, o := range outcomes {
		errs = append(errs, o.Err)
	}
	return errors.Join(errs...)
}
