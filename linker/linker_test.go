package linker_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// buyers counts persons with a purchase, and what they paid.
const buyers = "SELECT uniqExact(person_id), count(), sum(amount) FROM v_purchases"

func TestLinker(t *testing.T) {
	r := newRig(t)
	r.link(linker.Config{})

	t.Run("a purchase is counted before anyone is linked", func(t *testing.T) {
		r := r.in(t)
		r.publish(buy("wx1", "oA", "1", 100, 0), buy("wx2", "oB", "2", 200, 0), login("wx1", "oA", "", 0))
		r.counted()
		r.want(buyers, "2 2 300")
	})
	t.Run("a late unionid joins, and rewrites no purchase", func(t *testing.T) {
		r := r.in(t)
		parts := "SELECT name FROM system.parts WHERE database = currentDatabase() AND table = 'purchases' AND active ORDER BY name"
		before := r.ask(parts)
		r.publish(login("wx1", "oA", "uA", 1), login("wx2", "oB", "uA", 1))
		r.counted()
		r.want(buyers, "1 2 300")
		r.want(parts, before)
		r.want("SELECT DISTINCT person_id FROM v_purchases", schemas.PersonID(schemas.KeyHash("main", "uA")))
	})
	t.Run("a login without a unionid never unlinks", func(t *testing.T) {
		r := r.in(t)
		r.publish(login("wx1", "oA", "", 5))
		r.counted()
		r.want(buyers, "1 2 300")
	})
	t.Run("the same unionid on another platform is somebody else", func(t *testing.T) {
		r := r.in(t)
		r.publish(login("wx3", "oC", "uA", 1), buy("wx3", "oC", "3", 1000, 1))
		r.counted()
		r.want(buyers, "2 3 1300")
	})
	t.Run("the newest statement wins", func(t *testing.T) {
		r := r.in(t)
		r.publish(login("wx2", "oB", "uB", 3), login("wx2", "oB", "uA", 2))
		r.counted()
		r.want(buyers, "3 3 1300")
		r.publish(login("wx2", "oB", "uA", 4))
		r.counted()
		r.want(buyers, "2 3 1300")
	})
	t.Run("a repeated event changes nothing, a revision corrects, a refund is negative", func(t *testing.T) {
		r := r.in(t)
		again := buy("wx1", "oA", "1", 100, 0)
		fixed := buy("wx1", "oA", "1", 150, 0)
		fixed.Revision = 1
		refund := buy("wx1", "oA", "1", 50, 0)
		refund.PurchaseKind, refund.RefundID = schemas.PurchaseKindRefund, "R1"
		r.publish(fixed, again, refund, again, refund)
		r.counted()
		r.want(buyers, "2 4 1300")
	})
	t.Run("a snapshot user is nobody, and is counted apart", func(t *testing.T) {
		r := r.in(t)
		snap := login("wx1", "oSnap", "uA", 6)
		snap.SnapshotUser = true
		r.publish(snap)
		r.counted()
		r.want("SELECT count() FROM identities WHERE openid = 'oSnap'", "0")
		r.want("SELECT count() FROM messages FINAL WHERE outcome = 'snapshot'", "1")
	})
	t.Run("the ledger of messages has every message", func(t *testing.T) {
		r := r.in(t)
		r.want("SELECT count() - max(seq) FROM messages FINAL", "0")
	})
}

