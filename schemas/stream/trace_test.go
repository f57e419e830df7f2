package stream_test

import (
	"testing"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"

	"github.com/unionlink/unionlink/schemas/stream"
)

func TestTrace(t *testing.T) {
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	m := nats.NewMsg("s")
	stream.SetTrace(trace.ContextWithSpanContext(t.Context(), span), m)
	if got, want := m.Header.Get("traceparent"), "00-01000000000000000000000000000000-0200000000000000-01"; got != want {
		t.Errorf("traceparent is %q, want %q", got, want)
	}
	back := trace.SpanContextFromContext(stream.Trace(t.Context(), m.Header))
	if !back.IsRemote() || back.TraceID() != span.TraceID() || back.SpanID() != span.SpanID() {
		t.Errorf("it comes back as %+v", back)
	}

	m = nats.NewMsg("s")
	stream.SetTrace(t.Context(), m)
	if len(m.Header) > 0 {
		t.Errorf("without a trace the headers are %v", m.Header)
	}
	for _, hostile := range []string{"", "00", "ff-01-02-03", "00-00000000000000000000000000000000-0000000000000000-01"} {
		m.Header.Set("traceparent", hostile)
		if trace.SpanContextFromContext(stream.Trace(t.Context(), m.Header)).IsValid() {
			t.Errorf("%q names a trace", hostile)
		}
	}
	if trace.SpanContextFromContext(stream.Trace(t.Context(), nil)).IsValid() {
		t.Error("no headers name a trace")
	}
}
