package tracing

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// quiet are the routes that machines ask all the time.
var quiet = map[string]bool{"/livez": true, "/readyz": true, "/metrics": true}

// Requests gives each request a span, named by method and route pattern, within the trace
// that its traceparent header names. It belongs outside the router's routes.
func (t *Tracing) Requests(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if quiet[r.URL.Path] {
			next.ServeHTTP(w, r)
			return
		}
		ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("http.request.method", r.Method)))
		defer span.End()
		answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() { describe(span, r, answer.Status()) }() // also where the handler panics
		next.ServeHTTP(answer, r.WithContext(ctx))
	})
}

func describe(span trace.Span, r *http.Request, status int) {
	if status == 0 {
		status = http.StatusOK
	}
	if route := chi.RouteContext(r.Context()); route != nil && route.RoutePattern() != "" {
		span.SetName(r.Method + " " + route.RoutePattern())
		span.SetAttributes(attribute.String("http.route", route.RoutePattern()))
	}
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
}
