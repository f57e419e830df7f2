package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	exported  *prometheus.CounterVec
	published *prometheus.CounterVec
	health    *gauges
}

// newMetrics makes the API's metrics and registers them where there is a registerer.
func newMetrics(reg prometheus.Registerer) (metrics, error) {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unionlink_api_requests_total", Help: "Answers by route and HTTP status; broken: one that ended in the middle.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "unionlink_api_request_seconds", Help: "How long answers took, exports included.",
			Buckets: []float64{.005, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120},
		}, []string{"route"}),
		exported: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unionlink_api_exported_rows_total", Help: "Rows taken away in whole exports.",
		}, []string{"format"}),
		published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unionlink_api_identity_events_total", Help: "Identity events that were made durable.",
		}, []string{"action"}),
		health: newGauges(),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range append(m.health.collectors(), m.requests, m.seconds, m.exported, m.published) {
		if err := reg.Register(c); err != nil {
			return m, fmt.Errorf("register the api's metrics: %w", err)
		}
	}
	return m, nil
}

// levelOf is Warn where the caller went away, Error otherwise.
func levelOf(r *http.Request) slog.Level {
	if r.Context().Err() != nil {
		return slog.LevelWarn
	}
	return slog.LevelError
}

// logAttrs tells of a failure without what was asked: a question may hold an openid, and
// so may ClickHouse's account of it, of which only the code is told.
func logAttrs(r *route, status string, err error) []slog.Attr {
	attrs := []slog.Attr{slog.String("route", r.id), slog.String("status", status)}
	var exception *clickhouse.Exception
	switch {
	case errors.As(err, &exception):
		attrs = append(attrs, slog.Int("clickhouse_code", int(exception.Code)), slog.String("clickhouse_name", exception.Name))
	case errors.Is(err, context.Canceled):
		attrs = append(attrs, slog.String("error", "the caller went away"))
	case err != nil:
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	return attrs
}
