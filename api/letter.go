package api

import (
	"context"
	"net/http"
	"time"
)

// DeadLetters lists what could not be counted.
type DeadLetters interface {
	// After returns at most limit letters behind a sequence number, oldest first.
	After(ctx context.Context, seq uint64, limit int) ([]DeadLetter, error)
}

// DeadLetter is a message that could not be counted, and why.
type DeadLetter struct {
	Seq      uint64    `json:"seq" doc:"names the letter"`
	Reason   string    `json:"reason" doc:"the type of refusal"`
	Detail   string    `json:"detail"`
	Where    string    `json:"where" doc:"the part that gave up"`
	FailedAt time.Time `json:"failed_at"`
	AppID    string    `json:"appid" doc:"the account on whose subject it came; empty where there is none"`
	Subject  string    `json:"subject"`
	Data     string    `json:"data" doc:"the payload as it came"`
}

type lettersAnswer struct {
	Rows       []DeadLetter `json:"rows"`
	NextCursor string       `json:"next_cursor,omitempty"`
}

// letterPosition is where a page of letters ended.
type letterPosition struct {
	Seq uint64 `json:"s,string"`
}

// deadLetters lists a page of letters. Those of accounts that the caller may not see are
// left out, so that a page may be short before the last.
func (c *call) deadLetters() error {
	if c.deps.DeadLetters == nil {
		return problem("not-found", "dead letters are not listed here; they are in a stream of their own")
	}
	limit, err := c.values.integer("limit", 1, maxLimit, defaultLimit)
	if err != nil {
		return err
	}
	var after letterPosition
	if c.values.Has("cursor") {
		if err := c.cursors.open(c.question(), c.values.Get("cursor"), &after); err != nil {
			return err
		}
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	letters, err := c.deps.DeadLetters.After(ctx, after.Seq, int(limit))
	if err != nil {
		return err
	}
	out := lettersAnswer{Rows: []DeadLetter{}}
	for _, l := range letters {
		if c.user.Sees(l.AppID) {
			out.Rows = append(out.Rows, l)
		}
	}
	if len(letters) == int(limit) {
		if out.NextCursor, err = c.cursors.seal(c.question(), letterPosition{letters[len(letters)-1].Seq}); err != nil {
			return err
		}
	}
	return c.answer(http.StatusOK, out)
}
