package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/unionlink/unionlink/api/ledger"
)

type auditAnswer struct {
	Rows       []ledger.Entry `json:"rows"`
	NextCursor string         `json:"next_cursor,omitempty"`
}

// auditEntries reads the audit.
func (c *call) auditEntries() error {
	limit, err := c.values.integer("limit", 1, maxLimit, defaultLimit)
	if err != nil {
		return err
	}
	var after *ledger.Position
	if c.values.Has("cursor") {
		after = &ledger.Position{}
		if err := c.cursors.open(c.question(), c.values.Get("cursor"), after); err != nil {
			return err
		}
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	entries, next, err := c.ledger.Entries(ctx, after, int(limit))
	if err != nil {
		return err
	}
	out := auditAnswer{Rows: entries}
	if next != nil {
		if out.NextCursor, err = c.cursors.seal(c.question(), next); err != nil {
			return err
		}
	}
	return c.answer(http.StatusOK, out)
}

// audit notes what the caller does. It is stored before it returns.
func (c *call) audit(action, target string, detail any) error {
	text, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("write the audit's detail: %w", err)
	}
	// The audit must be told also where the caller has gone away.
	ctx, cancel := c.timed(context.WithoutCancel(c.r.Context()))
	defer cancel()
	return c.ledger.Append(ctx, ledger.Entry{
		At: c.deps.Now(), Actor: c.user.Name, Role: string(c.user.Role), Action: action, Target: target, Detail: string(text),
	})
}
