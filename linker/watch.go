package linker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// watcher does what is due now and then, beside the batches: it tells how far the
// stream is counted, checks that nothing acknowledged is missing, overwrites erased
// messages, and loads the large dictionary when the small one has grown.
type watcher struct {
	linker   *Linker
	events   jetstream.Stream
	consumer jetstream.Consumer
	epoch    uint64

	through  time.Time
	told     time.Time
	verified uint64
	missing  uint64
}

// watch runs until ctx ends.
func (l *Linker) watch(ctx context.Context, events jetstream.Stream, consumer jetstream.Consumer, epoch uint64) error {
	w := &watcher{linker: l, events: events, consumer: consumer, epoch: epoch}
	jobs := []struct {
		name  string
		every time.Duration
		do    func(context.Context) error
		next  time.Time
	}{
		{name: "progress", every: 500 * time.Millisecond, do: w.progress},
		{name: "overwrite", every: 5 * time.Second, do: w.overwrite},
		{name: "conservation", every: 10 * time.Second, do: w.conservation},
		{name: "dictionary", every: 15 * time.Second, do: w.dictionary},
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		for i := range jobs {
			j := &jobs[i]
			if time.Now().Before(j.next) {
				continue
			}
			if err := j.do(ctx); err != nil && ctx.Err() == nil {
				l.state.fail(j.name, err)
				l.deps.Log.Warn("a periodic task did not succeed; it is tried again", "task", j.name, "error", err)
			} else {
				l.state.works(j.name)
			}
			j.next = time.Now().Add(j.every)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// tellEvery is how often progress is written while nothing happens.
const tellEvery = 5 * time.Second

// progress writes up to which stream time everything is counted.
func (w *watcher) progress(ctx context.Context) error {
	log, err := w.events.Info(ctx)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", stream.Events, err)
	}
	info, err := w.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("look up the consumer: %w", err)
	}
	m := w.linker.metrics
	m.pending.Set(float64(info.NumPending))
	m.ackPending.Set(float64(info.NumAckPending))
	open := info.NumPending + uint64(info.NumAckPending)
	through := w.through
	if open == 0 && info.Delivered.Stream >= log.State.LastSeq {
		// Every message that was there when the server told of the stream is acknowledged.
		// What is pending alone does not tell: it is counted a moment after a publish.
		through = log.TimeStamp
	} else if msg, err := w.events.GetMsg(ctx, info.AckFloor.Stream); err == nil {
		through = msg.Time
	} else if !errors.Is(err, jetstream.ErrMsgNotFound) && info.AckFloor.Stream > 0 {
		return fmt.Errorf("read the last acknowledged message: %w", err)
	}
	if through.Before(w.through) {
		through = w.through
	}
	if open == 0 && time.Since(w.told) < tellEvery && through.Sub(w.through) < time.Second {
		return nil
	}
	dead, err := w.deadLetters(ctx)
	if err != nil {
		return err
	}
	const insert = "INSERT INTO progress (at, through, pending, dead) VALUES (now64(3), $1, $2, $3)"
	if err := w.linker.deps.Warehouse.Exec(ctx, insert, through.UTC().Truncate(time.Millisecond), open, dead); err != nil {
		return fmt.Errorf("write progress: %w", err)
	}
	w.through, w.told = through, time.Now()
	return nil
}

func (w *watcher) deadLetters(ctx context.Context) (uint64, error) {
	s, err := w.linker.deps.JetStream.Stream(ctx, stream.DeadLetters)
	if err != nil {
		return 0, fmt.Errorf("look up stream %s: %w", stream.DeadLetters, err)
	}
	n := s.CachedInfo().State.Msgs
	w.linker.metrics.dead.Set(float64(n))
	return n, nil
}

// conservation checks that every acknowledged message has a row in the ledger of
// messages. What was checked once is not read again.
func (w *watcher) conservation(ctx context.Context) error {
	info, err := w.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("look up the consumer: %w", err)
	}
	floor := info.AckFloor.Stream
	if floor <= w.verified {
		return nil
	}
	missing, err := Missing(ctx, w.linker.deps.Warehouse, w.epoch, w.verified, floor)
	if err != nil {
		return err
	}
	w.missing += missing
	w.verified = floor
	w.linker.metrics.gap.Set(float64(w.missing))
	if w.missing > 0 {
		return fmt.Errorf("%d acknowledged messages have no row in the table messages: run unionlink verify", w.missing)
	}
	return nil
}

// overwrite removes erased messages from the stream, their bytes overwritten, once they
// are acknowledged: JetStream takes a deletion for an acknowledgement, so before that a
// linker that dies while it works on the message would never get it again.
func (w *watcher) overwrite(ctx context.Context) error {
	info, err := w.consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("look up the consumer: %w", err)
	}
	conn := w.linker.deps.Warehouse
	due, err := dueOverwrites(ctx, conn, w.epoch, info.AckFloor.Stream)
	if err != nil || len(due) == 0 {
		return err
	}
	if err := w.forgetChanges(ctx, due); err != nil {
		return err
	}
	for _, o := range due {
		err := w.events.SecureDeleteMsg(ctx, o.seq)
		if err != nil && !gone(err) {
			return fmt.Errorf("overwrite message %d: %w", o.seq, err)
		}
		const done = "INSERT INTO overwrites (epoch, seq, identity, done) VALUES ($1, $2, $3, 1)"
		if err := conn.Exec(ctx, done, w.epoch, o.seq, o.identity); err != nil {
			return fmt.Errorf("note that message %d is overwritten: %w", o.seq, err)
		}
	}
	return nil
}

// gone tells whether a deletion found nothing to delete: an earlier try did it.
func gone(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrMsgNotFound) || errors.As(err, &api) && api.Code == 404 ||
		errors.As(err, &api) && api.ErrorCode == 10057 // JSStreamMsgDeleteFailed: the sequence is not there
}

// forgetChanges deletes what the changes stream says of erased identities.
func (w *watcher) forgetChanges(ctx context.Context, due []overwriting) error {
	erased := map[string]bool{}
	for _, o := range due {
		erased[hashText(o.identity)] = true
	}
	s, err := w.linker.deps.JetStream.Stream(ctx, stream.Changes)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", stream.Changes, err)
	}
	left := s.CachedInfo().State.Msgs
	if left == 0 {
		return nil
	}
	reader, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return fmt.Errorf("read the changes: %w", err)
	}
	for left > 0 {
		batch, err := reader.Fetch(int(min(left, 1000)), jetstream.FetchMaxWait(publishTimeout))
		if err != nil {
			return fmt.Errorf("read the changes: %w", err)
		}
		got := uint64(0)
		for m := range batch.Messages() {
			got++
			meta, err := m.Metadata()
			if err != nil {
				return fmt.Errorf("read the changes: %w", err)
			}
			if erased[m.Headers().Get(IdentityHeader)] {
				if err := s.SecureDeleteMsg(ctx, meta.Sequence.Stream); err != nil && !gone(err) {
					return fmt.Errorf("overwrite change %d: %w", meta.Sequence.Stream, err)
				}
			}
			left = meta.NumPending
		}
		if err := batch.Error(); err != nil && got == 0 {
			return fmt.Errorf("read the changes: %w", err)
		}
	}
	return nil
}

func (w *watcher) dictionary(ctx context.Context) error {
	old, err := warehouse.BaseIsOld(ctx, w.linker.deps.Warehouse)
	if err != nil || !old {
		return err
	}
	return warehouse.ReloadBase(ctx, w.linker.deps.Warehouse)
}
