package linker

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a linker tells Prometheus.
type metrics struct {
	events      *prometheus.CounterVec
	deadLetters *prometheus.CounterVec
	storeErrors *prometheus.CounterVec
	moved       prometheus.Counter
	erased      prometheus.Counter
	batchSize   prometheus.Histogram
	batchTime   prometheus.Histogram
	linkLag     prometheus.Histogram
	pending     prometheus.Gauge
	ackPending  prometheus.Gauge
	gap         prometheus.Gauge
	dead        prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	name := func(n, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "unionlink", Subsystem: "linker", Name: n, Help: help}
	}
	counter := func(n, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(name(n, help)), labels)
	}
	gauge := func(n, help string) prometheus.Gauge { return prometheus.NewGauge(prometheus.GaugeOpts(name(n, help))) }
	histogram := func(n, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "unionlink", Subsystem: "linker", Name: n, Help: help, Buckets: buckets})
	}
	seconds := prometheus.ExponentialBuckets(0.005, 2, 14)
	m := &metrics{
		events:      counter("events_total", "Events stored or buried, by kind and outcome.", "kind", "outcome"),
		deadLetters: counter("dead_letters_total", "Messages published to the dead letters, by reason.", "reason"),
		storeErrors: counter("store_errors_total", "Tries to store a batch that did not succeed, by class of error.", "class"),
		moved:       prometheus.NewCounter(prometheus.CounterOpts(name("moved_total", "Identities that moved from one person to another."))),
		erased:      prometheus.NewCounter(prometheus.CounterOpts(name("erased_total", "Identities whose erasure was carried out."))),
		batchSize:   histogram("batch_events", "Events in a batch.", prometheus.ExponentialBuckets(1, 2, 15)),
		batchTime:   histogram("batch_seconds", "Time from a fetched batch to its acknowledgement.", seconds),
		linkLag:     histogram("event_lag_seconds", "Time from an event's arrival in the stream to its acknowledgement.", seconds),
		pending:     gauge("pending", "Messages in the stream that were not delivered yet."),
		ackPending:  gauge("ack_pending", "Messages delivered and not acknowledged yet."),
		dead:        gauge("dead_letters", "Dead letters waiting."),
		gap: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "unionlink", Name: "conservation_gap",
			Help: "Messages acknowledged without a row in the ledger of messages: anything but 0 is a loss.",
		}),
	}
	reg.MustRegister(m.events, m.deadLetters, m.storeErrors, m.moved, m.erased, m.batchSize, m.batchTime, m.linkLag, m.pending, m.ackPending, m.dead, m.gap)
	return m
}

func (m *metrics) batch(b *batch, took time.Duration) {
	m.batchSize.Observe(float64(len(b.deliveries)))
	m.batchTime.Observe(took.Seconds())
	for i := range b.deliveries {
		d := &b.deliveries[i]
		kind, outcome := "unknown", outcomeDeadLetter
		if d.refusal == nil {
			kind, outcome = string(d.event.Kind()), "stored"
		}
		m.events.WithLabelValues(kind, outcome).Inc()
		m.linkLag.Observe(time.Since(d.stream).Seconds())
	}
}

// state is what hinders the linker, by the step that is hindered.
type state struct {
	mu   sync.Mutex
	errs map[string]error
}

func (s *state) fail(step string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.errs == nil {
		s.errs = map[string]error{}
	}
	s.errs[step] = err
}

func (s *state) works(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.errs, step)
}

func (s *state) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for step, err := range s.errs {
		errs = append(errs, fmt.Errorf("%s: %w", step, err))
	}
	return errors.Join(errs...)
}
