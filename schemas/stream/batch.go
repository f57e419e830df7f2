package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// MaxBatch is the most messages that JetStream takes as one atomic batch.
const MaxBatch = 1000

// Headers of JetStream's atomic batch publish (nats-server 2.12, ADR-50).
const (
	headerBatchID       = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"
)

// PublishBatch stores all messages in the named stream with one sync of its file, or
// none: one that the stream has already refuses all of them, see BatchDuplicate. The
// messages themselves are not changed. An error of ctx says nothing of whether they
// are stored.
//
// The first and the last message ask for an answer; they are sent without waiting in
// between, so that a batch costs one round trip. If the first is refused the stream
// refuses the others too.
func PublishBatch(ctx context.Context, nc *nats.Conn, name string, msgs []*nats.Msg) error {
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox + ".*")
	if err != nil {
		return fmt.Errorf("subscribe to batch answers: %w", err)
	}
	defer func() { _ = answers.Unsubscribe() }() // fails only where the connection is gone, and the subscription with it
	if err := sendBatch(nc, msgs, inbox); err != nil {
		return err
	}
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return fmt.Errorf("await batch answer: %w", err)
		}
		done, err := batchAnswer(m, m.Subject == inbox+".last", name, len(msgs))
		if done || err != nil {
			return err
		}
	}
}

func sendBatch(nc *nats.Conn, msgs []*nats.Msg, inbox string) error {
	id, last := nuid.Next(), len(msgs)-1
	for i, m := range msgs {
		b := &nats.Msg{Subject: m.Subject, Data: m.Data, Header: make(nats.Header, len(m.Header)+3)}
		for k, v := range m.Header {
			b.Header[k] = v
		}
		b.Header[headerBatchID] = []string{id}
		b.Header[headerBatchSequence] = []string{strconv.Itoa(i + 1)}
		if i == 0 {
			b.Reply = inbox + ".first"
		}
		if i == last {
			b.Reply = inbox + ".last"
			b.Header[headerBatchCommit] = []string{"1"}
		}
		if err := nc.PublishMsg(b); err != nil {
			return fmt.Errorf("publish batch message: %w", err)
		}
	}
	return nil
}

// batchAck is the stream's answer to a batch: to the last message, or, with an error
// only, to the first.
type batchAck struct {
	Stream string              `json:"stream"`
	Count  int                 `json:"count"`
	Error  *jetstream.APIError `json:"error"`
}

// batchAnswer reads one answer. The first message's is empty unless it is refused.
func batchAnswer(m *nats.Msg, last bool, name string, want int) (done bool, err error) {
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
	// A batch of one is acknowledged as a message by itself, without a count.
	if ack.Stream != name || ack.Count != want && (want > 1 || ack.Count != 0) {
		return false, fmt.Errorf("publish batch: %d messages were acknowledged by stream %q, not %d by %q", ack.Count, ack.Stream, want, name)
	}
	return true, nil
}
