package linker

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// firstWait is how long a fetch waits for the first event of a batch.
	firstWait = 2 * time.Second
	// markEvery is how often the messages of a batch that takes long are marked as in
	// progress, well within the consumer's AckWait.
	markEvery = 5 * time.Second
)

// worker is one synchronous loop: fetch, store, acknowledge.
type worker struct {
	linker   *Linker
	consumer jetstream.Consumer
	epoch    uint64
}

// run works until ctx ends. A batch under way is finished, not dropped.
func (w *worker) run(ctx context.Context) error {
	pause := backoff{}
	for ctx.Err() == nil {
		msgs, err := w.fetch(ctx)
		if err != nil {
			w.linker.state.fail("fetch", err)
			w.linker.deps.Log.Warn("events cannot be fetched; trying again", "error", err, "pause", pause.next())
			pause.wait(ctx)
			continue
		}
		pause.reset()
		w.linker.state.works("fetch")
		if len(msgs) > 0 {
			w.process(ctx, msgs)
		}
	}
	return nil
}

// fetch returns a batch by size or age: it waits for a first event, then for more
// of them until the batch is full or BatchWait is over.
func (w *worker) fetch(ctx context.Context) ([]jetstream.Msg, error) {
	msgs, err := w.pull(1, firstWait)
	if err != nil || len(msgs) == 0 || ctx.Err() != nil {
		return msgs, err
	}
	size := max(1, len(msgs[0].Data()))
	deadline := time.Now().Add(w.linker.cfg.BatchWait)
	for len(msgs) < w.linker.cfg.BatchEvents && size < w.linker.cfg.BatchBytes {
		// By the size of those before, the pull brings at most what is left of BatchBytes.
		fits := (w.linker.cfg.BatchBytes-size)*len(msgs)/size + 1
		want := min(fetchEvents, fits, w.linker.cfg.BatchEvents-len(msgs))
		more, err := w.pull(want, max(time.Until(deadline), time.Millisecond))
		for _, m := range more {
			size += len(m.Data())
		}
		msgs = append(msgs, more...)
		// A pull that came back full says that more wait: then the batch grows on, whatever
		// the time. After an error what was fetched is stored; the next fetch meets it again.
		if err != nil || len(more) < want && time.Now().After(deadline) {
			break
		}
	}
	return msgs, nil
}

// fetchEvents bounds what one pull may bring, and so by how much BatchBytes may be
// passed where large messages follow small ones.
const fetchEvents = 1000

func (w *worker) pull(n int, wait time.Duration) ([]jetstream.Msg, error) {
	batch, err := w.consumer.Fetch(n, jetstream.FetchMaxWait(wait))
	if err != nil {
		return nil, err
	}
	msgs := make([]jetstream.Msg, 0, n)
	for m := range batch.Messages() {
		msgs = append(msgs, m)
	}
	if err := batch.Error(); err != nil && !errors.Is(err, jetstream.ErrNoMessages) {
		return msgs, err
	}
	return msgs, nil
}

// process stores a batch, for as long as it takes, and acknowledges it. While
// ClickHouse is away the messages are marked as in progress, so that they stay here.
// When ctx ends the try under way is finished; if it does not succeed, the messages
// are given back and come again to another linker, or to this one when it starts.
func (w *worker) process(ctx context.Context, msgs []jetstream.Msg) {
	stop := markInProgress(msgs)
	defer stop()
	began := time.Now()
	ctx, span := w.linker.startBatch(ctx, msgs)
	defer span.End()
	b := w.linker.read(msgs, w.epoch)
	pause := backoff{}
	for {
		err := w.linker.store(context.WithoutCancel(ctx), b)
		if err == nil {
			break
		}
		w.linker.state.fail("store", err)
		w.linker.metrics.storeErrors.WithLabelValues(string(classify(err))).Inc()
		w.linker.deps.Log.Error("events are not stored yet; they stay in the stream, and this linker tries again",
			"error", err, "class", string(classify(err)), "events", len(msgs), "pause", pause.next())
		if !pause.wait(ctx) {
			giveBack(msgs)
			return
		}
	}
	w.linker.state.works("store")
	w.linker.metrics.batch(b, time.Since(began))
	for _, m := range msgs {
		if err := m.Ack(); err != nil {
			w.linker.deps.Log.Warn("an acknowledgement was not sent; the event comes again, which is harmless", "error", err)
		}
	}
}

func giveBack(msgs []jetstream.Msg) {
	for _, m := range msgs {
		_ = m.Nak() // without it the messages come again after AckWait
	}
}

// markInProgress marks messages every markEvery until stop is called.
func markInProgress(msgs []jetstream.Msg) (stop func()) {
	done := make(chan struct{})
	go func() { // ends with stop
		t := time.NewTicker(markEvery)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				for _, m := range msgs {
					_ = m.InProgress() // a mark that is lost brings the message again, which is harmless
				}
			}
		}
	}()
	return func() { close(done) }
}

// backoff doubles from a fifth of a second to ten seconds.
type backoff struct{ pause time.Duration }

func (b *backoff) next() time.Duration {
	if b.pause == 0 {
		return 200 * time.Millisecond
	}
	return min(2*b.pause, 10*time.Second)
}

func (b *backoff) reset() { b.pause = 0 }

// wait sleeps and tells whether ctx is still on.
func (b *backoff) wait(ctx context.Context) bool {
	b.pause = b.next()
	select {
	case <-ctx.Done():
		return false
	case <-time.After(b.pause):
		return true
	}
}
