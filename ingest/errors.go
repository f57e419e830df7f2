package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas/stream"
)

// What Publish answers where an event is not certainly stored. After each of them the
// same event may be published again, now or later: if it was stored after all, it
// comes back as a duplicate.
var (
	// ErrBusy says that too many bytes wait for their acknowledgement already. Nothing was published.
	ErrBusy = errors.New("too many events are waiting to be stored")
	// ErrFull says that the stream takes no more until its limit is raised. The event is not stored.
	ErrFull = stream.ErrFull
	// ErrUnavailable says that no acknowledgement came: NATS is away, slow or changing
	// its leader. The event may or may not be stored.
	ErrUnavailable = errors.New("the event stream does not answer")
)

// classify turns what NATS answered into one of the errors above, keeping the cause.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if stream.Full(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// refusedByStream tells whether the stream itself answered, so that nothing of the
// batch is stored.
func refusedByStream(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api)
}

// reason names an error for metrics.
func reason(err error) string {
	switch {
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrFull):
		return "full"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "canceled"
	}
	return "refused"
}
