// Package examples runs the examples for back ends that publish straight to NATS against
// a real `unionlink up`, and looks for their purchases in the analysts' answers.
package examples

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

// patience bounds every wait; nothing takes as long.
const patience = 3 * time.Minute

const appid = "wxexample000000001"

// up runs everything on free ports until the test ends.
func up(t *testing.T) (data string, c app.Credentials) {
	t.Helper()
	cfg := app.Default()
	cfg.Data, cfg.Listen = t.TempDir(), "127.0.0.1:0"
	cfg.NATS.Port, cfg.ClickHouse.NativePort, cfg.ClickHouse.HTTPPort = 0, 0, 0
	cfg.Accounts = []app.Account{{AppID: appid, Name: "Example", Kind: schemas.AccountKindOfficial, Platform: "example"}}
	ready := make(chan app.Credentials, 1)
	a, err := app.New(cfg, app.TargetUp, app.Deps{
		Log: slog.New(slog.DiscardHandler), Out: io.Discard, Progress: os.Stderr,
		OnReady: func(_ context.Context, c app.Credentials) error { ready <- c; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }() // ends with ctx
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case c = <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("up ended while starting: %v", err)
	case <-time.After(patience):
		t.Fatalf("up is not ready after %s", patience)
	}
	return cfg.Data, c
}

// example runs a program in a folder and returns what it prints.
func example(t *testing.T, dir, data string, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "UNIONLINK_DATA="+data, "APPID="+appid)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

func TestExamples(t *testing.T) {
	data, c := up(t)
	node := t.TempDir() // node_modules are not to lie beside the source
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "publish.mjs"} {
		text, err := os.ReadFile(filepath.Join("publish-node", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(node, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	example(t, node, data, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")

	for _, want := range []string{"stored as", "stored before as"} {
		if out := example(t, "publish-go", data, "go", "run", "."); !strings.HasPrefix(out, want) {
			t.Errorf("publish-go says %q, want %q", out, want)
		}
		if out := example(t, node, data, "node", "publish.mjs"); !strings.HasPrefix(out, want) {
			t.Errorf("publish-node says %q, want %q", out, want)
		}
	}
	awaitNet(t, c, `"net":24690`)
}

// awaitNet waits until the summary says so.
func awaitNet(t *testing.T, c app.Credentials, want string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		body := summary(t, c)
		if strings.Contains(body, want) && strings.Contains(body, `"orders":2`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the summary is %s, want %s", body, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func summary(t *testing.T, c app.Credentials) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.URL()+"/v1/reports/summary", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.AnalystToken)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
