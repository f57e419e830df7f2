package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// answerWait bounds the wait for the stream.
const answerWait = time.Minute

// messages encodes events as they travel.
func messages(events []schemas.Event) ([]*nats.Msg, error) {
	msgs := make([]*nats.Msg, len(events))
	for i, e := range events {
		var err error
		if msgs[i], err = stream.Message(e); err != nil {
			return nil, err
		}
	}
	return msgs, nil
}

// publishBatch publishes messages as one atomic batch, with nothing around it: what
// JetStream itself can do (nats-server 2.12, ADR-50).
func (b *broker) publishBatch(ctx context.Context, msgs []*nats.Msg) error {
	id, last := nuid.Next(), len(msgs)-1
	for i, m := range msgs {
		m.Header.Set("Nats-Batch-Id", id)
		m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		if i == last {
			break
		}
		if err := b.nc.PublishMsg(m); err != nil {
			return fmt.Errorf("publish a batch: %w", err)
		}
	}
	msgs[last].Header.Set("Nats-Batch-Commit", "1")
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	answer, err := b.nc.RequestMsgWithContext(ctx, msgs[last])
	if err != nil {
		return fmt.Errorf("publish a batch: %w", err)
	}
	var ack struct {
		Count int                 `json:"count"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return fmt.Errorf("read a batch's answer: %w", err)
	}
	if ack.Error != nil {
		return fmt.Errorf("publish a batch: %w", ack.Error)
	}
	if ack.Count != len(msgs) {
		return fmt.Errorf("publish a batch: %d of %d messages were stored", ack.Count, len(msgs))
	}
	return nil
}

// loadBatch is how many events travel together where nothing is measured.
const loadBatch = 500

// load puts n events that next makes into the stream, as fast as it goes.
func (s *session) load(ctx context.Context, b *broker, next func(n int) []schemas.Event, n int) error {
	m := s.meter("publish events", n)
	defer m.end()
	for done := 0; done < n; {
		events := next(min(loadBatch, n-done))
		if err := b.publish(ctx, events); err != nil {
			return err
		}
		done += len(events)
		m.to(done)
	}
	return nil
}

// publish stores events as one batch.
func (b *broker) publish(ctx context.Context, events []schemas.Event) error {
	msgs, err := messages(events)
	if err != nil {
		return err
	}
	return b.publishBatch(ctx, msgs)
}
