package api

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/api/query"
)

// gauges are the health of identity as Prometheus sees it, over all accounts and all time.
type gauges struct {
	identities, linked, persons, conflicts, overloaded, biggest prometheus.Gauge
	late                                                        *prometheus.GaugeVec
	unlinked                                                    *prometheus.GaugeVec
}

func newGauges() *gauges {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "unionlink", Subsystem: "identity", Name: name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "unionlink", Subsystem: "identity", Name: name, Help: help}, []string{label})
	}
	return &gauges{
		identities: gauge("identities", "Identities known."),
		linked:     gauge("linked", "Identities whose person rests on a key or another identity."),
		persons:    gauge("persons", "Persons that the identities are."),
		conflicts:  gauge("conflicts", "Spaces of an identity in which more than one value stands."),
		overloaded: gauge("overloaded_keys", "Keys that more identities hold than a key may join, and that link nobody."),
		biggest:    gauge("biggest_person", "Identities of the person that has most."),
		late:       vector("late_link_seconds", "Time from an identity's first event to its first link, of those linked late.", "quantile"),
		unlinked:   vector("unlinked_revenue_share", "Share of the net that comes from identities that nothing links, by currency.", "currency"),
	}
}

func (g *gauges) collectors() []prometheus.Collector {
	return []prometheus.Collector{g.identities, g.linked, g.persons, g.conflicts, g.overloaded, g.biggest, g.late, g.unlinked}
}

func (g *gauges) set(h query.Health) {
	g.identities.Set(float64(h.Identities))
	g.linked.Set(float64(h.LinkedIdentities))
	g.persons.Set(float64(h.Persons))
	g.conflicts.Set(float64(h.Conflicts))
	g.overloaded.Set(float64(len(h.Overloaded)))
	g.biggest.Set(0)
	if len(h.Biggest) > 0 {
		g.biggest.Set(float64(h.Biggest[0].Identities))
	}
	g.late.WithLabelValues("0.5").Set(h.LateLinks.MedianSeconds)
	g.late.WithLabelValues("0.95").Set(h.LateLinks.P95Seconds)
	for _, r := range h.Revenue {
		if r.Share != nil {
			g.unlinked.WithLabelValues(r.Currency).Set(*r.Share)
		}
	}
}

const (
	// healthEvery is how often the health of identity is measured, where that is quick.
	healthEvery = time.Minute
	// healthShare bounds the time spent on it: one part in so many.
	healthShare = 50
)

// Run measures the health of identity for Prometheus now and then, until ctx ends. It
// asks the same as GET /v1/health/identity, less often the longer that takes.
func (a *API) Run(ctx context.Context) error {
	for {
		began := time.Now()
		if err := a.measure(ctx); err != nil && ctx.Err() == nil {
			a.deps.Log.Warn("the health of identity was not measured; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(healthEvery, healthShare*time.Since(began))):
		}
	}
}

func (a *API) measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.QuestionTime)
	defer cancel()
	h, err := a.all.IdentityHealth(ctx, query.Params{Asked: a.deps.Now()}, a.cfg.MaxIdentitiesPerKey)
	if err != nil {
		return fmt.Errorf("measure the health of identity: %w", err)
	}
	a.metrics.health.set(h)
	return nil
}
