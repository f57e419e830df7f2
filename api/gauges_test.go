package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/api/query"
)

func TestGauges(t *testing.T) {
	g := newGauges()
	share := 0.25
	g.set(query.Health{
		Identities: 9, LinkedIdentities: 4, Persons: 6, Conflicts: 1, Overloaded: []query.OverloadedKey{{}, {}},
		Biggest: []query.BigPerson{{Identities: 3}, {Identities: 2}}, Revenue: []query.Unlinked{{Currency: "CNY", Share: &share}, {Currency: "USD"}},
		LateLinks: query.LateLinks{MedianSeconds: 60, P95Seconds: 600},
	})
	reg := prometheus.NewRegistry()
	reg.MustRegister(g.collectors()...)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()] = append(got[f.GetName()], m.GetGauge().GetValue())
		}
	}
	want := map[string][]float64{
		"unionlink_identity_identities": {9}, "unionlink_identity_linked": {4}, "unionlink_identity_persons": {6},
		"unionlink_identity_conflicts": {1}, "unionlink_identity_overloaded_keys": {2}, "unionlink_identity_biggest_person": {3},
		"unionlink_identity_late_link_seconds": {60, 600}, "unionlink_identity_unlinked_revenue_share": {0.25},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}
