package linker_test

import (
	"math/rand/v2"
	"testing"

	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func TestVerify(t *testing.T) {
	r := newRig(t)
	l := r.link(linker.Config{})
	r.publish(world(rand.New(rand.NewPCG(7, 7)), 200)...)
	r.counted()
	verify := func(repair bool) *linker.Verification {
		t.Helper()
		v, err := l.Verify(t.Context(), repair, func(done, all uint64) {})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	sound := verify(false)
	if !sound.Sound() || sound.Pending != 0 || sound.Identities == 0 || sound.Persons == 0 || sound.Conflicts == 0 {
		t.Fatalf("%+v", sound)
	}
	r.exec("INSERT INTO persons (identity, learnt, person, written) SELECT identity, learnt + 1, 42, 18446744073709551615 - 1000000000 FROM persons FINAL LIMIT 3")
	r.exec("ALTER TABLE messages DELETE WHERE seq = 5 SETTINGS mutations_sync = 1")
	if v := verify(false); v.Missing != 1 || v.Wrong == 0 || v.Persons == sound.Persons {
		t.Fatalf("three wrong rows and a missing one: %+v", v)
	}
	// A row that claims to be from the future cannot be outdone, and is the operator's to delete.
	r.exec("ALTER TABLE persons DELETE WHERE person = 42 SETTINGS mutations_sync = 1")
	r.exec("INSERT INTO persons (identity, learnt, person, written) SELECT identity, learnt, 43, written + 1 FROM persons FINAL LIMIT 3")
	if err := warehouse.ReloadBase(t.Context(), r.conn); err != nil {
		t.Fatal(err)
	}
	if v := verify(true); v.Wrong == 0 {
		t.Fatalf("%+v", v)
	}
	v := verify(true)
	if v.Wrong != 0 || v.Stale != 0 || v.Persons != sound.Persons || v.Purchases != sound.Purchases || v.Conflicts != sound.Conflicts {
		t.Fatalf("repaired: %+v, was %+v", v, sound)
	}
}
