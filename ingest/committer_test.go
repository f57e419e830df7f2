package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// held keeps every group on the ground while f runs.
func (s *stack) held(f func()) {
	c := s.committer
	for range cap(c.slots) {
		c.slots <- struct{}{}
	}
	f()
	for range cap(c.slots) {
		<-c.slots
	}
}

// waiting is how many messages the open group holds.
func (s *stack) waiting() int {
	s.committer.mu.Lock()
	defer s.committer.mu.Unlock()
	if s.committer.open == nil {
		return 0
	}
	return len(s.committer.open.msgs)
}

func TestConcurrentRequestsShareABatch(t *testing.T) {
	s := start(t, oneKey(), roomy)
	const requests = 100
	replies := make([]reply, requests)
	var wg sync.WaitGroup
	s.held(func() {
		for i := range requests {
			wg.Go(func() { replies[i] = s.json("logins", "["+loginJSON(fmt.Sprint("r", i))+","+loginJSON("shared")+"]") })
		}
		eventually(t, "all events waiting in one group", func() bool {
			return s.waiting() == requests+1 && s.count("unionlink_ingest_inflight_bytes") > 0
		})
		if n := s.stored(); n != 0 {
			t.Errorf("%d events are stored before their turn", n)
		}
	})
	wg.Wait()
	accepted, duplicates := 0, 0
	for _, r := range replies {
		if r.status != http.StatusAccepted || len(r.Rejected) != 0 {
			t.Errorf("got %d %s", r.status, r.Detail)
		}
		accepted, duplicates = accepted+r.Accepted, duplicates+r.Duplicates
	}
	if accepted != requests+1 || duplicates != requests-1 {
		t.Errorf("%d accepted and %d duplicates", accepted, duplicates)
	}
	if flights := s.count("unionlink_ingest_publish_seconds", "batch"); flights != 1 || s.count("unionlink_ingest_batch_events") != 1 {
		t.Errorf("%v batches, want one", flights)
	}
	if n := s.stored(); n != requests+1 {
		t.Errorf("%d events are stored, want %d", n, requests+1)
	}
}

func TestCommitter(t *testing.T) {
	s := start(t, oneKey(), roomy)
	publish := func(t *testing.T, want string, ids ...string) {
		t.Helper()
		outcomes, err := s.committer.Publish(t.Context(), logins(ids...))
		must(t, err)
		got := ""
		for _, o := range outcomes {
			switch {
			case o.Err != nil:
				got += "!"
			case o.Duplicate:
				got += "="
			default:
				got += "+"
			}
		}
		if got != want {
			t.Errorf("outcomes %s, want %s", got, want)
		}
	}
	t.Run("nothing", func(t *testing.T) { publish(t, "") })
	t.Run("one event takes the plain path", func(t *testing.T) {
		publish(t, "+", "a")
		if s.count("unionlink_ingest_publish_seconds", "single") != 1 {
			t.Error("it did not")
		}
	})
	t.Run("several travel as a batch", func(t *testing.T) { publish(t, "+++", "b", "c", "d") })
	t.Run("one duplicate does not keep the others out", func(t *testing.T) {
		publish(t, "+=+=", "e", "a", "f", "c")
		if s.count("unionlink_ingest_publish_seconds", "fallback") != 1 {
			t.Error("the batch was not sent again one by one")
		}
	})
	t.Run("all again", func(t *testing.T) { publish(t, "======", "a", "b", "c", "d", "e", "f") })
	t.Run("more than a batch", func(t *testing.T) {
		ids := make([]string, 1234)
		for i := range ids {
			ids[i] = "many-" + strconv.Itoa(i)
		}
		publish(t, strings.Repeat("+", len(ids)), ids...)
	})
	t.Run("an event too large for the stream is refused alone", func(t *testing.T) {
		events := logins("large", "small")
		events[0].(*schemas.Login).Scope = strings.Repeat("x", 1<<20)
		outcomes, err := s.committer.Publish(t.Context(), events)
		must(t, err)
		var refusal *schemas.Refusal
		if !errors.As(outcomes[0].Err, &refusal) || refusal.Type != schemas.RefusedTooLarge || outcomes[1].Err != nil {
			t.Errorf("outcomes %+v", outcomes)
		}
	})
	t.Run("a caller that leaves takes nothing along", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		s.held(func() {
			go func() {
				_, err := s.committer.Publish(ctx, logins("left", "behind"))
				left <- err
			}()
			eventually(t, "the events waiting", func() bool { return s.waiting() == 2 })
			cancel()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		must(t, s.committer.Drain(t.Context()))
		publish(t, "==", "left", "behind")
	})
	if got := s.stored(); got != 6+1234+1+2 {
		t.Errorf("%d events are stored", got)
	}
	if held := s.count("unionlink_ingest_inflight_bytes"); held != 0 {
		t.Errorf("%v bytes are still held", held)
	}
}

func TestConcurrentPublishersUnderFsync(t *testing.T) {
	s := startOn(t, embeddedtest.StartNATS(t, embeddedtest.SyncAlways), Config{}, roomy)
	const publishers, rounds = 32, 10
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for r := range rounds {
				// Every event is published by two publishers at about the same time.
				outcomes, err := s.committer.Publish(t.Context(), logins(fmt.Sprint(p/2, "-", r), fmt.Sprint("own-", p, "-", r)))
				if err != nil || outcomes[0].Err != nil || outcomes[1].Err != nil || outcomes[1].Duplicate {
					t.Errorf("outcomes %+v (%v)", outcomes, err)
				}
			}
		})
	}
	wg.Wait()
	const want = publishers*rounds + publishers*rounds/2
	if n := s.stored(); n != want {
		t.Errorf("%d events are stored, want %d", n, want)
	}
	if n := s.count("unionlink_ingest_events_total", "accepted"); n != want {
		t.Errorf("%v events were accepted, want %d", n, want)
	}
}

