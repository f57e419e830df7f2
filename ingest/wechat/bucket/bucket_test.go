package bucket

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
)

func connect(t *testing.T) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(embeddedtest.StartNATS(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestBucket(t *testing.T) {
	js, ctx := connect(t), t.Context()
	b := New(js, Config{Name: "TEST"})

	var got struct{ N int }
	if rev, err := b.Read(ctx, "k", &got); rev != 0 || err != nil {
		t.Fatal(rev, err)
	}
	got.N = 1
	rev, err := b.Write(ctx, "k", got, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(ctx, "k", got, 0); !errors.Is(err, ErrChanged) {
		t.Fatal("made twice:", err)
	}
	other := New(js, Config{Name: "TEST"})
	if _, err := other.Write(ctx, "k", struct{ N int }{2}, rev); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(ctx, "k", got, rev); !errors.Is(err, ErrChanged) {
		t.Fatal("overwrote another's value:", err)
	}
	if err := b.Delete(ctx, "k", rev); !errors.Is(err, ErrChanged) {
		t.Fatal("deleted another's value:", err)
	}
	rev, err = b.Read(ctx, "k", &got)
	if err != nil || got.N != 2 {
		t.Fatal(got, err)
	}
	if err := b.Delete(ctx, "k", rev); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write(ctx, "k", got, 0); err != nil {
		t.Fatal("make again after a deletion:", err)
	}
}

func TestBucket_one_writer_wins(t *testing.T) {
	js := connect(t)
	var wins sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := New(js, Config{Name: "RACE"}).Write(t.Context(), "k", i, 0); err == nil {
				wins.Store(i, true)
			} else if !errors.Is(err, ErrChanged) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	n := 0
	wins.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Fatalf("%d writers won", n)
	}
}

func TestKey(t *testing.T) {
	if got := Key("wx1", "a_b-C"); got != "wx1.a_b-C" {
		t.Fatal(got)
	}
	for _, odd := range []string{"", "a.b", "a b", "*", strings.Repeat("x", 65), "公"} {
		if got := Key(odd); len(got) != 33 || strings.Contains(got, ".") {
			t.Errorf("%q became %q", odd, got)
		}
	}
	if Digest("a", "bc") == Digest("ab", "c") {
		t.Fatal("parts run into each other")
	}
}
