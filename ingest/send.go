package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
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

// batch publishes all messages or none.
func (c *Committer) batch(msgs []*nats.Msg) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Timeout)
	defer cancel()
	return stream.PublishBatch(ctx, c.nc, stream.Events, msgs)
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
