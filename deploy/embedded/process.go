package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// stopWait is how long a child may take to close its tables before it is killed, which costs no data.
const stopWait = 20 * time.Second

// process is one run of the ClickHouse child.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer     // closing it asks the child to end
	output *tail         // the last of what it printed
	exited chan struct{} // closed when it has ended and err is set
	err    error         // how it ended; never nil
}

// startProcess starts cmd. The child inherits the files, and with them their locks.
func startProcess(cmd *exec.Cmd, inherit ...*os.File) (*process, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start clickhouse: %w", err)
	}
	p := &process{cmd: cmd, stdin: stdin, output: &tail{}, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.ExtraFiles = inherit
	cmd.SysProcAttr = childAttributes()
	started := make(chan error, 1)
	go p.watch(started) // ends when the child has ended
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start clickhouse: %w", err)
	}
	return p, nil
}

// watch starts the child and waits for its end on one thread: Linux sends the parent's death signal when the *thread*
// that started the child ends, and a locked thread stays as long as this function does.
func (p *process) watch(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.exited)
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.err = p.ending(p.cmd.Wait())
}

func (p *process) ending(err error) error {
	if err == nil {
		err = errors.New("exit status 0")
	}
	if output := p.output.String(); output != "" {
		return fmt.Errorf("clickhouse ended: %w; its last words: %s", err, output)
	}
	return fmt.Errorf("clickhouse ended: %w", err)
}

func (p *process) pid() int {
	return p.cmd.Process.Pid
}

// stop asks the child to end and waits for it; after stopWait it kills it and says so.
func (p *process) stop() error {
	closed := p.stdin.Close()
	if errors.Is(closed, os.ErrClosed) {
		closed = nil // the child has ended before
	}
	select {
	case <-p.exited:
		return closed
	case <-time.After(stopWait):
	}
	err := p.cmd.Process.Kill()
	<-p.exited
	return errors.Join(closed, err, fmt.Errorf("stop clickhouse: killed, as it had not ended after %s; no data is lost", stopWait))
}

// tailBytes is enough for an exception of ClickHouse with its reason.
const tailBytes = 4 << 10

// tail keeps the last tailBytes that were written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write never fails.
func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	if extra := len(t.text) - tailBytes; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(text), nil
}

// String returns the kept text without ClickHouse's greeting, in one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kept []string
	for line := range strings.Lines(string(t.text)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "Logging ") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, " | ")
}
