package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// Committer is the Publisher over JetStream: group commit. Events of concurrent
// callers gather in one group while an earlier group is on its way, and travel as one
// atomic batch, for which the server needs two fsyncs instead of one an event. A few
// events take the plain path. Each caller is answered after the stream's
// acknowledgement of its own events.
//
// It needs no starting: each group has one goroutine, which ends with the group,
// within twice the configured timeout of getting its turn.
type Committer struct {
	cfg     CommitConfig
	nc      *nats.Conn
	js      jetstream.JetStream
	bytes   *budget
	slots   chan struct{} // one for each group that may be on its way
	metrics *commitMetrics
	flights sync.WaitGroup

	mu     sync.Mutex
	open   *group        // takes more events; nil: the next event opens one
	flying int           // groups on their way
	landed chan struct{} // closed, and replaced, whenever a group has landed
}

// NewCommitter builds a Committer on a connection that should have been made with
// ConnectOptions. It sends nothing.
func NewCommitter(cfg CommitConfig, nc *nats.Conn, reg prometheus.Registerer) (*Committer, error) {
	cfg = cfg.withDefaults()
	var f faults
	cfg.validate(&f)
	if err := errors.Join(f...); err != nil {
		return nil, fmt.Errorf("configure committer: %w", err)
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(cfg.Timeout),
		jetstream.WithPublishAsyncMaxPending(2*cfg.Flights*cfg.MaxEvents))
	if err != nil {
		return nil, fmt.Errorf("open jetstream: %w", err)
	}
	m, err := newCommitMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("register committer metrics: %w", err)
	}
	return &Committer{
		cfg: cfg, nc: nc, js: js, metrics: m,
		bytes: newBudget(cfg.MaxInflightBytes, cfg.BusyWait, m.inflight),
		slots: make(chan struct{}, cfg.Flights), landed: make(chan struct{}),
	}, nil
}

// Publish stores the events and returns once each is acknowledged or given up. It
// fills in missing event ids. The error is ErrBusy or the context's; what became of
// each event stands in its outcome, as ErrFull, ErrUnavailable or a *schemas.Refusal.
func (c *Committer) Publish(ctx context.Context, events []schemas.Event) ([]schemas.Outcome, error) {
	if len(events) == 0 {
		return nil, nil
	}
	ctx, span := startPublish(ctx, len(events))
	outcomes, err := c.publish(ctx, events)
	failed := len(events) - len(outcomes)
	for i := range outcomes {
		if outcomes[i].Err != nil {
			failed++
		}
	}
	endPublish(span, failed)
	return outcomes, err
}

func (c *Committer) publish(ctx context.Context, events []schemas.Event) ([]schemas.Outcome, error) {
	outcomes := make([]schemas.Outcome, len(events))
	msgs := make([]*nats.Msg, len(events))
	var total int64
	for i, e := range events {
		msgs[i], outcomes[i].Err = message(ctx, e)
		if outcomes[i].Err == nil {
			total += int64(messageBytes(msgs[i]))
		}
	}
	if err := c.bytes.reserve(ctx, total); err != nil {
		c.metrics.failed(reason(err), len(events))
		return nil, err
	}
	tickets := c.join(msgs)
	for i, t := range tickets {
		if outcomes[i].Err == nil {
			select {
			case <-t.group.done:
			case <-ctx.Done(): // the groups go on without this caller, and give their bytes back
				c.metrics.failed("canceled", len(events)-i)
				return nil, ctx.Err()
			}
			outcomes[i] = t.outcome()
		}
		c.metrics.outcome(events[i].Kind(), outcomes[i])
	}
	return outcomes, nil
}

// message encodes an event, with the source and the trace that ctx has; the error is a
// *schemas.Refusal where it is too large.
func message(ctx context.Context, e schemas.Event) (*nats.Msg, error) {
	schemas.FillEventID(e)
	m, err := stream.Message(e)
	if err != nil {
		return nil, err
	}
	stream.SetSource(m, sourceOf(ctx))
	stream.SetTrace(ctx, m)
	if messageBytes(m) > maxMessageBytes {
		return nil, &schemas.Refusal{Type: schemas.RefusedTooLarge, Detail: "the event is too large for the stream"}
	}
	return m, nil
}

// join puts messages into groups, opening as many as it takes. A nil message gets no ticket.
func (c *Committer) join(msgs []*nats.Msg) []ticket {
	tickets := make([]ticket, len(msgs))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range msgs {
		if m == nil {
			continue
		}
		size := messageBytes(m)
		if c.open != nil && !c.open.fits(size, c.cfg) {
			close(c.open.full)
			c.open = nil
		}
		if c.open == nil {
			c.open = newGroup()
			c.flights.Add(1)
			go c.fly(c.open) // ends when the group has landed
		}
		tickets[i] = c.open.add(m, size)
	}
	return tickets
}

// fly waits for the group's turn, closes it to further events, sends it and tells the waiting.
func (c *Committer) fly(g *group) {
	defer c.flights.Done()
	c.linger(g)
	c.slots <- struct{}{}
	c.mu.Lock()
	if c.open == g {
		c.open = nil
	}
	c.flying++
	c.mu.Unlock()

	c.metrics.batch.Observe(float64(len(g.msgs)))
	g.outcomes = c.send(g.msgs)
	c.bytes.release(g.bytes)
	close(g.done)

	c.mu.Lock()
	c.flying--
	close(c.landed)
	c.landed = make(chan struct{})
	c.mu.Unlock()
	<-c.slots
}

// linger lets a group gather company: not at all where no other is on its way, else
// until one has landed, the group is full, or the time is over.
func (c *Committer) linger(g *group) {
	c.mu.Lock()
	alone, landed := c.flying == 0, c.landed
	c.mu.Unlock()
	if alone {
		return
	}
	timer := time.NewTimer(c.cfg.Linger)
	defer timer.Stop()
	select {
	case <-landed:
	case <-g.full:
	case <-timer.C:
	}
}

// Ready returns nil when events would be taken durably: the stream answers and has
// room. Otherwise ErrUnavailable or ErrFull, with the cause.
func (c *Committer) Ready(ctx context.Context) error {
	if !c.nc.IsConnected() {
		return fmt.Errorf("%w: not connected", ErrUnavailable)
	}
	s, err := c.js.Stream(ctx, stream.Events)
	if err != nil {
		return classify(err)
	}
	info := s.CachedInfo()
	if limit := info.Config.MaxBytes; limit > 0 && full(info.State.Bytes, uint64(limit)) {
		return fmt.Errorf("%w: %d of %d bytes are taken", ErrFull, info.State.Bytes, limit)
	}
	return nil
}

// full tells whether what is left of a stream is less than a hundredth of it, and less than 1 MiB.
func full(used, limit uint64) bool { return used+min(limit/100, 1<<20) >= limit }

// Drain waits until no group is on its way, or ctx ends. Call it after the last
// Publish and before the connection is closed.
func (c *Committer) Drain(ctx context.Context) error {
	idle := make(chan struct{})
	go func() { // ends when every group has landed, which their timeouts see to
		c.flights.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drain committer: %w", ctx.Err())
	}
}
