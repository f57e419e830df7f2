package backfill

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
	"github.com/unionlink/unionlink/schemas"
)

// Progress is how far a run came, over all its resumptions.
type Progress struct {
	// Total is WeChat's count of followers, or the length of a migration's list.
	Total int
	// Asked were asked for; Linked of them gave a unionid, or a new openid.
	Asked, Linked int
	// Refused are openids that WeChat does not take.
	Refused int
}

// ErrTakenOver says that another process runs the same work from where this one
// stopped.
var ErrTakenOver = errors.New("another process has taken this work over")

// cursor is how far an enrichment came.
type cursor struct {
	// Run names the enrichment; a later one asks everybody anew.
	Run string `json:"run"`
	// Page is where the list's present page begins, Last the hundred of it that was
	// done last, and Done how many of it were done.
	Page     string    `json:"page,omitempty"`
	Last     []string  `json:"last,omitempty"`
	Done     int       `json:"done,omitempty"`
	Progress Progress  `json:"progress"`
	Finished time.Time `json:"finished,omitzero"`
}

// skip is how many of a page were done before. A follower who left since is no
// longer on the page: then the one before, and at last the count, tells.
func (c *cursor) skip(page []string) int {
	for _, last := range slices.Backward(c.Last) {
		if i := slices.Index(page, last); i >= 0 {
			return i + 1
		}
	}
	return min(c.Done, len(page))
}

// enrichment is a run at work: its cursor and the cursor's revision.
type enrichment struct {
	cursor
	b        *Backfill
	appid    string
	key      string
	revision uint64
	tell     func(Progress)
}

// Enrich asks for the unionid of every follower of an official account and publishes
// those there are. It goes on where an earlier run stopped. progress, which may be
// nil, is called after each hundred. It returns a *QuotaError where the daily quota
// is spent, and ErrTakenOver where another process began the same.
func (b *Backfill) Enrich(ctx context.Context, appid string, progress func(Progress)) (Progress, error) {
	if _, err := b.account(appid); err != nil {
		return Progress{}, fmt.Errorf("enrich: %w", err)
	}
	e := &enrichment{b: b, appid: appid, key: bucket.Key("enrich", appid), tell: progress}
	var err error
	if e.revision, err = b.cursors.Read(ctx, e.key, &e.cursor); err != nil {
		return Progress{}, fmt.Errorf("enrich %s: %w", appid, err)
	}
	if e.revision == 0 || !e.Finished.IsZero() {
		e.cursor = cursor{Run: rand.Text()}
	}
	// Writing the cursor takes the work over from a run that is still at it.
	if err := e.save(ctx); err != nil {
		return e.Progress, fmt.Errorf("enrich %s: %w", appid, err)
	}
	for e.Finished.IsZero() {
		if err := e.page(ctx); err != nil {
			return e.Progress, fmt.Errorf("enrich %s: %w", appid, err)
		}
	}
	return e.Progress, nil
}

func (e *enrichment) save(ctx context.Context) error {
	revision, err := e.b.cursors.Write(ctx, e.key, e.cursor, e.revision)
	if errors.Is(err, bucket.ErrChanged) {
		return ErrTakenOver
	}
	if err == nil {
		e.revision = revision
	}
	return err
}

// page does the rest of the present page and turns to the next.
func (e *enrichment) page(ctx context.Context) error {
	var page client.FollowerPage
	err := e.b.call(ctx, e.appid, func(tok string) (err error) {
		page, err = e.b.deps.Client.FollowerPage(ctx, tok, e.Page)
		return err
	})
	if err != nil {
		return fmt.Errorf("list followers: %w", err)
	}
	e.Progress.Total = page.Total
	done := e.skip(page.OpenIDs)
	for hundred := range slices.Chunk(page.OpenIDs[done:], client.MaxBatch) {
		if err := e.hundred(ctx, hundred); err != nil {
			return err
		}
		done += len(hundred)
		e.Last, e.Done = hundred, done
		if err := e.save(ctx); err != nil {
			return err
		}
		if e.tell != nil {
			e.tell(e.Progress)
		}
	}
	e.Page, e.Last, e.Done = page.Next, nil, 0
	if page.Next == "" {
		e.Finished = e.b.deps.Now().UTC()
	}
	return e.save(ctx)
}

func (e *enrichment) hundred(ctx context.Context, openids []string) error {
	found, refused, err := e.b.followers(ctx, e.appid, openids)
	if err != nil {
		return err
	}
	linked, err := e.b.publish(ctx, e.appid, e.Run, found)
	if err != nil {
		return err
	}
	e.Progress.Asked += len(openids)
	e.Progress.Linked += linked
	e.Progress.Refused += refused
	e.b.add("enrich", len(openids), linked, refused)
	return nil
}

// publish states the unionids of followers as logins and returns how many there
// were. run makes the events' ids: the same question asked again is the same event.
func (b *Backfill) publish(ctx context.Context, appid, run string, found []client.Follower) (int, error) {
	now := b.deps.Now()
	events := make([]schemas.Event, 0, len(found))
	for _, f := range found {
		if !f.Subscribed || f.UnionID == "" {
			continue
		}
		events = append(events, &schemas.Login{
			Envelope: schemas.Envelope{EventID: "wxfollower_" + bucket.Digest(appid, f.OpenID, f.UnionID, run), OccurredAt: now, AppID: appid, OpenID: f.OpenID},
			UnionID:  f.UnionID,
		})
	}
	_, err := outbox.Publish(ctx, b.deps.Publisher, events...)
	return len(events), err
}

// add counts followers that were asked for.
func (b *Backfill) add(source string, asked, linked, refused int) {
	b.count.WithLabelValues(source, "linked").Add(float64(linked))
	b.count.WithLabelValues(source, "refused").Add(float64(refused))
	b.count.WithLabelValues(source, "unlinked").Add(float64(asked - linked - refused))
}
