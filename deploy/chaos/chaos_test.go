package chaos

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/schemas"
)

// TestMain lets the test binary be the processes of a rig, and ClickHouse's engine.
func TestMain(m *testing.M) {
	embedded.RunChildIfAsked()
	if len(os.Args) > 1 && os.Args[1] == "chaos" {
		cmd := Command()
		cmd.SilenceUsage = true
		cmd.SetArgs(os.Args[2:])
		if err := cmd.ExecuteContext(context.Background()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// lines writes what a run tells into the test's log.
type lines struct{ t *testing.T }

func (l lines) Write(b []byte) (int, error) {
	l.t.Log(string(b[:len(b)-1]))
	return len(b), nil
}

func testConfig(t *testing.T) Config {
	return Config{Seed: 20261126, Dir: t.TempDir(), Out: lines{t}}
}

// TestStorm: every fault happens once, and no promise is broken.
func TestStorm(t *testing.T) {
	t.Parallel() // much of it is waiting
	verdicts, err := Run(t.Context(), testConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := failed(20261126, verdicts); err != nil {
		t.Error(err)
	}
	for i, v := range verdicts {
		if v.Acked == 0 || v.Orders == 0 || v.DeadLetters == 0 {
			t.Errorf("stage %d: %s: it tests nothing", i, v)
		}
	}
}

func ExampleFaults() {
	fmt.Println(Faults()[0][0])
	// Output: kill-ingest
}

// TestOrders: one log in three random orders, into one, two and four linkers, comes to one state, which is the model's.
func TestOrders(t *testing.T) {
	t.Parallel()
	states, err := Orders(t.Context(), testConfig(t), 3000, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range states {
		if !s.Same(states[0]) {
			t.Errorf("order %d came to %+v, order 1 to %+v", i+1, s, states[0])
		}
	}
}

// TestScript: a seed says the same again, and says everything.
func TestScript(t *testing.T) {
	a, b := writeLog(1, 4000), writeLog(1, 4000)
	kinds := map[string]int{}
	for i := range a {
		if string(a[i].body) != string(b[i].body) || a[i].id != b[i].id {
			t.Fatalf("event %d is %s and %s", i, a[i].body, b[i].body)
		}
		kind := string(a[i].kind)
		switch e := a[i].event.(type) {
		case *schemas.Identity:
			kind = string(e.Action)
		case *schemas.Purchase:
			kind = string(e.PurchaseKind)
		}
		kinds[kind]++
	}
	for _, k := range []string{"login", "purchase", "refund", "unlink", "migrate", "erase"} {
		if kinds[k] == 0 {
			t.Errorf("no %s in %v", k, kinds)
		}
	}
}

// TestFaultNames: names are unique and known, others are refused.
func TestFaultNames(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Faults() {
		if seen[f[0]] || f[1] == "" {
			t.Errorf("fault %q is there twice or says nothing", f[0])
		}
		seen[f[0]] = true
	}
	if err := checkNames([]string{"kill-all", "kill-nobody"}); err == nil {
		t.Error("an unknown fault is taken")
	}
}
