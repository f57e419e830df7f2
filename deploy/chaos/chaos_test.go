package chaos

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/unionlink/unionlink/deploy/embedded"
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
