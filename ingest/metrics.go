package ingest

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/schemas"
)

// No label ever holds an appid, a key name or anything of a user: only what this
// program itself enumerates.

// metrics are those of the routes.
type metrics struct {
	request   *prometheus.HistogramVec
	rejected  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	bodyBytes prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		request: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "unionlink_ingest_request_seconds", Help: "Time to answer a request with events, by kind and HTTP status.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"kind", "code"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unionlink_ingest_rejected_total", Help: "Events rejected, by kind and type of rejection.",
		}, []string{"kind", "type"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unionlink_ingest_problems_total", Help: "Requests answered with a problem, by its type.",
		}, []string{"type"}),
		bodyBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "unionlink_ingest_body_bytes", Help: "Bytes of request bodies being worked upon.",
		}),
	}
	return m, register(reg, m.request, m.rejected, m.refusals, m.bodyBytes)
}

// commitMetrics are those of the Committer.
type commitMetrics struct {
	events   *prometheus.CounterVec
	errors   *prometheus.CounterVec
	batch    prometheus.Histogram
	publish  *prometheus.HistogramVec
	inflight prometheus.Gauge
}

func newCommitMetrics(reg prometheus.Registerer) (*commitMetrics, error) {
	m := &commitMetrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unionlink_ingest_events_total", Help: "Events given to the stream, by kind and outcome: accepted, duplicate or failed.",
		}, []string{"kind", "outcome"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unionlink_ingest_publish_errors_total", Help: "Events not stored for certain, by reason: busy, full, unavailable, refused or canceled.",
		}, []string{"reason"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "unionlink_ingest_batch_events", Help: "Events that were sent to the stream together.", Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
		}),
		publish: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "unionlink_ingest_publish_seconds", Help: "Time until the stream acknowledged, by path: single, batch or fallback.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"path"}),
		inflight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "unionlink_ingest_inflight_bytes", Help: "Bytes of events that wait for the stream's acknowledgement.",
		}),
	}
	return m, register(reg, m.events, m.errors, m.batch, m.publish, m.inflight)
}

func (m *commitMetrics) outcome(k schemas.Kind, o schemas.Outcome) {
	switch {
	case o.Err != nil:
		m.events.WithLabelValues(string(k), "failed").Inc()
		m.failed(reason(o.Err), 1)
	case o.Duplicate:
		m.events.WithLabelValues(string(k), "duplicate").Inc()
	default:
		m.events.WithLabelValues(string(k), "accepted").Inc()
	}
}

func (m *commitMetrics) failed(why string, events int) {
	m.errors.WithLabelValues(why).Add(float64(events))
}

func register(reg prometheus.Registerer, cs ...prometheus.Collector) error {
	if reg == nil {
		return errors.New("no registerer was given")
	}
	var errs []error
	for _, c := range cs {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}
