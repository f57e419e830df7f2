package stream

import (
	"context"
	"maps"
	"slices"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/propagation"
)

// SetTrace notes the trace that ctx belongs to, if any, in the message's headers, as W3C
// Trace Context has it: traceparent and tracestate, written in lower case.
func SetTrace(ctx context.Context, m *nats.Msg) {
	propagation.TraceContext{}.Inject(ctx, traceHeader(m.Header))
}

// Trace is ctx within the trace that a message's headers name; ctx itself where they name none.
func Trace(ctx context.Context, h nats.Header) context.Context {
	return propagation.TraceContext{}.Extract(ctx, traceHeader(h))
}

// traceHeader is NATS's headers, whose names have a case, as OpenTelemetry reads and writes them.
type traceHeader nats.Header

// Get is the first value.
func (h traceHeader) Get(key string) string { return nats.Header(h).Get(key) }

// Set replaces the values.
func (h traceHeader) Set(key, value string) { nats.Header(h).Set(key, value) }

// Keys are the names.
func (h traceHeader) Keys() []string { return slices.Collect(maps.Keys(h)) }
