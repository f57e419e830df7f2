// Package backfill learns links late: it asks WeChat for the unionids of followers,
// who were only known by their openids, and for the new openids after an account's
// migration.
//
// Followers come from a queue, which pushes fill, and from Enrich, which goes through
// an account's whole list. Both ask for 100 at once, within a rate, and publish what
// they learn as login events. Enrich and Migrate keep a cursor in a NATS bucket,
// written after each hundred is durable: a run that was killed goes on there, and
// asks for one hundred twice at the most.
package backfill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
	"github.com/unionlink/unionlink/ingest/wechat/token"
)

// Config bounds how WeChat is asked.
type Config struct {
	// RequestsPerSecond bounds this process's questions. Default 10.
	RequestsPerSecond float64 `yaml:"requests_per_second"`
	// MinuteWait is the pause after the minute's quota is spent (45011). Default 60 s.
	MinuteWait time.Duration `yaml:"minute_wait"`
	// RetryWait is the pause after WeChat failed to answer; it doubles. Default 1 s.
	RetryWait time.Duration `yaml:"retry_wait"`
	// Retries of a question that WeChat failed to answer, before a run gives up; it
	// can be resumed. Default 5.
	Retries int `yaml:"retries"`
}

// WithDefaults fills what is not set.
func (c Config) WithDefaults() Config {
	if c.RequestsPerSecond == 0 {
		c.RequestsPerSecond = 10
	}
	if c.MinuteWait == 0 {
		c.MinuteWait = time.Minute
	}
	if c.RetryWait == 0 {
		c.RetryWait = time.Second
	}
	if c.Retries == 0 {
		c.Retries = 5
	}
	return c
}

// Validate returns every fault, joined.
func (c Config) Validate() error {
	if c.RequestsPerSecond < 0 || c.MinuteWait < 0 || c.RetryWait < 0 || c.Retries < 0 {
		return errors.New("requests_per_second, minute_wait, retry_wait, retries: are not negative")
	}
	return nil
}

// Deps is what the package works with.
type Deps struct {
	JetStream jetstream.JetStream
	Client    *client.Client
	Tokens    *token.Store
	Accounts  *account.Directory
	Publisher outbox.Publisher
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Replicas of bucket and stream in a cluster.
	Replicas int
}

// Backfill is safe for concurrent use, by any number of processes.
type Backfill struct {
	cfg     Config
	deps    Deps
	cursors *bucket.Bucket
	limit   *rate.Limiter
	queue   queue
	count   *prometheus.CounterVec
}

// New validates the configuration; it talks to nobody.
func New(cfg Config, deps Deps) (*Backfill, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	b := &Backfill{
		cfg: cfg, deps: deps, limit: rate.NewLimiter(rate.Limit(cfg.RequestsPerSecond), 1),
		queue: queue{js: deps.JetStream, replicas: deps.Replicas},
		cursors: bucket.New(deps.JetStream, bucket.Config{
			Name: "UNIONLINK_WECHAT_CURSORS", Description: "how far enrichments and migrations came", Replicas: deps.Replicas,
		}),
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unionlink_wechat_followers_total", Help: "Followers asked for, by source (queue, enrich, migrate) and outcome.",
		}, []string{"source", "outcome"}),
	}
	deps.Metrics.MustRegister(b.count)
	return b, nil
}

// QuotaError says that an account's daily quota is spent (45009). What was done is
// kept; run again after Resume.
type QuotaError struct {
	AppID string
	// Resume is when WeChat counts anew: midnight in China.
	Resume time.Time
	Err    error
}

// Error tells when to go on.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("the daily quota of %s is spent; run again after %s, and it goes on where it stopped (%v)",
		e.AppID, e.Resume.Format(time.RFC3339), e.Err)
}

// Unwrap returns WeChat's refusal.
func (e *QuotaError) Unwrap() error { return e.Err }

var beijing = time.FixedZone("UTC+8", 8*3600)

func nextMidnight(now time.Time) time.Time {
	y, m, d := now.In(beijing).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, beijing)
}

// call runs one question within the rate. It waits where the minute's quota is
// spent, and repeats where WeChat failed to answer.
func (b *Backfill) call(ctx context.Context, appid string, question func(token string) error) error {
	pause := b.cfg.RetryWait
	for try := 0; ; {
		if err := b.limit.Wait(ctx); err != nil {
			return fmt.Errorf("wait for the rate: %w", err)
		}
		err := b.deps.Tokens.Do(ctx, appid, question)
		wait := pause
		var lost *client.TransportError
		kind, refused := client.ClassOf(err)
		switch {
		case err == nil:
			return nil
		case client.IsCode(err, client.CodeMinuteQuota):
			wait = b.cfg.MinuteWait
		case kind == client.ClassQuota:
			return &QuotaError{AppID: appid, Resume: nextMidnight(b.deps.Now()), Err: err}
		case errors.As(err, &lost), refused && kind == client.ClassRetry:
			if try++; try > b.cfg.Retries {
				return err
			}
			pause *= 2
		default:
			return err
		}
		b.deps.Log.WarnContext(ctx, "wechat is asked again later", "appid", appid, "wait", wait, "error", err)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// followers asks for up to 100 followers. One that WeChat refuses as an openid is
// found by halving, and left out.
func (b *Backfill) followers(ctx context.Context, appid string, openids []string) (found []client.Follower, refused int, err error) {
	err = b.call(ctx, appid, func(tok string) error {
		found, err = b.deps.Client.Followers(ctx, tok, openids)
		return err
	})
	if c, ok := client.ClassOf(err); !ok || c != client.ClassPermanent {
		return found, 0, err
	}
	if len(openids) == 1 {
		return nil, 1, nil
	}
	half := len(openids) / 2
	first, bad, err := b.followers(ctx, appid, openids[:half])
	if err != nil {
		return nil, 0, err
	}
	second, worse, err := b.followers(ctx, appid, openids[half:])
	return append(first, second...), bad + worse, err
}

// account returns an account whose followers can have unionids.
func (b *Backfill) account(appid string) (account.Account, error) {
	a, ok := b.deps.Accounts.Find(appid)
	switch {
	case !ok:
		return a, fmt.Errorf("account %s is not configured", appid)
	case !enrichable(a):
		return a, fmt.Errorf("account %s has no followers with unionids: that takes an official_account with a secret", appid)
	}
	return a, nil
}

func enrichable(a account.Account) bool {
	return a.Kind == account.KindOfficial && a.Secret != ""
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