func TestFullStream(t *testing.T) {
	s := start(t, oneKey(), 256<<10)
	must(t, s.committer.Ready(t.Context()))
	filler := func(i int) string {
		return strings.Replace(loginJSON(fmt.Sprint("fill-", i)), `"openid"`, `"scope":"`+strings.Repeat("s", 1500)+`","openid"`, 1)
	}
	sent := 0
	var last reply
	for ; sent < 1000; sent++ {
		// The smallest sort of event follows each large one, so that the stream fills to its brim.
		if last = s.json("logins", "["+filler(sent)+","+loginJSON(fmt.Sprint("small-", sent))+"]"); last.status != http.StatusAccepted {
			break
		}
	}
	for i := range 1000 {
		if r := s.json("logins", loginJSON(fmt.Sprint("brim-", i))); r.status != http.StatusAccepted {
			break
		}
	}
	last.wantProblem(t, 503, ProblemFull)
	if err := s.committer.Ready(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("ready: %v", err)
	}
	t.Run("what is stored is a duplicate even then", func(t *testing.T) {
		s.json("logins", "["+filler(0)+","+filler(1)+"]").wantCounts(t, 202, 0, 2, 0)
	})
	if s.count("unionlink_ingest_publish_errors_total", "full") == 0 {
		t.Error("the refusal is not counted")
	}
	t.Run("with room again it goes on", func(t *testing.T) {
		must(t, stream.Provision(t.Context(), s.js, stream.Config{MaxBytes: 1 << 20}))
		must(t, s.committer.Ready(t.Context()))
		if r := s.json("logins", filler(sent)); r.status != http.StatusAccepted {
			t.Errorf("got %d %s", r.status, r.Detail)
		}
	})
}

func TestStreamThatIsNotThere(t *testing.T) {
	s := start(t, oneKey(), roomy)
	must(t, s.js.DeleteStream(t.Context(), stream.Events))
	if err := s.committer.Ready(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("ready: %v", err)
	}
	s.json("logins", loginJSON("one")).wantProblem(t, 503, ProblemUnavailable)
	s.json("logins", "["+loginJSON("one")+","+loginJSON("two")+"]").wantProblem(t, 503, ProblemUnavailable)
	must(t, stream.Provision(t.Context(), s.js, stream.Config{MaxBytes: roomy}))
	s.json("logins", "["+loginJSON("one")+","+loginJSON("two")+"]").wantCounts(t, 202, 2, 0, 0)
}

func TestStreamWithoutAtomicBatches(t *testing.T) {
	s := start(t, oneKey(), roomy)
	st, err := s.js.Stream(t.Context(), stream.Events)
	must(t, err)
	cfg := st.CachedInfo().Config
	cfg.AllowAtomicPublish = false
	_, err = s.js.UpdateStream(t.Context(), cfg)
	must(t, err)
	s.json("logins", "["+loginJSON("one")+","+loginJSON("two")+"]").wantCounts(t, 202, 2, 0, 0)
}

// runNATS starts a NATS that a test can stop and start again in the same place.
func runNATS(t *testing.T, dir string, port int) *embedded.NATS {
	t.Helper()
	n, err := embedded.NewNATS(embedded.NATSConfig{Dir: dir, Port: port}, slog.New(slog.DiscardHandler))
	must(t, err)
	must(t, n.Start(t.Context()))
	return n
}

func TestNATSDown(t *testing.T) {
	dir := t.TempDir()
	n := runNATS(t, dir, 0)
	_, text, _ := strings.Cut(n.Addr(), ":")
	port, err := strconv.Atoi(text)
	must(t, err)
	s := startOn(t, n.ClientURL(), oneKey(), roomy)
	s.json("logins", loginJSON("before")).wantCounts(t, 202, 1, 0, 0)

	must(t, n.Close())
	s.json("logins", loginJSON("while")).wantProblem(t, 503, ProblemUnavailable)
	s.json("logins", "["+loginJSON("while")+","+loginJSON("too")+"]").wantProblem(t, 503, ProblemUnavailable)
	if err := s.committer.Ready(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("ready: %v", err)
	}

	n = runNATS(t, dir, port)
	t.Cleanup(func() { must(t, n.Close()) })
	eventually(t, "ingest being ready again", func() bool { return s.committer.Ready(t.Context()) == nil })
	// A first attempt may be caught by the end of the old connection; sending again is harmless.
	eventually(t, "events being taken again", func() bool {
		return s.json("logins", "["+loginJSON("before")+","+loginJSON("while")+"]").status == http.StatusAccepted
	})
	if got := s.stored(); got != 2 {
		t.Errorf("%d events are stored, want 2", got)
	}
}

func TestErrorsAreTold(t *testing.T) {
	full := &jetstream.APIError{Code: 503, ErrorCode: 10077, Description: "maximum bytes exceeded"}
	for _, c := range []struct {
		err    error
		want   error
		reason string
	}{
		{full, ErrFull, "full"},
		{fmt.Errorf("nats: %w", full), ErrFull, "full"},
		{jetstream.ErrNoStreamResponse, ErrUnavailable, "unavailable"},
		{&jetstream.APIError{Code: 503, ErrorCode: 10008}, ErrUnavailable, "unavailable"},
		{jetstream.ErrAsyncPublishTimeout, ErrUnavailable, "unavailable"},
	} {
		if got := classify(c.err); !errors.Is(got, c.want) || !errors.Is(got, c.err) || reason(got) != c.reason {
			t.Errorf("classify(%v) = %v", c.err, got)
		}
	}
	if classify(nil) != nil {
		t.Error("no error became one")
	}
}
