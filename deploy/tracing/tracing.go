// Package tracing takes traces, from an HTTP request through the headers of NATS's messages
// to the inserts into ClickHouse, and sends them to a collector by OTLP over HTTP.
//
// It is off unless an endpoint is configured. It promises that a collector that is away
// hinders nothing: spans are dropped then. No span names an account or anything of a
// user: routes appear as patterns, never as paths.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// Config says where traces go.
type Config struct {
	// Endpoint is the URL of an OTLP/HTTP receiver, such as http://collector:4318; without a
	// path, /v1/traces is meant. Headers it wants are taken from OTEL_EXPORTER_OTLP_HEADERS.
	// Empty: no traces are taken.
	Endpoint string `yaml:"endpoint"`
	// Share of the requests that are traced, above 0 and up to 1, where the caller has not
	// decided by a traceparent header. Default 1.
	Share float64 `yaml:"share"`
}

// Validate returns every fault at once.
func (c Config) Validate() error {
	var faults []error
	if c.Endpoint != "" {
		if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			faults = append(faults, errors.New("endpoint: is not a URL such as http://collector:4318"))
		}
	}
	if c.Share < 0 || c.Share > 1 {
		faults = append(faults, fmt.Errorf("share: %g is not above 0 and up to 1", c.Share))
	}
	return errors.Join(faults...)
}

// Tracing is the provider of spans, and their way to the collector.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// exportWait bounds one transmission to the collector.
const exportWait = 5 * time.Second

// Start begins to take traces in the name of a service. Where no endpoint is configured it
// returns nil, on which every method may be called and does nothing.
func Start(ctx context.Context, cfg Config, service string, log *slog.Logger, reg prometheus.Registerer) (*Tracing, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure tracing: %w", err)
	}
	if cfg.Endpoint == "" {
		return nil, nil
	}
	if cfg.Share == 0 {
		cfg.Share = 1
	}
	to, err := url.Parse(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("configure tracing: %w", err)
	}
	if to.Path == "" || to.Path == "/" {
		to.Path = "/v1/traces"
	}
	sender, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(to.String()), otlptracehttp.WithTimeout(exportWait))
	if err != nil {
		return nil, fmt.Errorf("open the way to the trace collector: %w", err)
	}
	counted, err := newCounting(sender, log, reg)
	if err != nil {
		return nil, err
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(counted, sdktrace.WithBatchTimeout(time.Second)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Share))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", service))),
	)
	return &Tracing{provider: provider, tracer: provider.Tracer("github.com/unionlink/unionlink/deploy/tracing")}, nil
}

// Provider is where parts get their tracers; nil where no traces are taken.
func (t *Tracing) Provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// Close sends what is still to be sent. That the collector does not take it is counted, and no error.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("close tracing: %w", err)
	}
	return nil
}

// counting counts and logs what the collector does not take. It keeps the errors from
// OpenTelemetry's global handler, which would write them past the program's log.
type counting struct {
	sdktrace.SpanExporter
	log      *slog.Logger
	warn     *rate.Sometimes
	exported prometheus.Counter
	dropped  prometheus.Counter
}

func newCounting(sender sdktrace.SpanExporter, log *slog.Logger, reg prometheus.Registerer) (*counting, error) {
	c := &counting{
		SpanExporter: sender, log: log, warn: &rate.Sometimes{First: 1, Interval: time.Minute},
		exported: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "unionlink_tracing_spans_total", Help: "Spans that the trace collector took.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "unionlink_tracing_dropped_total", Help: "Spans dropped since the trace collector did not take them.",
		}),
	}
	if err := errors.Join(reg.Register(c.exported), reg.Register(c.dropped)); err != nil {
		return nil, fmt.Errorf("register tracing metrics: %w", err)
	}
	return c, nil
}

// ExportSpans sends the spans once. It returns no error: what is lost is counted.
func (c *counting) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := c.SpanExporter.ExportSpans(ctx, spans); err != nil {
		c.dropped.Add(float64(len(spans)))
		c.warn.Do(func() {
			c.log.Warn("the trace collector does not take spans; they are dropped", "error", err, "spans", len(spans))
		})
		return nil
	}
	c.exported.Add(float64(len(spans)))
	return nil
}
