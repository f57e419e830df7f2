package query_test

import (
	"testing"

	"github.com/unionlink/unionlink/api/query"
)

// TestWorld holds the world to having what the model is to judge: otherwise everything would agree on nothing.
func TestWorld(t *testing.T) {
	w := makeWorld(1)
	m := w.model(query.Params{Asked: asked})
	var cross, refunds, late int
	for _, row := range m.summary() {
		cross += int(row.CrossAccountBuyers)
		if row.Refunds > 0 {
			refunds++
		}
		if row.LinkedShare == nil || *row.LinkedShare == 0 || *row.LinkedShare == 1 {
			t.Errorf("%s has no mix of linked and unlinked buyers", row.Currency)
		}
	}
	for _, p := range w.persons {
		for _, i := range w.identities {
			if i.Identity == p.Identity && p.Learnt.After(i.FirstSeen) {
				late++
			}
		}
	}
	for name, n := range map[string]int{"cross-account buyers": cross, "currencies with refunds": refunds, "late links": late,
		"sets": len(m.overlap().Sets), "segments": len(m.rfm()), "cohorts": len(m.cohorts()), "journeys": len(m.journeys()),
		"products": len(m.products()), "refunds": len(m.refunds())} {
		if n < 3 {
			t.Errorf("the world has only %d %s", n, name)
		}
	}
	if len(rule.Resolve(w.facts()).Overloaded) == 0 || len(rule.Resolve(w.facts()).Conflicts) == 0 {
		t.Error("the world has no overloaded key or no conflict")
	}
}
