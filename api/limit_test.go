package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
)

// testSecondLock asks as somebody who may see wx1 only, and forgets to say so in the
// questions: ClickHouse's row filters must answer the same.
func (r *rig) testSecondLock(t *testing.T) {
	whole := query.New(r.api.reader(access.User{}))
	asked := func(accounts ...string) *query.Reports {
		return query.New(r.api.reader(access.User{Accounts: accounts}))
	}
	past := now.AddDate(0, 0, -4)
	for name, p := range map[string]query.Params{"now": {TZ: "UTC", Asked: now}, "as of a past moment": {TZ: "UTC", Asked: now, AsOf: &past}} {
		narrow := p
		narrow.Allowed = []string{"wx1"}
		want, err := whole.Summary(t.Context(), narrow)
		must(t, err)
		got, err := asked("wx1").Summary(t.Context(), p)
		must(t, err)
		if d := cmp.Diff(want, got); d != "" || len(got) == 0 {
			t.Errorf("%s: %s", name, d)
		}
		members, err := asked("wx1").Identities(t.Context(), personP, p)
		must(t, err)
		if len(members) != 1 || members[0].AppID != "wx1" {
			t.Errorf("%s: %v", name, members)
		}
		if got, err = asked("wx9").Summary(t.Context(), p); err != nil || len(got) != 0 {
			t.Errorf("%s: an account without orders has %v, %v", name, got, err)
		}
		if got, err = query.New(r.api.deps.Limited).Summary(t.Context(), p); err != nil || len(got) != 0 {
			t.Errorf("%s: without accounts there are %v, %v", name, got, err)
		}
	}
	if _, err := asked("wx1").PersonOf(t.Context(), "wx2", "o-p2", query.Params{}); err != query.ErrNotFound {
		t.Errorf("an identity of wx2 is found: %v", err)
	}
	if _, err := asked("wx1").Present(t.Context(), schemas.PersonID(personQ), query.Params{}); err != query.ErrNotFound {
		t.Errorf("a person of other accounts is found: %v", err)
	}
}
