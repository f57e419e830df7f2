package linker_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func erase(appid, openid string, hour int) *schemas.Identity {
	return &schemas.Identity{Envelope: head(appid, openid, hour), Action: schemas.ActionErase}
}

// proof counts what the tables still say of an identity in the open.
func proof(appid, openid string) string {
	id := schemas.IdentityHash(appid, openid)
	n := "identity = " + decimal(id)
	return "SELECT (SELECT count() FROM purchases WHERE " + n + "), (SELECT count() FROM purchases_log WHERE " + n + "), " +
		"(SELECT count() FROM statements WHERE " + n + "), (SELECT count() FROM profiles WHERE " + n + "), " +
		"(SELECT count() FROM identities WHERE " + n + " OR openid = '" + openid + "'), (SELECT count() FROM key_identities WHERE " + n + "), " +
		"(SELECT count() FROM persons WHERE person != identity AND " + n + "), (SELECT count() FROM person_identities WHERE person != identity AND " + n + ")"
}

const nothing = "0 0 0 0 0 0 0 0"

func TestErase(t *testing.T) {
	r := newRig(t)
	r.link(linker.Config{})
	bought, late := buy("wx1", "oA", "1", 100, 1), buy("wx1", "oA", "2", 10, 2)
	named := login("wx1", "oA", "uA", 1)
	named.Profile = &schemas.Profile{Nickname: "n"}
	r.publish(named, bought, login("wx2", "oB", "uA", 1), buy("wx2", "oB", "3", 1000, 1))
	r.counted()
	r.want(buyers, "1 2 1100")

	t.Run("nothing of the identity is left, its purchases stay under a pseudonym", func(t *testing.T) {
		r := r.in(t)
		r.publish(erase("wx1", "oA", 5))
		r.counted()
		r.want(proof("wx1", "oA"), nothing)
		r.want(buyers, "2 2 1100")
		r.want("SELECT openid FROM v_identities WHERE openid LIKE 'erased-%'", schemas.PseudonymOpenID(schemas.Pseudonym(schemas.IdentityHash("wx1", "oA"))))
	})
	t.Run("replayed and late events do not bring it back", func(t *testing.T) {
		r := r.in(t)
		r.publish(named, bought, late, erase("wx1", "oA", 4))
		r.counted()
		r.want(proof("wx1", "oA"), nothing)
		r.want(buyers, "2 3 1110")
	})
	t.Run("its messages leave the stream", func(t *testing.T) {
		r := r.in(t)
		events, err := r.js.Stream(t.Context(), stream.Events)
		if err != nil {
			t.Fatal(err)
		}
		r.until("the messages are overwritten", func() bool {
			left := 0
			for _, seq := range []uint64{1, 2, 5, 6, 7, 8, 9} {
				_, err := events.GetMsg(t.Context(), seq)
				if err == nil {
					left++
				} else if !errors.Is(err, jetstream.ErrMsgNotFound) {
					t.Fatal(err)
				}
			}
			return left == 0
		})
		for _, seq := range []uint64{3, 4} {
			if _, err := events.GetMsg(t.Context(), seq); err != nil {
				t.Fatalf("message %d of somebody else: %v", seq, err)
			}
		}
	})
	t.Run("the changes stream forgets it", func(t *testing.T) {
		r := r.in(t)
		for _, c := range changes(t, r) {
			if c.OpenID == "oA" {
				t.Fatal("it is still told of")
			}
		}
	})
	t.Run("someone who comes back later is taken in anew", func(t *testing.T) {
		r := r.in(t)
		r.publish(login("wx1", "oA", "uA", 9), buy("wx1", "oA", "4", 7, 9))
		r.counted()
		r.want(buyers, "2 4 1117")
	})
}

// TestErase_while_a_linker_dies: one linker stored a purchase in the open while
// another wrote the ledger, and died before it acknowledged.
func TestErase_while_a_linker_dies(t *testing.T) {
	r := newRig(t)
	p := buy("wx1", "oA", "1", 100, 1)
	e := erase("wx1", "oA", 5)
	left := warehouse.PurchaseRow{
		Identity: p.Identity(), OrderKey: p.OrderKey(), AppID: "wx1", OrderID: "1", Kind: "purchase", Amount: 100, Currency: "CNY",
		OccurredAt: p.OccurredAt, Digest: p.Digest(), EventID: p.EventID, SKU: []string{}, Name: []string{}, Category: []string{},
		Quantity: []int64{}, ItemAmount: []int64{}, StreamTime: day,
	}
	if err := warehouse.Purchases.Insert(t.Context(), r.conn, []warehouse.PurchaseRow{left}); err != nil {
		t.Fatal(err)
	}
	ledger := warehouse.ErasureRow{Identity: p.Identity(), OccurredAt: e.OccurredAt, Digest: e.Digest(), EventID: e.EventID, StreamTime: day}
	if err := warehouse.Erasures.Insert(t.Context(), r.conn, []warehouse.ErasureRow{ledger}); err != nil {
		t.Fatal(err)
	}
	r.link(linker.Config{})
	r.publish(p)
	r.counted()
	r.want(buyers, "1 1 100")
	r.want(proof("wx1", "oA"), nothing)
}

// TestErase_learnt_late: the customer came back before anyone was told of the erasure.
// What came after it stays, a name without facts too, in whatever parts its rows lie.
func TestErase_learnt_late(t *testing.T) {
	r := newRig(t)
	r.link(linker.Config{})
	r.publish(login("wx1", "oA", "", 1))
	r.counted()
	r.publish(login("wx1", "oA", "", 9))
	r.counted()
	r.exec("OPTIMIZE TABLE identities FINAL")
	r.publish(erase("wx1", "oA", 5))
	r.counted()
	r.want("SELECT count() FROM identities FINAL WHERE openid = 'oA'", "1")
	r.publish(erase("wx1", "oA", 10))
	r.counted()
	r.want("SELECT count() FROM identities FINAL WHERE openid = 'oA'", "0")
}
