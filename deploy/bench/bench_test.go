package bench

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

// measured runs a benchmark of small size on the real servers. It ends the test where a count
// is not exact, since the benchmark itself fails then.
func measured(t *testing.T, run func(context.Context, *session) error) *Report {
	t.Helper()
	s := &settings{dir: t.TempDir(), seed: 7}
	report, err := s.measure(t.Context(), benchmark{use: "test", run: run}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := report.write(&table); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	for _, f := range report.Figures {
		if f.Value <= 0 && f.Unit != unitBytes {
			t.Errorf("%s, %s: %v", f.Group, f.Name, f.Value)
		}
	}
	return report
}

// want checks that figures are there.
func want(t *testing.T, r *Report, group string, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, found := r.Value(group, name); !found {
			t.Errorf("no figure %q of %q", name, group)
		}
	}
}

func bounds(t *testing.T, r *Report, group, name string, floor, ceiling bool) {
	t.Helper()
	for _, f := range r.Figures {
		if f.Group == group && f.Name == name {
			if (f.Floor != nil) != floor || (f.Ceiling != nil) != ceiling {
				t.Errorf("%s: floor %v, ceiling %v", name, f.Floor, f.Ceiling)
			}
			return
		}
	}
	t.Errorf("no figure %q of %q", name, group)
}

func TestIngest(t *testing.T) {
	o := &ingestOptions{events: 200, connections: 16, batches: 4, batchEvents: 50, batchConnections: 2, rawSync: 20}
	r := measured(t, o.run)
	bounds(t, r, "one event a request, 16 connections", "durable events", true, true)
	bounds(t, r, "50 events a request, 2 connections", "durable events", true, true)
	want(t, r, "one event a request, 16 connections", "answer p50", "answer p99")
	want(t, r, "check", "events in the stream, as many as were answered")
}

func TestPipeline(t *testing.T) {
	t.Parallel()
	t.Run("stream to linked rows", func(t *testing.T) {
		t.Parallel()
		r := measured(t, (&pipelineOptions{events: 1500}).run)
		bounds(t, r, pipelineGroup, "events, fetched to queryable", false, true)
		want(t, r, "beside", "fetch and acknowledge", "insert the same rows", "insert of purchases", "insert of messages")
		want(t, r, "check", "purchases", "their amount, in fen", "buyers, as persons")
	})
	t.Run("event to answer", func(t *testing.T) {
		t.Parallel()
		r := measured(t, (&pipelineOptions{answers: true, answer: answerOptions{rate: 40, probes: 3}}).run)
		group := "one purchase, beside 40 other events/s"
		bounds(t, r, group, "publish to answer p50", true, false)
		want(t, r, group, "publish to answer p99", "durable p50", "one question p99")
		want(t, r, "check", "purchases seen in answers", "events in the stream")
	})
}

func TestIdentity(t *testing.T) {
	t.Parallel() // each run has its own servers, and mostly waits for the disk
	r := measured(t, (&identityOptions{identities: []int{1000}, links: 60, probes: 3, lookups: 5}).run)
	const group = "1,000 identities"
	bounds(t, r, group, "links through the linker", false, true)
	bounds(t, r, group, "publish of a link to visible p50", true, true)
	want(t, r, group, "load of the large dictionary", "resolve 1 % bridged to another person", "large dictionary in memory",
		"look-up: persons of a key p50", "look-up: identities of a person p99", "persons", "events linked")
	r.add("more", "load of the large dictionary", 1, unitSecs)
	r.grow(group, "more")
	want(t, r, "from 1,000 identities to more", "load of the large dictionary")
}

func TestQuery(t *testing.T) {
	t.Parallel()
	r := measured(t, (&queryOptions{purchases: 3200, identities: 1000, runs: 1, bounds: true, merge: true}).run)
	const group = "all reports, over everything"
	for _, q := range questions() {
		want(t, r, group, q.name+" p50", q.name+" p95")
	}
	for _, name := range []string{"summary", "accounts", "timeseries by day and account", "overlap", "top persons, 100 of them", "cohorts", "rfm", "journeys"} {
		bounds(t, r, group, name+" p50", true, true)
	}
	want(t, r, "check", "orders and refunds", "linked identities")
}

