package ingest

import (
	"context"

	"github.com/unionlink/unionlink/schemas"
)

type sourceKey struct{}

// WithSource names who states the events that are published under the context: the
// evidence of each link carries it, so that all that one source stated can be undone.
func WithSource(ctx context.Context, source string) context.Context {
	return context.WithValue(ctx, sourceKey{}, source)
}

func sourceOf(ctx context.Context) string {
	source, _ := ctx.Value(sourceKey{}).(string)
	return source
}

// From is p with every event published in the name of source, unless the context
// names another.
func From(source string, p Publisher) Publisher { return named{source, p} }

type named struct {
	source string
	Publisher
}

func (n named) Publish(ctx context.Context, events []schemas.Event) ([]schemas.Outcome, error) {
	if sourceOf(ctx) == "" {
		ctx = WithSource(ctx, n.source)
	}
	return n.Publisher.Publish(ctx, events)
}
