package letters_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/linker/letters"
	"github.com/unionlink/unionlink/schemas/stream"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

func TestBox(t *testing.T) {
	nc, err := nats.Connect(embeddedtest.StartNATS(t))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Provision(t.Context(), js, stream.Config{MaxBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	box := letters.New(js)
	bury := func(reason, body string, at time.Time) {
		m := nats.NewMsg(stream.DeadLetterPrefix + reason)
		m.Data = []byte(body)
		m.Header.Set(linker.HeaderReason, reason)
		m.Header.Set(linker.HeaderSubject, "unionlink.v1.login.wx1")
		m.Header.Set(linker.HeaderFailedAt, at.Format(time.RFC3339Nano))
		m.Header.Set("traceparent", "t1")
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if got, err := box.List(t.Context(), letters.Filter{}); err != nil || len(got) != 0 {
		t.Fatal(got, err)
	}
	bury("invalid-json", "a", day)
	bury("unknown-account", "b", day)
	bury("unknown-account", "c", day.Add(time.Hour))
	bury("unknown-account", "d", day.Add(2*time.Hour))

	bodies := func(f letters.Filter) string {
		t.Helper()
		got, err := box.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, l := range got {
			out += string(l.Data)
		}
		return out
	}
	for want, f := range map[string]letters.Filter{
		"abcd": {}, "ab": {Limit: 2}, "bcd": {Reason: "unknown-account"}, "cd": {Since: day.Add(time.Minute)},
		"c": {Since: day.Add(time.Minute), Until: day.Add(2 * time.Hour)}, "": {Reason: "none"},
	} {
		if got := bodies(f); got != want {
			t.Errorf("%+v: got %q, want %q", f, got, want)
		}
	}
	t.Run("a dry run does nothing", func(t *testing.T) {
		if n, err := box.Replay(t.Context(), letters.Filter{}, true); err != nil || n != 4 || bodies(letters.Filter{}) != "abcd" {
			t.Fatal(n, err)
		}
	})
	t.Run("replaying publishes the original and removes the letter", func(t *testing.T) {
		f := letters.Filter{Reason: "unknown-account", Until: day.Add(2 * time.Hour)}
		if n, err := box.Replay(t.Context(), f, false); err != nil || n != 2 || bodies(letters.Filter{}) != "ad" {
			t.Fatal(n, err, bodies(letters.Filter{}))
		}
		events, err := js.Stream(t.Context(), stream.Events)
		if err != nil {
			t.Fatal(err)
		}
		m, err := events.GetMsg(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{m.Subject, string(m.Data), m.Header.Get("traceparent"), m.Header.Get(linker.HeaderReason)}
		if d := cmp.Diff([]string{"unionlink.v1.login.wx1", "b", "t1", ""}, got); d != "" {
			t.Fatal(d)
		}
	})
	t.Run("dropping removes it for good", func(t *testing.T) {
		if n, err := box.Drop(t.Context(), letters.Filter{Reason: "invalid-json"}, false); err != nil || n != 1 || bodies(letters.Filter{}) != "d" {
			t.Fatal(n, err)
		}
		if _, err := box.Show(t.Context(), 1); !errors.Is(err, letters.ErrNotFound) {
			t.Fatal(err)
		}
		if l, err := box.Show(t.Context(), 4); err != nil || string(l.Data) != "d" {
			t.Fatal(err)
		}
	})
}
