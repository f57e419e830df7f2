package ingest

import (
	"cmp"
	"errors"
	"net/http"
	"slices"

	"github.com/unionlink/unionlink/schemas"
)

// store publishes a request's good events and makes up its answer. Where any of them
// is not stored for certain, the whole request is answered with a problem, so that
// the client sends it again: what is stored then comes back as a duplicate.
func (g *Ingest) store(r *http.Request, in *intake) (*Answer, error) {
	answer := &Answer{Rejected: in.rejected}
	if len(in.events) > 0 {
		outcomes, err := g.publish.Publish(WithSource(r.Context(), "key:"+in.key.name), in.events)
		if err == nil {
			err = answer.add(in, outcomes)
		}
		if err != nil {
			g.warn.Do(func() {
				g.log.Warn("events not stored; the client was told to send them again", "kind", in.kind, "events", len(in.events), "error", err)
			})
			return nil, err
		}
	}
	if answer.Rejected == nil {
		answer.Rejected = []Rejection{}
	}
	return answer, nil
}

// add counts outcomes. It returns what a client has to wait for longest.
func (a *Answer) add(in *intake, outcomes []schemas.Outcome) error {
	var failed error
	for i, o := range outcomes {
		var refusal *schemas.Refusal
		switch {
		case errors.As(o.Err, &refusal):
			a.Rejected = append(a.Rejected, Rejection{Index: in.at[i], Type: refusal.Type, Field: refusal.Field, Detail: refusal.Detail})
		case o.Err != nil:
			if failed == nil || errors.Is(o.Err, ErrFull) {
				failed = o.Err
			}
		case o.Duplicate:
			a.Duplicates++
		default:
			a.Accepted++
		}
	}
	slices.SortFunc(a.Rejected, func(x, y Rejection) int { return cmp.Compare(x.Index, y.Index) })
	return failed
}
