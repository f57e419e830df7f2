package ingest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/schemas"
)

// recorder is a Publisher that notes in whose name it is called.
type recorder struct{ sources []string }

func (r *recorder) Publish(ctx context.Context, events []schemas.Event) ([]schemas.Outcome, error) {
	r.sources = append(r.sources, sourceOf(ctx))
	return nil, nil
}

func TestFrom(t *testing.T) {
	r := &recorder{}
	p := From("wechat", r)
	for _, ctx := range []context.Context{t.Context(), WithSource(t.Context(), "key:shop")} {
		if _, err := p.Publish(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"wechat", "key:shop"}, r.sources); d != "" {
		t.Fatal(d)
	}
}
