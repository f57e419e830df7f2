package wechat_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/unionlink/unionlink/ingest/wechat/backfill"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/schemas"
)

// asked counts how often each openid was asked for.
func (w *world) asked() map[string]int {
	w.t.Helper()
	w.calls.mu.Lock()
	defer w.calls.mu.Unlock()
	asked := make(map[string]int)
	for _, body := range w.calls.bodies {
		var b struct {
			List []struct{ OpenID string } `json:"user_list"`
		}
		w.check(json.Unmarshal(body, &b))
		for _, u := range b.List {
			asked[u.OpenID]++
		}
	}
	return asked
}

func (w *world) followers(n int, appids ...string) {
	w.t.Helper()
	w.admin("POST", "/users", obj{"count": n, "follow": appids, "push": false}, nil)
}

// wantAsked fails unless n followers were asked for, each once.
func (w *world) wantAsked(n int) {
	w.t.Helper()
	asked := w.asked()
	if len(asked) != n {
		w.t.Fatalf("%d followers were asked for, want %d", len(asked), n)
	}
	for _, times := range asked {
		if times != 1 {
			w.t.Fatalf("a follower was asked for %d times", times)
		}
	}
}

func TestEnrich(t *testing.T) {
	t.Run("links every follower, and goes on where it was stopped", func(t *testing.T) {
		w := newWorld(t, nil)
		const n = 20_000
		w.followers(n, shop)
		ctx, stop := context.WithCancel(t.Context())
		var at backfill.Progress
		for stops := range 3 {
			ctx, stop = context.WithCancel(t.Context())
			_, err := w.wechat.Enrich(ctx, shop, func(p backfill.Progress) {
				if at = p; p.Asked >= 4_000*(stops+1) {
					stop()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		stop()
		got, err := w.wechat.Enrich(t.Context(), shop, nil)
		w.check(err)
		if want := (backfill.Progress{Total: n, Asked: n, Linked: n}); got != want || at.Asked >= n {
			t.Fatalf("%+v after %+v", got, at)
		}
		w.wantAsked(n)
		s, err := w.js.Stream(t.Context(), "UNIONLINK_EVENTS")
		w.check(err)
		if events := s.CachedInfo().State.Msgs; events != n {
			t.Fatalf("%d events", events)
		}
	})
	t.Run("the events state the unionids", func(t *testing.T) {
		w := newWorld(t, nil)
		w.followers(3, shop)
		_, err := w.wechat.Enrich(t.Context(), shop, nil)
		w.check(err)
		want := map[string]string{}
		for _, id := range []string{"u6", "u7", "u8"} {
			u := w.user(id, shop)
			want[u.OpenID] = u.UnionID
		}
		for _, e := range w.until(3) {
			if l := e.(*schemas.Login); l.UnionID != want[l.OpenID] || l.UnionID == "" {
				t.Fatalf("%+v", l)
			}
		}
	})
}

func TestEnrich_faults(t *testing.T) {
	t.Run("a spent quota stops it and tells when to go on", func(t *testing.T) {
		w := newWorld(t, nil)
		w.followers(500, shop)
		w.admin("PUT", "/accounts/"+shop+"/quota", obj{"path": "/cgi-bin/user/info/batchget", "per_day": 3}, nil)
		_, err := w.wechat.Enrich(t.Context(), shop, nil)
		var quota *backfill.QuotaError
		if !errors.As(err, &quota) || quota.AppID != shop || quota.Resume.IsZero() || !client.IsCode(err, client.CodeDailyQuota) {
			t.Fatal(err)
		}
		w.until(300)
		w.admin("PUT", "/accounts/"+shop+"/quota", obj{"path": "/cgi-bin/user/info/batchget", "per_day": 0}, nil)
		got, err := w.wechat.Enrich(t.Context(), shop, nil)
		w.check(err)
		if got.Asked != 500 || got.Linked != 500 {
			t.Fatalf("%+v", got)
		}
		w.until(500)
	})
	t.Run("a busy minute and a lost answer are waited out", func(t *testing.T) {
		w := newWorld(t, nil)
		w.followers(200, shop)
		w.admin("POST", "/faults", obj{"route": "/cgi-bin/user/info/batchget", "times": 2, "errcode": 45011}, nil)
		w.admin("POST", "/faults", obj{"route": "/cgi-bin/user/get", "times": 5, "drop_reply": true}, nil)
		got, err := w.wechat.Enrich(t.Context(), shop, nil)
		w.check(err)
		if got.Linked != 200 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a token that another program superseded is renewed", func(t *testing.T) {
		w := newWorld(t, nil)
		w.followers(200, shop)
		_, err := w.wechat.Enrich(t.Context(), shop, nil)
		w.check(err)
		other, err := client.New(client.Config{APIURL: w.sim.URL, OpenURL: w.sim.URL}, nil)
		w.check(err)
		w.admin("PATCH", "/knobs", obj{"token_overlap_seconds": 0}, nil)
		w.admin("POST", "/clock", obj{"advance_seconds": 60}, nil)
		if _, err := other.StableToken(t.Context(), client.Credentials{AppID: shop, Secret: secret}, true); err != nil {
			t.Fatal(err)
		}
		before := w.calls.of("/cgi-bin/stable_token")
		got, err := w.wechat.Enrich(t.Context(), shop, nil)
		w.check(err)
		if got.Linked != 200 || w.calls.of("/cgi-bin/stable_token") != before+1 {
			t.Fatal(got, before, w.calls.of("/cgi-bin/stable_token"))
		}
	})
	t.Run("only official accounts have followers to link", func(t *testing.T) {
		w := newWorld(t, nil)
		for _, appid := range []string{mini, "wxnobody"} {
			if _, err := w.wechat.Enrich(t.Context(), appid, nil); err == nil {
				t.Error(appid)
			}
		}
	})
	t.Run("a wrong secret stops it", func(t *testing.T) {
		w := newWorld(t, nil)
		w.admin("POST", "/faults", obj{"route": "/cgi-bin/stable_token", "errcode": 40125}, nil)
		if _, err := w.wechat.Enrich(t.Context(), shop, nil); !client.IsCode(err, 40125) {
			t.Fatal(err)
		}
	})
}

func TestMigrate(t *testing.T) {
	w := newWorld(t, nil)
	const n = 250
	w.followers(n, shop)
	openids := make([]string, 0, n+1)
	want := map[string]string{}
	for i := range n {
		id := "u" + itoa(6+i)
		openids = append(openids, w.user(id, shop).OpenID)
		want[w.user(id, shop).OpenID] = w.user(id, cafe).OpenID
	}
	openids = append(openids, "oNobodyKnowsThisOne000000000")
	move := backfill.Migration{From: shop, To: cafe, OpenIDs: openids}

	if _, err := w.wechat.Migrate(t.Context(), move, nil); !client.IsCode(err, 63178) {
		t.Fatal("before the migration:", err)
	}
	w.admin("POST", "/migrations", obj{"from": shop, "to": cafe}, nil)
	ctx, stop := context.WithCancel(t.Context())
	_, err := w.wechat.Migrate(ctx, move, func(backfill.Progress) { stop() })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	failed := 0
	move.Failed = func(string, string) { failed++ }
	before := w.calls.of("/cgi-bin/changeopenid")
	got, err := w.wechat.Migrate(t.Context(), move, nil)
	w.check(err)
	if wanted := (backfill.Progress{Total: n + 1, Asked: n + 1, Linked: n, Refused: 1}); got != wanted || failed != 1 {
		t.Fatalf("%+v, %d failed", got, failed)
	}
	if calls := w.calls.of("/cgi-bin/changeopenid") - before; calls != 2 {
		t.Fatalf("%d calls for what was left", calls)
	}
	for _, e := range w.until(n) {
		m := e.(*schemas.Identity)
		if m.Action != schemas.ActionMigrate || m.AppID != cafe || m.FromAppID != shop || m.OpenID != want[m.FromOpenID] {
			t.Fatalf("%+v", m)
		}
	}
}

func TestQueue(t *testing.T) {
	t.Run("what was queued before a start is asked for after it, a hundred at once", func(t *testing.T) {
		w := newWorld(t, nil)
		w.pushed(shop, "plain")
		const n = 60
		w.admin("POST", "/users", obj{"count": n, "follow": []string{shop}, "push": true}, nil)
		w.until(n)
		w.settled("push")
		w.work()
		w.until(2 * n)
		if calls := w.calls.of("/cgi-bin/user/info/batchget"); calls > n/2 {
			t.Fatalf("%d questions for %d followers", calls, n)
		}
	})
	t.Run("an outage of WeChat leaves followers queued", func(t *testing.T) {
		w := newWorld(t, nil)
		w.pushed(shop, "plain")
		w.admin("POST", "/faults", obj{"route": "/cgi-bin/user/info/batchget", "times": 30, "http_status": 502}, nil)
		w.work()
		w.admin("POST", "/users/u1/follow", obj{"appid": shop}, nil)
		if e := w.until(2)[1].(*schemas.Login); e.UnionID != w.user("u1", shop).UnionID {
			t.Fatalf("%+v", e)
		}
	})
}