func TestNaive(t *testing.T) {
	const inner = "(SELECT " + boundPerson + " AS person FROM\n    " + boundSource + " WHERE 1)"
	changed, err := naive("SELECT " + boundPerson + " FROM " + inner + " AS s")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(changed, boundPerson) != 1 || strings.Count(changed, "s.bound AS person") != 1 || strings.Contains(changed, boundSource) {
		t.Error(changed)
	}
}

func TestLogin(t *testing.T) {
	r := measured(t, (&loginOptions{logins: 40, connections: 8, users: 10}).run)
	for _, group := range []string{"mini program", "official account, with consent"} {
		bounds(t, r, group, "logins", false, true)
		want(t, r, group, "login p50", "login p99", "of a login, waiting for the simulator, mean", "the simulator alone", "calls to WeChat")
	}
	want(t, r, "check", "logins in the stream, as many as were answered")
}

func TestCommand(t *testing.T) {
	t.Run("every benchmark teaches how it is used", func(t *testing.T) {
		for _, c := range Command().Commands() {
			if c.Short == "" || len(c.Long) < 200 || c.Example == "" {
				t.Errorf("%s: no help", c.Name())
			}
		}
	})
	t.Run("every wrong flag is told at once", func(t *testing.T) {
		c := Command()
		c.SetArgs([]string{"ingest", "--dir", t.TempDir(), "--events", "0", "--batches", "-1"})
		c.SetErr(io.Discard)
		c.SetOut(io.Discard)
		err := c.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), "--events") || !strings.Contains(err.Error(), "--batches") {
			t.Errorf("answered %v", err)
		}
	})
	t.Run("more logins at once than a process takes are refused", func(t *testing.T) {
		if err := (&loginOptions{logins: 1, users: 1, connections: 1000}).validate(); err == nil {
			t.Error("taken")
		}
	})
	t.Run("a profile is written, figures come as JSON", func(t *testing.T) {
		s := &settings{dir: t.TempDir(), profile: t.TempDir() + "/cpu.out", seed: 1, json: true}
		r, err := s.measure(t.Context(), benchmark{use: "nothing", run: func(context.Context, *session) error { return nil }}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := r.writeJSON(&text); err != nil {
			t.Fatal(err)
		}
		var back Report
		if err := json.Unmarshal([]byte(text.String()), &back); err != nil || back.Machine.Fsyncs <= 0 || back.Machine.Cores < 1 {
			t.Errorf("%v: %s", err, text.String())
		}
	})
}

func TestReport(t *testing.T) {
	r := &Report{Benchmark: "x", Seed: 3, Machine: Machine{OS: "linux", Arch: "amd64", Cores: 2, Load: -1, Fsyncs: 1234}}
	r.add("one", "fast", 12345.6, unitEvents).between(&Bound{6172.8, "simple"}, &Bound{What: "over memory"})
	r.add("one", "slow", 0.5, unitMillis)
	r.add("two", "some", 1.234, unitSecs)
	r.note("so it is")
	var out strings.Builder
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	want := `unionlink bench x, seed 3
2 cores (linux/amd64), 1,234 fsyncs/s of 4 KiB

figure   value  unit      floor                 ceiling

one
  fast  12,346  events/s  6,173 (200 %) simple  over memory
  slow   0.500  ms

two
  some    1.23  s

- so it is
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if err := r.exact("one", "counted", 2, 3); err == nil {
		t.Error("a wrong count was taken for exact")
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 7: "7", 0.1234: "0.123", 12.34: "12.3", 999.6: "1,000", 1234567: "1,234,567", -4321: "-4,321"} {
		if got := shown(v); got != want {
			t.Errorf("%v: %s, not %s", v, got, want)
		}
	}
	s := samples{5, 1, 4, 2, 3}
	if s.quantile(0.5) != 3 || s.quantile(0.99) != 5 || s.quantile(0) != 1 || (samples{}).quantile(0.5) != time.Duration(0) {
		t.Error("quantiles are wrong")
	}
}

func TestTraffic(t *testing.T) {
	whole, parts := newTraffic(5, 1000, 0.8), newTraffic(5, 1000, 0.8)
	all := whole.next(1000)
	for range 10 {
		parts.next(100)
	}
	if whole.purchases != parts.purchases || whole.amount != parts.amount || whole.buyers() != parts.buyers() {
		t.Error("the events depend on how they are cut")
	}
	for _, e := range all {
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
	}
}
