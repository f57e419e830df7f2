// Package token shares each account's access token among all ingest processes
// through a NATS bucket, with one refresher at a time.
//
// A process that finds the token due takes a lease in the same record, by its
// revision, asks WeChat and writes the answer in the lease's place. Others go on
// with the old token while it is good, and wait where it is not. A refresher that
// dies loses its lease after LeaseTime. A token that WeChat refuses before its time
// (another program asked for a new one) is renewed once, whoever reports it.
//
// Invariant: a token is written only by the holder of the lease, over the lease's
// own revision, so an older token never replaces a newer one.
package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/client"
)

const (
	// LeaseTime is how long a refresher may take; longer than a client's call
	// with its repetitions.
	LeaseTime = 40 * time.Second
	// early is how long before its end a token is renewed. WeChat changes a stable
	// token in its last 5 minutes, while the old one stays good.
	early = 5 * time.Minute
	// calm is the least time between two renewals of a token that nobody refused.
	calm = time.Minute
	// forceCalm is WeChat's least time between two forced renewals.
	forceCalm = 30 * time.Second
	poll      = 20 * time.Millisecond
)

// record is the bucket's value for one account.
type record struct {
	Token   string    `json:"token,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Due is when the token should be renewed though it is still good.
	Due time.Time `json:"due,omitzero"`
	// Lease names the refresher at work until LeaseEnds; empty without one.
	Lease     string    `json:"lease,omitempty"`
	LeaseEnds time.Time `json:"lease_ends,omitzero"`
	// Forced is when WeChat was last asked for a new token by force.
	Forced time.Time `json:"forced,omitzero"`
}

func (r record) good(now time.Time) bool   { return r.Token != "" && now.Before(r.Expires) }
func (r record) leased(now time.Time) bool { return r.Lease != "" && now.Before(r.LeaseEnds) }

// Deps is what a Store works with.
type Deps struct {
	JetStream jetstream.JetStream
	Client    *client.Client
	Accounts  *account.Directory
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Replicas of the bucket in a cluster.
	Replicas int
}

// Store is safe for concurrent use, by any number of processes.
type Store struct {
	deps  Deps
	kv    *bucket.Bucket
	owner string
}

// New makes a store; it talks to nobody.
func New(deps Deps) *Store {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	return &Store{deps: deps, owner: rand.Text(), kv: bucket.New(deps.JetStream, bucket.Config{
		Name: "UNIONLINK_WECHAT_TOKENS", Description: "WeChat access tokens, one an account", Replicas: deps.Replicas,
	})}
}

// Do runs call with the account's token. If WeChat refuses the token, it is renewed
// and call runs once more.
func (s *Store) Do(ctx context.Context, appid string, call func(token string) error) error {
	tok, err := s.Get(ctx, appid)
	if err != nil {
		return err
	}
	err = call(tok)
	if c, ok := client.ClassOf(err); !ok || c != client.ClassToken {
		return err
	}
	if tok, err = s.Renew(ctx, appid, tok); err != nil {
		return err
	}
	return call(tok)
}

// Get returns a token that is good by the clock.
func (s *Store) Get(ctx context.Context, appid string) (string, error) {
	return s.settle(ctx, appid, func(r record, now time.Time) bool {
		return r.good(now) && (now.Before(r.Due) || r.leased(now))
	}, "")
}

// Renew returns a token other than stale, which WeChat refused.
func (s *Store) Renew(ctx context.Context, appid, stale string) (string, error) {
	return s.settle(ctx, appid, func(r record, now time.Time) bool {
		return r.good(now) && r.Token != stale
	}, stale)
}

// settle returns the record's token once it is fine, and makes it so if nobody else does.
func (s *Store) settle(ctx context.Context, appid string, fine func(record, time.Time) bool, stale string) (string, error) {
	key := bucket.Key(appid)
	for {
		var r record
		revision, err := s.kv.Read(ctx, key, &r)
		if err != nil {
			return "", err
		}
		now := s.deps.Now()
		if fine(r, now) {
			return r.Token, nil
		}
		if r.leased(now) {
			if err := wait(ctx); err != nil {
				return "", fmt.Errorf("wait for the access token of %s: %w", appid, err)
			}
			continue
		}
		leased := r
		leased.Lease, leased.LeaseEnds = s.owner, now.Add(LeaseTime)
		revision, err = s.kv.Write(ctx, key, leased, revision)
		if errors.Is(err, bucket.ErrChanged) {
			continue
		}
		if err != nil {
			return "", err
		}
		tok, err := s.refresh(ctx, appid, key, held{leased, revision, stale})
		if errors.Is(err, bucket.ErrChanged) {
			continue // the lease ran out, and another process has it
		}
		return tok, err
	}
}

// held is a lease: the record as it was written, and its revision.
type held struct {
	record
	revision uint64
	stale    string
}

// refresh asks WeChat and writes the token over the lease. A failure gives the
// lease back, so that the next caller may try at once.
func (s *Store) refresh(ctx context.Context, appid, key string, lease held) (string, error) {
	next, err := s.ask(ctx, appid, lease)
	if err != nil {
		next = lease.record
	}
	next.Lease, next.LeaseEnds = "", time.Time{}
	// The caller's context may have ended meanwhile; the answer is everybody's.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LeaseTime/4)
	defer cancel()
	if _, lost := s.kv.Write(ctx, key, next, lease.revision); lost != nil {
		return "", errors.Join(err, lost)
	}
	return next.Token, err
}

func (s *Store) ask(ctx context.Context, appid string, lease held) (record, error) {
	next := lease.record
	a, ok := s.deps.Accounts.Find(appid)
	if !ok || a.Secret == "" {
		return next, fmt.Errorf("get an access token of %s: no secret is configured for it", appid)
	}
	app := client.Credentials{AppID: a.AppID, Secret: a.Secret}
	got, err := s.deps.Client.StableToken(ctx, app, false)
	if err != nil {
		return next, fmt.Errorf("get an access token of %s: %w", appid, err)
	}
	now := s.deps.Now()
	if lease.stale != "" && got.Value == lease.stale {
		// WeChat holds on to a token that it refuses: only force helps.
		if since := now.Sub(next.Forced); since < forceCalm {
			return next, fmt.Errorf("get an access token of %s: wechat refuses the one it gave %s ago", appid, since.Round(time.Second))
		}
		if got, err = s.deps.Client.StableToken(ctx, app, true); err != nil {
			return next, fmt.Errorf("force a new access token of %s: %w", appid, err)
		}
		next.Forced = now
	}
	next.Token, next.Expires = got.Value, now.Add(got.ExpiresIn)
	next.Due = next.Expires.Add(-early)
	if earliest := now.Add(calm); next.Due.Before(earliest) {
		next.Due = earliest
	}
	return next, nil
}

func wait(ctx context.Context) error {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