func TestDeadLetters(t *testing.T) {
	r := newRig(t)
	r.link(linker.Config{})
	garbage := map[string]string{
		"unionlink.v1.login.wx1":    `not json`,
		"unionlink.v1.login.wx2":    `{"event_id":"x","occurred_at":"2026-01-01T00:00:00Z","appid":"wx1","openid":"oA"}`,
		"unionlink.v1.purchase.wx1": `{"event_id":"x","occurred_at":"2026-01-01T00:00:00Z","appid":"wx1","openid":"undefined","order_id":"1","kind":"purchase","amount":1,"currency":"CNY"}`,
		"unionlink.v1.login.wx9":    `{"event_id":"x","occurred_at":"2026-01-01T00:00:00Z","appid":"wx9","openid":"oA"}`,
		"unionlink.v1.identity.wx1": `{"event_id":"x","occurred_at":"2126-01-01T00:00:00Z","appid":"wx1","openid":"oA","action":"erase"}`,
	}
	for subject, body := range garbage {
		m := nats.NewMsg(subject)
		m.Data = []byte(body)
		m.Header.Set(nats.MsgIdHdr, subject)
		if _, err := r.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	r.publish(buy("wx1", "oA", "1", 100, 0))
	r.counted()
	r.want(buyers, "1 1 100")
	got := map[string]string{}
	for _, m := range deadLetters(t, r.js) {
		if garbage[m.Header.Get(linker.HeaderSubject)] != string(m.Data) || m.Header.Get(linker.HeaderMsgID) != m.Header.Get(linker.HeaderSubject) {
			t.Errorf("%s: the original is not there: %q", m.Subject, m.Data)
		}
		got[m.Header.Get(linker.HeaderSubject)] = m.Header.Get(linker.HeaderReason)
	}
	want := map[string]string{
		"unionlink.v1.login.wx1": schemas.RefusedJSON, "unionlink.v1.login.wx2": linker.RefusedSubject,
		"unionlink.v1.purchase.wx1": schemas.RefusedIdentifier, "unionlink.v1.login.wx9": schemas.RefusedAccount,
		"unionlink.v1.identity.wx1": schemas.RefusedTime,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	r.want("SELECT count() FROM messages FINAL WHERE outcome = 'dead-letter'", "5")
}

func TestStore(t *testing.T) {
	r := newRig(t)
	t.Run("a row that the store refuses is isolated, the others are stored", func(t *testing.T) {
		r := r.in(t)
		r.exec("ALTER TABLE purchases ADD CONSTRAINT test CHECK amount != 666")
		for i := range 50 {
			amount := int64(100)
			if i == 31 {
				amount = 666
			}
			r.publish(buy("wx1", "oA", fmt.Sprint("order", i), amount, 0))
		}
		l := r.link(linker.Config{})
		r.counted()
		r.want(buyers, "1 49 4900")
		dead := deadLetters(t, r.js)
		if len(dead) != 1 || dead[0].Header.Get(linker.HeaderReason) != linker.RefusedByStore {
			t.Fatalf("%d dead letters", len(dead))
		}
		r.exec("ALTER TABLE purchases DROP CONSTRAINT test")
		if err := l.Ready(); err != nil {
			t.Fatal(err)
		}
		l.stop()
	})
	t.Run("while a table is missing events wait, and the linker says why", func(t *testing.T) {
		r := r.in(t)
		l := r.link(linker.Config{})
		r.exec("RENAME TABLE profiles TO profiles_away")
		named := login("wx1", "oA", "", 1)
		named.Profile = &schemas.Profile{Nickname: "n"}
		r.publish(named)
		r.until("the linker is not ready", func() bool { return l.Ready() != nil })
		if n := len(deadLetters(t, r.js)); n != 1 {
			t.Fatalf("%d dead letters: an operator's fault buried an event", n)
		}
		r.exec("RENAME TABLE profiles_away TO profiles")
		r.counted()
		r.want("SELECT value FROM profiles WHERE field = 'nickname'", "n")
	})
}

func TestProgress(t *testing.T) {
	r := newRig(t)
	r.publish(buy("wx1", "oA", "1", 100, 0))
	s, err := r.js.Stream(t.Context(), stream.Events)
	if err != nil {
		t.Fatal(err)
	}
	last := s.CachedInfo().State.LastTime
	r.link(linker.Config{})
	r.until("progress passes the last event", func() bool {
		return r.ask(fmt.Sprintf("SELECT count() FROM progress WHERE through >= fromUnixTimestamp64Milli(%d) AND pending = 0", last.UnixMilli())) != "0"
	})
	r.want(buyers, "1 1 100")
}
