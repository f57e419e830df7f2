package backfill

import (
	"context"
	"errors"
	"fmt"

	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
	"github.com/unionlink/unionlink/schemas"
)

// Migration moves an account's users to another account (公众号迁移).
type Migration struct {
	// From is the old account's appid, To the new one's, which must be configured.
	From, To string
	// OpenIDs are the users of the old account, listed before it was frozen. A run
	// that is resumed must be given the same list.
	OpenIDs []string
	// Failed, which may be nil, is told each openid that has no new one, and why.
	Failed func(openid, reason string)
}

// migrated is how far a migration came.
type migrated struct {
	// List is the digest of the list of openids.
	List     string   `json:"list"`
	Next     int      `json:"next"`
	Progress Progress `json:"progress"`
}

// Migrate asks for the new openids of an account's users and publishes each as a
// migrate event. WeChat answers for 15 days after the migration. It goes on where an
// earlier run of the same list stopped, and returns a *QuotaError where the daily
// quota is spent. progress, which may be nil, is called after each hundred.
func (b *Backfill) Migrate(ctx context.Context, m Migration, progress func(Progress)) (Progress, error) {
	if a, ok := b.deps.Accounts.Find(m.To); !ok || a.Secret == "" {
		return Progress{}, fmt.Errorf("migrate: the new account %s is not configured with a secret", m.To)
	}
	key := bucket.Key("migrate", m.From, m.To)
	var at migrated
	revision, err := b.cursors.Read(ctx, key, &at)
	if err != nil {
		return Progress{}, fmt.Errorf("migrate %s to %s: %w", m.From, m.To, err)
	}
	if list := bucket.Digest(m.OpenIDs...); at.List != list {
		at = migrated{List: list, Progress: Progress{Total: len(m.OpenIDs)}}
	}
	for at.Next < len(m.OpenIDs) {
		hundred := m.OpenIDs[at.Next:min(at.Next+client.MaxBatch, len(m.OpenIDs))]
		moved, err := b.move(ctx, m, hundred)
		if err != nil {
			return at.Progress, fmt.Errorf("migrate %s to %s, after %d users: %w", m.From, m.To, at.Next, err)
		}
		at.Next += len(hundred)
		at.Progress.Asked += len(hundred)
		at.Progress.Linked += moved
		at.Progress.Refused += len(hundred) - moved
		b.add("migrate", len(hundred), moved, len(hundred)-moved)
		revision, err = b.cursors.Write(ctx, key, at, revision)
		if errors.Is(err, bucket.ErrChanged) {
			err = ErrTakenOver
		}
		if err != nil {
			return at.Progress, fmt.Errorf("migrate %s to %s, after %d users: %w", m.From, m.To, at.Next, err)
		}
		if progress != nil {
			progress(at.Progress)
		}
	}
	return at.Progress, nil
}

// move publishes the new openids of up to 100 users and returns how many there are.
func (b *Backfill) move(ctx context.Context, m Migration, openids []string) (int, error) {
	var changed []client.ChangedOpenID
	err := b.call(ctx, m.To, func(tok string) (err error) {
		changed, err = b.deps.Client.ChangeOpenIDs(ctx, tok, m.From, openids)
		return err
	})
	if client.IsCode(err, codeWrongAppID) {
		return 0, fmt.Errorf("wechat knows of no such migration: it is not approved yet, over 15 days ago, or between other accounts: %w", err)
	}
	if err != nil {
		return 0, err
	}
	now := b.deps.Now()
	events := make([]schemas.Event, 0, len(changed))
	for _, c := range changed {
		if c.New == "" {
			if m.Failed != nil {
				m.Failed(c.Old, c.Reason)
			}
			continue
		}
		events = append(events, &schemas.Identity{
			Envelope: schemas.Envelope{EventID: "wxmigrate_" + bucket.Digest(m.From, c.Old, m.To, c.New), OccurredAt: now, AppID: m.To, OpenID: c.New},
			Action:   schemas.ActionMigrate, FromAppID: m.From, FromOpenID: c.Old,
		})
	}
	_, err = outbox.Publish(ctx, b.deps.Publisher, events...)
	return len(events), err
}

// codeWrongAppID is changeopenid's answer where there is no such migration.
const codeWrongAppID = 63178
