package api

import (
	"net/http"
	"time"

	"github.com/unionlink/unionlink/api/query"
)

type healthAnswer struct {
	query.Health
	Lag         lag    `json:"lag"`
	DeadLetters uint64 `json:"dead_letters" doc:"messages that could not be counted and wait for somebody"`
	moments
}

type lag struct {
	Pending uint64     `json:"pending" doc:"messages not counted yet"`
	Through *time.Time `json:"through" doc:"all events up to this stream time are counted"`
}

// health tells how much is linked, and how far the stream is counted.
func (c *call) health() error {
	p, err := c.params()
	if err != nil {
		return err
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	progress, err := c.reports.Progress(ctx)
	if err != nil {
		return err
	}
	out := healthAnswer{Lag: lag{Pending: progress.Pending}, DeadLetters: progress.Dead}
	if !progress.Through.IsZero() {
		through := progress.Through.UTC()
		out.Lag.Through = &through
	}
	out.moments = moments{AsOf: asOf(p), FreshThrough: out.Lag.Through}
	if out.Health, err = c.reports.IdentityHealth(ctx, p, c.cfg.MaxIdentitiesPerKey); err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}
