package outbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// says is a publisher that answers with these outcomes.
type says func(events []schemas.Event) ([]schemas.Outcome, error)

func (s says) Publish(_ context.Context, events []schemas.Event) ([]schemas.Outcome, error) {
	return s(events)
}

func TestPublish(t *testing.T) {
	login := func() *schemas.Login {
		return &schemas.Login{Envelope: schemas.Envelope{EventID: "e", OccurredAt: time.Unix(1, 1).Add(40 * 365 * 24 * time.Hour), AppID: "wx1", OpenID: "oA"}}
	}
	t.Run("counts what was there before, and sends whole microseconds", func(t *testing.T) {
		e := login()
		n, err := Publish(t.Context(), says(func([]schemas.Event) ([]schemas.Outcome, error) {
			return []schemas.Outcome{{}, {Duplicate: true}}, nil
		}), e, login())
		if n != 1 || err != nil || e.OccurredAt.Nanosecond()%1000 != 0 || e.OccurredAt.Location() != time.UTC {
			t.Fatal(n, err, e.OccurredAt)
		}
	})
	t.Run("one that is not stored is an error", func(t *testing.T) {
		full := errors.New("full")
		_, err := Publish(t.Context(), says(func([]schemas.Event) ([]schemas.Outcome, error) {
			return []schemas.Outcome{{}, {Err: full}}, nil
		}), login(), login())
		if !errors.Is(err, full) {
			t.Fatal(err)
		}
	})
	t.Run("an outcome that is missing is an error", func(t *testing.T) {
		_, err := Publish(t.Context(), says(func([]schemas.Event) ([]schemas.Outcome, error) { return nil, nil }), login())
		if err == nil {
			t.Fatal("taken")
		}
	})
	t.Run("nothing is sent if one event is not valid", func(t *testing.T) {
		bad := login()
		bad.OpenID = "undefined"
		_, err := Publish(t.Context(), says(func([]schemas.Event) ([]schemas.Outcome, error) {
			t.Error("sent")
			return nil, nil
		}), login(), bad)
		var refusal *schemas.Refusal
		if !errors.As(err, &refusal) {
			t.Fatal(err)
		}
	})
}
