// Package outbox hands events to ingest's committer, all or an error: what WeChat is
// told has happened is on stable storage first.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// Publisher stores events durably before it returns. ingest.Committer is one.
type Publisher interface {
	Publish(ctx context.Context, events []schemas.Event) ([]schemas.Outcome, error)
}

// Publish stores every event or returns an error; then some may be stored, and
// publishing all again is harmless. It returns how many were there before. An event
// that is not valid is a *schemas.Refusal, and none is stored.
func Publish(ctx context.Context, p Publisher, events ...schemas.Event) (duplicates int, err error) {
	if len(events) == 0 {
		return 0, nil
	}
	for _, e := range events {
		h := e.Head()
		h.OccurredAt = h.OccurredAt.UTC().Truncate(time.Microsecond)
		if err := e.Validate(); err != nil {
			return 0, fmt.Errorf("check %s event: %w", e.Kind(), err)
		}
	}
	outcomes, err := p.Publish(ctx, events)
	if err != nil {
		return 0, fmt.Errorf("publish %d events: %w", len(events), err)
	}
	if len(outcomes) != len(events) {
		return 0, fmt.Errorf("publish %d events: the publisher tells the outcome of %d", len(events), len(outcomes))
	}
	var faults []error
	for _, o := range outcomes {
		if o.Duplicate {
			duplicates++
		}
		if o.Err != nil {
			faults = append(faults, o.Err)
		}
	}
	if len(faults) > 0 {
		return duplicates, fmt.Errorf("publish %d of %d events: %w", len(faults), len(events), errors.Join(faults[:min(len(faults), 3)]...))
	}
	return duplicates, nil
}
