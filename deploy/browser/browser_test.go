package browser

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds the demo's start and end, walkTime one file of walks. Nothing takes as long; the machine may be slow.
const (
	patience = 3 * time.Minute
	walkTime = 10 * time.Minute
)

func TestWalks(t *testing.T) {
	env := append(os.Environ(), "UNIONLINK_CHROMIUM="+chromium(t), "UNIONLINK_ARTIFACTS="+artifacts(t))
	if _, err := os.Stat("node_modules"); err != nil {
		run(t, exec.Command("npm", "ci", "--no-audit", "--no-fund"))
	}
	env = append(env, startDemo(t)...)
	walks, err := filepath.Glob("*.walk.mjs")
	if err != nil || len(walks) == 0 {
		t.Fatalf("there are no walks (%v)", err)
	}
	for _, walk := range walks {
		t.Run(strings.TrimSuffix(walk, ".walk.mjs"), func(t *testing.T) {
			cmd := exec.Command("node", "--test", "--test-reporter=spec", walk)
			cmd.Env = env
			run(t, cmd)
		})
	}
}

// chromium finds the browser.
func chromium(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome"}
	if own := os.Getenv("UNIONLINK_CHROMIUM"); own != "" {
		names = []string{own}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium: apt-get install -y chromium, or set UNIONLINK_CHROMIUM to the program")
	return ""
}

// artifacts is where pictures are kept.
func artifacts(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("UNIONLINK_ARTIFACTS")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "unionlink-browser")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Logf("pictures of the pages: %s", dir)
	return dir
}

// run runs a command to its end and logs what it says.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	// Told to end, Node ends the browsers that it started. It may have ended just now.
	overdue := time.AfterFunc(walkTime, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer overdue.Stop()
	err := cmd.Wait()
	t.Logf("%s\n%s", cmd, out.String())
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
}

// startDemo builds unionlink, with its console, and starts the demo on free ports; the test's end stops it. It answers
// with the environment in which walks find it.
func startDemo(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat("../../api/console/dist/index.html"); err != nil {
		run(t, exec.Command("../../api/console/build.sh"))
	}
	dir := t.TempDir()
	binary, data := filepath.Join(dir, "unionlink"), filepath.Join(dir, "data")
	run(t, exec.Command("go", "build", "-buildvcs=false", "-o", binary, "../unionlink"))
	run(t, exec.Command(binary, "engine")) // fetched before anything waits for it

	cmd := exec.Command(binary, "up", "--demo", "--data", data, "--listen", "127.0.0.1:0",
		"--nats-port", "0", "--clickhouse-native-port", "0", "--clickhouse-http-port", "0", "--log-level", "warn")
	var out, log output // out has keys in it, and is never told
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends with the process, which the cleanup ends
	t.Cleanup(func() { stop(t, cmd, ended, &log) })

	deadline := time.After(patience)
	for {
		if env := environment(t, out.String(), data); env != nil {
			return env
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the demo ended: %v\n%s", err, log.String())
		case <-deadline:
			t.Fatalf("the demo is not ready after %s\n%s", patience, log.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stop ends the demo, in order where it obeys.
func stop(t *testing.T, cmd *exec.Cmd, ended chan error, log *output) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop the demo: %v", err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the demo ended: %v", err)
		}
	case <-time.After(patience):
		t.Errorf("the demo does not end: %v", cmd.Process.Kill())
	}
	if t.Failed() {
		t.Logf("the demo logged\n%s", log.String())
	}
}

var (
	shopLine      = regexp.MustCompile(`(?m)^Shop \d: (http://[^/\s]+)/`)
	simulatorLine = regexp.MustCompile(`(?m)^\s+simulator\s+(http://[^/\s]+)/`)
)

// environment reads where everything is from what the demo printed; nil while it is not all there.
func environment(t *testing.T, printed, data string) []string {
	t.Helper()
	shops, simulator := shopLine.FindAllStringSubmatch(printed, -1), simulatorLine.FindStringSubmatch(printed)
	if len(shops) < 3 || simulator == nil {
		return nil
	}
	origins := make([]string, len(shops))
	for i, shop := range shops {
		origins[i] = shop[1]
	}
	raw, err := os.ReadFile(filepath.Join(data, "credentials.json"))
	if err != nil {
		t.Fatal(err)
	}
	var credentials struct {
		Listen string `json:"listen"`
		Token  string `json:"analyst_token"`
	}
	if err := json.Unmarshal(raw, &credentials); err != nil {
		t.Fatal(err)
	}
	return []string{
		"UNIONLINK_URL=http://" + credentials.Listen, "UNIONLINK_TOKEN=" + credentials.Token,
		"UNIONLINK_SIMULATOR=" + simulator[1], "UNIONLINK_SHOPS=" + strings.Join(origins, ","),
	}
}

// output collects what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
