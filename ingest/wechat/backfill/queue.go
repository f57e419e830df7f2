package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/client"
)

// queue is the stream of followers to ask for. A question asked twice does no harm,
// so work-queue retention, which forgets what was done, is right here.
type queue struct {
	js       jetstream.JetStream
	replicas int

	mu     sync.Mutex
	stream jetstream.Stream
}

const (
	queueName   = "UNIONLINK_WECHAT_FOLLOWERS"
	queuePrefix = "unionlink.wechat.follower."
	// queueBytes bounds the queue on disk: about 200 000 followers. A full
	// queue refuses, and WeChat pushes again.
	queueBytes = 32 << 20
)

// follower is the queue's message.
type follower struct {
	OpenID string `json:"openid"`
}

func (q *queue) open(ctx context.Context) (jetstream.Stream, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stream != nil {
		return q.stream, nil
	}
	s, err := q.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: queueName, Description: "followers whose unionid is to be asked for", Subjects: []string{queuePrefix + "*"},
		Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage,
		MaxBytes: queueBytes, Replicas: max(q.replicas, 1),
	})
	if err != nil {
		return nil, fmt.Errorf("open the queue of followers: %w", err)
	}
	q.stream = s
	return s, nil
}

func subjectOf(appid string) string { return queuePrefix + bucket.Key(appid) }

// Add queues one follower; it is durable once Add returns.
func (b *Backfill) Add(ctx context.Context, appid, openid string) error {
	if _, err := b.queue.open(ctx); err != nil {
		return err
	}
	data, err := json.Marshal(follower{openid})
	if err != nil {
		return fmt.Errorf("encode follower: %w", err)
	}
	if _, err := b.deps.JetStream.Publish(ctx, subjectOf(appid), data); err != nil {
		return fmt.Errorf("queue follower: %w", err)
	}
	return nil
}

// Run works the queue, one worker an account, until ctx ends; then it returns nil.
// What it does not finish stays queued.
func (b *Backfill) Run(ctx context.Context) error {
	var workers errgroup.Group
	// Where no account has followers to ask for, there is nothing to do but to wait.
	workers.Go(func() error { <-ctx.Done(); return nil }) // ends with ctx
	for _, a := range b.deps.Accounts.All() {
		if enrichable(a) {
			workers.Go(func() error { b.work(ctx, a.AppID); return nil }) // ends with ctx
		}
	}
	return workers.Wait()
}

const (
	// idle is how long one request for messages waits at the server.
	idle = 5 * time.Second
	// outage is the pause after NATS failed.
	outage = time.Second
	// misconfigured is the pause after WeChat refused for a reason that an operator
	// must see to.
	misconfigured = 5 * time.Minute
)

// work asks for the followers of one account until ctx ends.
func (b *Backfill) work(ctx context.Context, appid string) {
	for ctx.Err() == nil {
		consumer, err := b.consumer(ctx, appid)
		for err == nil && ctx.Err() == nil {
			err = b.batch(ctx, appid, consumer)
		}
		if err != nil && ctx.Err() == nil {
			b.deps.Log.WarnContext(ctx, "queue of followers is read again later", "appid", appid, "error", err)
			_ = sleep(ctx, outage) // it ends early with ctx, and so does the loop
		}
	}
}

func (b *Backfill) consumer(ctx context.Context, appid string) (jetstream.Consumer, error) {
	s, err := b.queue.open(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "followers-" + bucket.Digest(appid)[:16], FilterSubject: subjectOf(appid), AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: 5 * time.Minute, MaxDeliver: -1, MaxAckPending: 10_000,
	})
	if err != nil {
		return nil, fmt.Errorf("open the queue's consumer: %w", err)
	}
	return c, nil
}

// batch waits for a follower, takes up to 99 more that are there, asks for all and
// acknowledges them once what was learnt is durable.
func (b *Backfill) batch(ctx context.Context, appid string, consumer jetstream.Consumer) error {
	wait, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	first, err := consumer.Next(jetstream.FetchContext(wait))
	if wait.Err() != nil || errors.Is(err, jetstream.ErrNoMessages) || errors.Is(err, nats.ErrTimeout) {
		return nil // nobody follows just now
	}
	if err != nil {
		return fmt.Errorf("read the queue: %w", err)
	}
	msgs := []jetstream.Msg{first}
	more, err := consumer.FetchNoWait(client.MaxBatch - 1)
	if err != nil {
		return fmt.Errorf("read the queue: %w", err)
	}
	for m := range more.Messages() {
		msgs = append(msgs, m)
	}
	pause, err := b.settle(ctx, appid, msgs)
	if err != nil {
		b.deps.Log.ErrorContext(ctx, "followers stay queued", "appid", appid, "followers", len(msgs), "pause", pause, "error", err)
		b.count.WithLabelValues("queue", "failed").Add(float64(len(msgs)))
	}
	var faults []error
	for _, m := range msgs {
		if err != nil {
			faults = append(faults, m.NakWithDelay(pause))
		} else {
			faults = append(faults, m.DoubleAck(ctx))
		}
	}
	if pause > 0 {
		faults = append(faults, sleep(ctx, pause))
	}
	return errors.Join(faults...)
}

// settle asks for the followers of messages and publishes what it learns. After an
// error it says how long to wait.
func (b *Backfill) settle(ctx context.Context, appid string, msgs []jetstream.Msg) (wait time.Duration, err error) {
	seen := make(map[string]bool, len(msgs))
	openids := make([]string, 0, len(msgs))
	for _, m := range msgs {
		var f follower
		if json.Unmarshal(m.Data(), &f) == nil && f.OpenID != "" && !seen[f.OpenID] {
			seen[f.OpenID] = true
			openids = append(openids, f.OpenID)
		}
	}
	found, refused, err := b.followers(ctx, appid, openids)
	if err != nil {
		return b.waitAfter(err), err
	}
	// The run is the message, so that a redelivered one is the same event.
	run := "queue"
	if meta, err := msgs[0].Metadata(); err == nil {
		run = fmt.Sprintf("queue-%d", meta.Sequence.Stream)
	}
	linked, err := b.publish(ctx, appid, run, found)
	if err != nil {
		return b.cfg.RetryWait, err
	}
	b.add("queue", len(openids), linked, refused)
	return 0, nil
}

func (b *Backfill) waitAfter(err error) time.Duration {
	var quota *QuotaError
	if errors.As(err, &quota) {
		return max(quota.Resume.Sub(b.deps.Now()), time.Minute)
	}
	if c, ok := client.ClassOf(err); ok && c != client.ClassRetry {
		return misconfigured
	}
	return b.cfg.MinuteWait
}
