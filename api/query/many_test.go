package query_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// TestManyAccounts links one person over more accounts than a word of a set has bits, and has another in the last of them.
func TestManyAccounts(t *testing.T) {
	w := &world{}
	var names []string
	add := func(appid, openid string, person uint64) {
		who := schemas.IdentityHash(appid, openid)
		w.purchases = append(w.purchases, warehouse.PurchaseRow{Identity: who, OrderKey: uint64(len(w.purchases)), AppID: appid, Kind: "purchase", Amount: 5,
			Currency: "CNY", OccurredAt: streamStart, StreamTime: streamStart})
		w.persons = append(w.persons, warehouse.PersonRow{Identity: who, Learnt: streamStart, Person: person, Written: uint64(time.Now().UnixNano())})
	}
	for i := range 130 {
		names = append(names, fmt.Sprintf("wx%03d", i))
		add(names[i], "o", 7)
	}
	slices.Sort(names)
	add(names[129], "other", 8)
	r := w.store(t)
	got, err := r.Overlap(t.Context(), query.Params{})
	must(t, err)
	if diff := cmp.Diff([]query.OverlapSet{{Currency: "CNY", AppIDs: names, Buyers: 1, Net: 650}, {Currency: "CNY", AppIDs: names[129:], Buyers: 1, Net: 5}}, got.Sets); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	top, _, err := r.TopPersons(t.Context(), query.Params{ExactAccounts: names})
	must(t, err)
	if len(top) != 1 || top[0].Accounts != 130 || top[0].PersonID != schemas.PersonID(7) {
		t.Errorf("in exactly all accounts bought %+v", top)
	}
}
