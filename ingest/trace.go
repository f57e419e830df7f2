package ingest

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// startPublish opens a span below the request's, by the same provider; where the request
// has none, neither has this. Spans name no account and nothing of a user.
func startPublish(ctx context.Context, events int) (context.Context, trace.Span) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer("github.com/unionlink/unionlink/ingest")
	return tracer.Start(ctx, "publish events", trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attribute.String("messaging.system", "nats"), attribute.Int("messaging.batch.message_count", events)))
}

// endPublish closes the span. failed counts the events that were not stored.
func endPublish(span trace.Span, failed int) {
	if failed > 0 {
		span.SetAttributes(attribute.Int("unionlink.events_failed", failed))
		span.SetStatus(codes.Error, "events were not stored")
	}
	span.End()
}
