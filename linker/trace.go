package linker

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

const tracerName = "github.com/unionlink/unionlink/linker"

// maxLinks bounds the links of a batch's span: 128 is what OpenTelemetry's SDK keeps.
const maxLinks = 128

// startBatch opens the span of a batch, where traces are taken. It belongs to the trace of
// the first event that has one, and is linked to the spans of the others.
func (l *Linker) startBatch(ctx context.Context, msgs []jetstream.Msg) (context.Context, trace.Span) {
	if l.deps.Traces == nil {
		return ctx, trace.SpanFromContext(ctx) // does nothing
	}
	parent := ctx
	var links []trace.Link
	seen := map[trace.SpanID]bool{}
	for _, m := range msgs {
		from := stream.Trace(ctx, m.Headers())
		span := trace.SpanContextFromContext(from)
		if !span.IsValid() || seen[span.SpanID()] {
			continue
		}
		if len(seen) == 0 {
			parent = from
		} else {
			links = append(links, trace.Link{SpanContext: span})
		}
		seen[span.SpanID()] = true
		if len(links) == maxLinks {
			break
		}
	}
	return l.deps.Traces.Tracer(tracerName).Start(parent, "store batch", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...),
		trace.WithAttributes(attribute.String("messaging.system", "nats"), attribute.Int("messaging.batch.message_count", len(msgs))))
}

// traced runs one step of storing a batch, which is about so many rows, under a span below
// the batch's. Without rows there is nothing to do.
func traced(ctx context.Context, step string, rows int, do func(context.Context) error) error {
	if rows == 0 {
		return nil
	}
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer(tracerName)
	ctx, span := tracer.Start(ctx, step, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "clickhouse"), attribute.Int("db.operation.batch.size", rows)))
	defer span.End()
	err := do(ctx)
	if err != nil {
		span.SetStatus(codes.Error, string(classify(err))) // its text may quote a row
	}
	return err
}

// insert puts rows into a table, under a span of its own.
func insert[R any](ctx context.Context, l *Linker, name string, table warehouse.Table[R], rows []R) error {
	return traced(ctx, "insert "+name, len(rows), func(ctx context.Context) error { return table.Insert(ctx, l.deps.Warehouse, rows) })
}
