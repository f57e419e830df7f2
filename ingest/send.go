package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// Headers of JetStream's atomic batch publish (nats-server 2.12, ADR-50).
const (
	headerBatchID       = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"
)

// send publishes the messages of one group and returns their outcomes in order. A
// batch that the stream refuses, be it for one duplicate or for want of room for
// all, goes again message by message, so that each gets an answer of its own.
func (c *Committer) send(msgs []*nats.Msg) []schemas.Outcome {
	if !c.nc.IsConnected() {
		// Publishing now would fill the reconnect buffer with what is answered 503 anyway.
		return all(len(msgs), fmt.Errorf("%w: not connected", ErrUnavailable))
	}
	if len(msgs) < c.cfg.MinBatch {
		return c.singles(msgs, "single")
	}
	start := time.Now()
	err := c.batch(msgs)
	c.metrics.publish.WithLabelValues("batch").Observe(time.Since(start).Seconds())
	if err != nil && refusedByStream(err) {
		return c.singles(msgs, "fallback")
	}
	return all(len(msgs), classify(err))
}

func all(n int, err error) []schemas.Outcome {
	out := make([]schemas.Outcome, n)
	for i := range out {
		out[i].Err = err
	}
	return out
}

// batchAck is the stream's answer to a batch: to the last message, or, with an error
// only, to the first.
type batchAck struct {
	Stream string              `json:"stream"`
	Count  int                 `json:"count"`
	Error  *jetstream.APIError `json:"error"`
}

// batch publishes all messages or none. The first and the last ask for an answer;
// they are sent without waiting between, so that a batch costs one round trip. If the
// first is refused the stream refuses the others too.
func (c *Committer) batch(msgs []*nats.Msg) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Timeout)
	defer cancel()
	inbox := c.nc.NewInbox()
	answers, err := c.nc.SubscribeSync(inbox + ".*")
	if err != nil {
		return fmt.Errorf("subscribe to batch answers: %w", err)
	}
	defer func() { _ = answers.Unsubscribe() }() // fails only where the connection is gone, and the subscription with it
	if err := c.sendBatch(msgs, inbox); err != nil {
		return err
	}
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return fmt.Errorf("await batch answer: %w", err)
		}
		done, err := batchAnswer(m, m.Subject == inbox+".last", len(msgs))
		if done || err != nil {
			return err
		}
	}
}

func (c *Committer) sendBatch(msgs []*nats.Msg, inbox string) error {
	id, last := nuid.Next(), len(msgs)-1
	for i, m := range msgs {
		b := &nats.Msg{Subject: m.Subject, Data: m.Data, Header: make(nats.Header, len(m.Header)+3)}
		for k, v := range m.Header {
			b.Header[k] = v
		}
		b.Header[headerBatchID] = []string{id}
		b.Header[headerBatchSequence] = []string{strconv.Itoa(i + 1)}
		switch i {
		case 0:
			b.Reply = inbox + ".first"
		case last:
			b.Reply = inbox + ".last"
			b.Header[headerBatchCommit] = []string{"1"}
		}
		if err := c.nc.PublishMsg(b); err != nil {
			return fmt.Errorf("publish batch message: %w", err)
		}
	}
	return nil
}

// batchAnswer reads one answer. The first message's is empty unless it is refused.
func batchAnswer(m *nats.Msg, last bool, want int) (done bool, err error) {
	if len(m.Data) == 0 {
		if m.Header.Get("Status") != "" {
			return false, nats.ErrNoResponders
		}
		if last {
			return false, errors.New("read batch answer: it is empty")
		}
		return false, nil
	}
	var ack batchAck
	if err := json.Unmarshal(m.Data, &ack); err != nil {
		return false, fmt.Errorf("read batch answer: %w", err)
	}
	if ack.Error != nil {
		return false, fmt.Errorf("publish batch: %w", ack.Error)
	}
	if !last {
		return false, nil
	}
	if ack.Stream != stream.Events || ack.Count != want {
		return false, fmt.Errorf("publish batch: %d messages were acknowledged by stream %q, not %d by %q", ack.Count, ack.Stream, want, stream.Events)
	}
	return true, nil
}

// singles publishes each message by itself and awaits all acknowledgements.
func (c *Committer) singles(msgs []*nats.Msg, path string) []schemas.Outcome {
	start := time.Now()
	defer func() { c.metrics.publish.WithLabelValues(path).Observe(time.Since(start).Seconds()) }()
	out := make([]schemas.Outcome, len(msgs))
	futures := make([]jetstream.PubAckFuture, len(msgs))
	for i, m := range msgs {
		var err error
		if futures[i], err = c.js.PublishMsgAsync(m); err != nil {
			out[i].Err = classify(err)
		}
	}
	for i, f := range futures {
		if f == nil {
			continue
		}
		select { // the client's own timeout ends each future
		case ack := <-f.Ok():
			out[i].Duplicate = ack.Duplicate
		case err := <-f.Err():
			out[i].Err = classify(err)
		}
	}
	return out
}

// ConnectOptions are the options a connection for a Committer should be made with:
// it is tried for ever, and what is published while it is away fails at once instead
// of being kept for later.
func ConnectOptions(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name("unionlink-ingest"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 250*time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("nats connection lost", "error", err) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("nats connection is back", "url", nc.ConnectedUrlRedacted()) }),
	}
}
