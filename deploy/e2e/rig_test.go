package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/unionlink/unionlink/deploy/app"
)

// binary is the built program. A variable of the package, since TestMain has nowhere else to keep it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "unionlink-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "unionlink")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "../unionlink")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build unionlink:", err)
		return 1
	}
	// The engine is fetched before a test's deadline runs.
	cmd = exec.Command(binary, "engine")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "fetch the engine:", err)
		return 1
	}
	return m.Run()
}

// patience bounds every wait. It is long since the machine may be slow; nothing takes as long.
const patience = 3 * time.Minute

// output collects what a process prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is all that was printed so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// instance is a `unionlink up` on a data folder.
type instance struct {
	t        testing.TB
	dir      string // the working directory; data is in unionlink-data
	config   string
	cmd      *exec.Cmd
	out, log *output
	exited   chan struct{} // closed once the process has ended and err is set
	err      error
	app.Credentials
}

// freePorts lets every server have any free port.
var freePorts = []string{"--listen", "127.0.0.1:0", "--nats-port", "0", "--clickhouse-native-port", "0", "--clickhouse-http-port", "0"}

// launch starts `unionlink up` in a folder and does not wait for it.
func launch(t testing.TB, dir, config string, args ...string) *instance {
	t.Helper()
	u := &instance{t: t, dir: dir, config: config, out: &output{}, log: &output{}, exited: make(chan struct{})}
	if config != "" {
		path := filepath.Join(dir, "unionlink.yaml")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--config", path}, args...)
	}
	u.cmd = exec.Command(binary, append([]string{"up"}, args...)...)
	u.cmd.Dir = dir
	u.cmd.Stdout, u.cmd.Stderr = u.out, u.log
	u.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	u.cmd.WaitDelay = 30 * time.Second
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		u.err = u.cmd.Wait()
		close(u.exited)
	}()
	t.Cleanup(func() { u.kill() })
	return u
}

// up starts unionlink and returns once it is ready.
func up(t testing.TB, dir, config string, args ...string) *instance {
	t.Helper()
	u := launch(t, dir, config, append(append([]string{}, freePorts...), args...)...)
	u.waitReady()
	return u
}

func (u *instance) data() string { return filepath.Join(u.dir, "unionlink-data") }

func (u *instance) waitReady() {
	u.t.Helper()
	eventually(u.t, "unionlink is ready", func() error {
		if strings.Contains(u.out.String(), " is ready after ") {
			return nil
		}
		select {
		case <-u.exited:
			u.t.Fatalf("unionlink ended while starting: %v\n%s%s", u.err, u.out, u.log)
		default:
		}
		return errors.New("it has not said so")
	})
	c, err := app.ReadCredentials(u.data())
	if err != nil {
		u.t.Fatal(err)
	}
	u.Credentials = c
}

// again starts it once more on the same data.
func (u *instance) again() *instance {
	u.t.Helper()
	return up(u.t, u.dir, u.config)
}

// kill ends the whole group of processes by SIGKILL; once it has ended that does nothing.
func (u *instance) kill() {
	select {
	case <-u.exited:
		return
	default:
	}
	_ = syscall.Kill(-u.cmd.Process.Pid, syscall.SIGKILL) // it may have ended just now
	<-u.exited
}

// terminate asks it to end, and wants it to within the patience and with status 0.
func (u *instance) terminate() {
	u.t.Helper()
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		u.t.Fatal(err)
	}
	select {
	case <-u.exited:
	case <-time.After(patience):
		u.t.Fatalf("it did not end after SIGTERM\n%s", u.log)
	}
	if u.err != nil {
		u.t.Fatalf("it ended with %v\n%s", u.err, u.log)
	}
}

// eventually repeats a look until it finds what it wants.
func eventually(t testing.TB, what string, look func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %s: %v", what, patience, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// eventually is the function, given up at once where unionlink has ended.
func (u *instance) eventually(what string, look func() error) {
	u.t.Helper()
	eventually(u.t, what, func() error {
		err := look()
		select {
		case <-u.exited:
			if err != nil {
				u.t.Fatalf("%s: unionlink ended: %v\n%s", what, u.err, u.log)
			}
		default:
		}
		return err
	})
}

// get asks the API; anything but 200 fails the test.
func (u *instance) get(path string, into any) {
	u.t.Helper()
	status, body := u.request(http.MethodGet, path, u.AnalystToken, "", nil)
	if status != http.StatusOK {
		u.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		u.t.Fatalf("GET %s: %v in %s", path, err, body)
	}
}

func (u *instance) request(method, path, token, contentType string, body io.Reader) (int, []byte) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.URL()+path, body)
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		u.t.Fatalf("%s %s: %v\n%s", method, path, err, u.log)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, text
}

// tool runs another sub-command to its end.
func tool(t testing.TB, args ...string) (stdout string, status int) {
	t.Helper()
	var out, log bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("unionlink %s: %v", strings.Join(args, " "), err)
	}
	return out.String() + log.String(), cmd.ProcessState.ExitCode()
}

// importAll imports files and wants every event taken and counted.
func (u *instance) importAll(args ...string) {
	u.t.Helper()
	out, status := tool(u.t, append([]string{"import", "--wait", "--data", u.data()}, args...)...)
	if status != 0 {
		u.t.Fatalf("import %s: status %d\n%s", strings.Join(args, " "), status, out)
	}
}
