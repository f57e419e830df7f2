package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/unionlink/unionlink/api/evidence"
	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
)

// unlinkBody says which links to undo, in one of three ways: appid, openid and space;
// space and value; source, from and to.
type unlinkBody struct {
	AppID  string     `json:"appid,omitempty"`
	OpenID string     `json:"openid,omitempty"`
	Space  string     `json:"space,omitempty" doc:"a key space, or migrate"`
	Value  string     `json:"value,omitempty"`
	Source string     `json:"source,omitempty" doc:"who stated the links"`
	From   *time.Time `json:"from,omitempty" doc:"stated at this stream time or later"`
	To     *time.Time `json:"to,omitempty" doc:"stated before this stream time"`
}

// undoAnswer is what moves, or would.
type undoAnswer struct {
	DryRun   bool   `json:"dry_run"`
	Action   string `json:"action" enum:"unlink,erase"`
	PersonID string `json:"person_id"`
	*evidence.Plan
	// The rest is of what was done only.
	Published int        `json:"events,omitempty" doc:"identity events that are durable now"`
	Receipt   string     `json:"receipt,omitempty" doc:"the name under which the audit has it"`
	At        *time.Time `json:"occurred_at,omitempty" doc:"the moment up to which statements are void"`
}

// selection turns the body into what it selects of a case.
func (b unlinkBody) selection(c *evidence.Case) (evidence.Selection, error) {
	var s evidence.Selection
	identity, key, source := b.AppID != "" || b.OpenID != "", b.Value != "", b.Source != "" || b.From != nil || b.To != nil
	switch {
	case identity && !key && !source && b.AppID != "" && b.OpenID != "" && b.Space != "":
		id, found := c.Find(b.AppID, b.OpenID)
		if !found {
			return s, problem("not-found", "the identity is none of this person's")
		}
		s.Identity, s.Space = id, b.Space
	case key && !identity && !source && b.Space != "":
		s.Space, s.Value = b.Space, b.Value
	case source && !identity && !key && b.Space == "" && b.Source != "":
		s.Source = b.Source
		if b.From != nil {
			s.From = *b.From
		}
		if b.To != nil {
			s.To = *b.To
		}
	default:
		return s, problem("invalid-body", "give appid, openid and space, or space and value, or source and perhaps from and to")
	}
	return s, nil
}

func (c *call) unlink() error {
	var body unlinkBody
	if err := c.body(&body); err != nil {
		return err
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	kase, _, err := c.open(ctx, query.Params{Allowed: c.user.Accounts})
	if err != nil {
		return err
	}
	selection, err := body.selection(kase)
	if err != nil {
		return err
	}
	plan, err := kase.Unlink(ctx, selection, c.deps.Now())
	if err != nil {
		return err
	}
	if len(plan.Unlinks) == 0 {
		return problem("not-found", "nothing that stands fits; see the person's explain")
	}
	return c.carryOut("unlink", kase.Person, plan)
}

func (c *call) erase() error {
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	kase, _, err := c.open(ctx, query.Params{Allowed: c.user.Accounts})
	if err != nil {
		return err
	}
	if kase.Hidden() {
		return problem("foreign-account", "the person has identities in accounts that are not among the token's; only who sees all may erase")
	}
	plan, err := kase.Erase(ctx, c.deps.Now())
	if err != nil {
		return err
	}
	return c.carryOut("erase", kase.Person, plan)
}

// carryOut publishes a plan, or only tells it in a dry run.
func (c *call) carryOut(action string, person uint64, plan *evidence.Plan) error {
	dry, err := c.values.flag("dry_run")
	if err != nil {
		return err
	}
	out := undoAnswer{DryRun: dry, Action: action, PersonID: schemas.PersonID(person), Plan: plan}
	if dry {
		return c.answer(http.StatusOK, out)
	}
	if out.Receipt, err = newReceipt(); err != nil {
		return err
	}
	out.Published, out.At = len(plan.Events), &plan.OccurredAt
	// What was done, without openids: the audit outlives an erasure.
	done := undone{Receipt: out.Receipt, Events: len(plan.Events), Identities: len(plan.Identities), At: plan.OccurredAt}
	if err := c.audit(action, out.PersonID, done); err != nil {
		return err
	}
	if err := c.publish(action, plan.Events); err != nil {
		return err
	}
	if err := c.audit(action+"-done", out.PersonID, done); err != nil {
		return fmt.Errorf("the events are durable, but: %w", err)
	}
	return c.answer(http.StatusAccepted, out)
}

// undone is an undoing's detail in the audit.
type undone struct {
	Receipt    string    `json:"receipt"`
	Events     int       `json:"events"`
	Identities int       `json:"identities"`
	At         time.Time `json:"occurred_at"`
}

// newReceipt makes the name that ties the entries of the audit together.
func newReceipt() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make a receipt: %w", err)
	}
	return "r_" + hex.EncodeToString(b[:]), nil
}

// publish makes identity events durable, all of them; what was durable before an error
// stays so, and doing it all again does no harm.
func (c *call) publish(action string, events []schemas.Event) error {
	for _, e := range events {
		schemas.FillEventID(e)
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), c.cfg.QuestionTime)
	defer cancel()
	outcomes, err := c.deps.Publisher.Publish(ctx, events)
	durable := 0
	for _, o := range outcomes {
		if o.Err == nil {
			durable++
		} else {
			err = errors.Join(err, o.Err)
		}
	}
	c.metrics.published.WithLabelValues(action).Add(float64(durable))
	if err == nil && durable == len(events) {
		return nil
	}
	c.deps.Log.LogAttrs(ctx, levelOf(c.r), "publish identity events", logAttrs(c.route, "unavailable", err)...)
	return problem("unavailable", "%d of %d identity events are durable; ask again, which does no harm", durable, len(events))
}
