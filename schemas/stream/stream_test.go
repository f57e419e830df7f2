package stream_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

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

func TestSubject(t *testing.T) {
	for _, k := range schemas.Kinds {
		got, appid, ok := stream.ParseSubject(stream.Subject(k, "wx1"))
		if got != k || appid != "wx1" || !ok {
			t.Errorf("%s: %s %s %v", k, got, appid, ok)
		}
	}
	for _, s := range []string{"", "unionlink.v1.login", "unionlink.v1.login.", "unionlink.v1.gift.wx1", "other.v1.login.wx1", stream.ChangedSubject} {
		if _, _, ok := stream.ParseSubject(s); ok {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestMessage(t *testing.T) {
	e := &schemas.Login{Envelope: schemas.Envelope{EventID: "订单 1", AppID: "wx1", OpenID: "oA", OccurredAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)}}
	m, err := stream.Message(e)
	if err != nil {
		t.Fatal(err)
	}
	want := nats.Header{
		"Nats-Msg-Id":    {"wx1:%E8%AE%A2%E5%8D%95%201"},
		"ce-specversion": {"1.0"}, "ce-id": {"%E8%AE%A2%E5%8D%95%201"}, "ce-source": {"/accounts/wx1"},
		"ce-type": {"unionlink.login.v1"}, "ce-time": {"2026-01-02T03:04:05.000006Z"}, "content-type": {"application/json"},
	}
	if d := cmp.Diff(want, m.Header); d != "" {
		t.Fatal(d)
	}
	back, err := schemas.Decode(schemas.KindLogin, m.Data)
	if err != nil || back.Digest() != e.Digest() {
		t.Fatalf("%v: %s", err, m.Data)
	}
}

func TestProvision(t *testing.T) {
	js := connect(t)
	cfg := stream.Config{MaxBytes: 64 << 20}
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { errs[i] = stream.Provision(t.Context(), js, cfg) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	c, err := js.Consumer(t.Context(), stream.Events, stream.Consumer)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.CachedInfo().Config; got.MaxDeliver != -1 || got.AckPolicy != jetstream.AckExplicitPolicy {
		t.Fatalf("%+v", got)
	}
}

func TestFull(t *testing.T) {
	js := connect(t)
	if err := stream.Provision(t.Context(), js, stream.Config{MaxBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Repeat("x", 200<<10))
	for range 20 {
		_, err := js.Publish(t.Context(), stream.Subject(schemas.KindLogin, "wx1"), body)
		if err == nil {
			continue
		}
		if !stream.Full(err) {
			t.Fatalf("not told as full: %v", err)
		}
		return
	}
	t.Fatal("4 MB went into a stream of 1 MB")
}
