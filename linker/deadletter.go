package linker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas/stream"
)

// Headers of a dead letter, beside the original message's own. Its payload is the
// original payload.
const (
	HeaderReason     = "Unionlink-Reason"
	HeaderDetail     = "Unionlink-Detail"
	HeaderWhere      = "Unionlink-Where"
	HeaderFailedAt   = "Unionlink-Failed-At"
	HeaderSubject    = "Unionlink-Subject"
	HeaderStreamTime = "Unionlink-Stream-Time"
	HeaderSeq        = "Unionlink-Stream-Seq"
	HeaderMsgID      = "Unionlink-Msg-Id"
)

// bury publishes the refused messages of a batch to the dead letters and waits until
// they are stored. Doing it twice within the stream's window leaves one.
func (l *Linker) bury(ctx context.Context, b *batch) error {
	var futures []jetstream.PubAckFuture
	for i := range b.deliveries {
		d := &b.deliveries[i]
		if d.refusal == nil {
			continue
		}
		if len(futures) == stream.MaxBatch { // the client allows 4000 to be under way
			if err := await(ctx, futures, "a dead letter"); err != nil {
				return err
			}
			futures = futures[:0]
		}
		f, err := l.deps.JetStream.PublishMsgAsync(deadLetter(d, b.epoch))
		if err != nil {
			return fmt.Errorf("publish a dead letter: %w", err)
		}
		futures = append(futures, f)
		l.metrics.deadLetters.WithLabelValues(d.refusal.Type).Inc()
	}
	return await(ctx, futures, "a dead letter")
}

func deadLetter(d *delivery, epoch uint64) *nats.Msg {
	m := nats.NewMsg(stream.DeadLetterPrefix + d.refusal.Type)
	m.Data = d.msg.Data()
	for name, values := range d.msg.Headers() {
		if name == nats.MsgIdHdr {
			name = HeaderMsgID
		}
		m.Header[name] = values
	}
	m.Header.Set(nats.MsgIdHdr, fmt.Sprintf("%d:%d", epoch, d.seq))
	m.Header.Set(HeaderReason, d.refusal.Type)
	m.Header.Set(HeaderDetail, headerSafe(d.refusal.Error()))
	m.Header.Set(HeaderWhere, "linker")
	m.Header.Set(HeaderFailedAt, time.Now().UTC().Format(time.RFC3339Nano))
	m.Header.Set(HeaderSubject, d.msg.Subject())
	m.Header.Set(HeaderSeq, strconv.FormatUint(d.seq, 10))
	m.Header.Set(HeaderStreamTime, d.stream.Format(time.RFC3339Nano))
	return m
}

// headerSafe keeps a text on one line and short.
func headerSafe(s string) string {
	q := strconv.QuoteToASCII(s)
	q = q[1 : len(q)-1]
	return q[:min(len(q), 500)]
}
