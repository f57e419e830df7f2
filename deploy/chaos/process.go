package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process keeps one part running: what ends is started again, as an init system would,
// unless it was told to stay down.
type process struct {
	name, role string
	binary     string
	dir        string // of the log
	order      order

	mu      sync.Mutex
	up      bool
	cmd     *exec.Cmd
	told    told
	ready   bool
	starts  int
	changed chan struct{} // closed, and replaced, whenever something above changes
	ended   chan struct{}
	last    error
}

func newProcess(binary, dir, name, role string, o order) *process {
	return &process{name: name, role: role, binary: binary, dir: dir, order: o, changed: make(chan struct{}), ended: make(chan struct{})}
}

func (p *process) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// restartPause is how long an ended part stays down.
const restartPause = 200 * time.Millisecond

// run keeps the part until ctx ends, and then lets it stop in order, or kills it after a while.
func (p *process) run(ctx context.Context) {
	defer close(p.ended)
	for ctx.Err() == nil {
		p.mu.Lock()
		up, changed := p.up, p.changed
		p.mu.Unlock()
		if !up {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		err := p.once(ctx)
		p.change(func() { p.cmd, p.ready, p.last = nil, false, err })
		select {
		case <-time.After(restartPause):
		case <-ctx.Done():
		}
	}
}

// stopWait is how long a part may take to end in order.
const stopWait = 30 * time.Second

func (p *process) once(ctx context.Context) error {
	log, err := stderrFile(p.dir, p.name)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.binary, "chaos", "part", p.role)
	cmd.Stderr = log
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.change(func() { p.cmd = cmd; p.starts++ })
	done := make(chan struct{})
	defer close(done)
	// Ends with this run of the part.
	go func() {
		select {
		case <-ctx.Done():
			_ = stdin.Close() // asks it to end; an ended part needs no asking
			select {
			case <-done:
			case <-time.After(stopWait):
				p.kill()
			}
		case <-done:
		}
	}()
	line, err := json.Marshal(p.order)
	if err != nil {
		return fmt.Errorf("order %s: %w", p.name, err)
	}
	if _, err := stdin.Write(append(line, '\n')); err != nil {
		return errors.Join(fmt.Errorf("order %s: %w", p.name, err), cmd.Wait())
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var t told
		if json.Unmarshal(lines.Bytes(), &t) == nil {
			p.change(func() { p.told, p.ready = t, true })
		}
	}
	return cmd.Wait()
}

// kill sends SIGKILL to the part, and to the engine where it has one; it is started again.
func (p *process) kill() {
	p.mu.Lock()
	cmd, engine := p.cmd, p.told.Engine
	p.told.Engine, p.ready = 0, false
	p.mu.Unlock()
	if engine > 0 {
		_ = syscall.Kill(engine, syscall.SIGKILL) // it may have ended by itself
	}
	if cmd != nil && cmd.Process != nil {
		_ = cmd.Process.Kill() // ditto; os.Process never signals a pid that was waited for
	}
}

// killEngine kills ClickHouse's engine only; the part starts another.
func (p *process) killEngine() {
	p.mu.Lock()
	engine := p.told.Engine
	p.told.Engine, p.ready = 0, false
	p.mu.Unlock()
	if engine > 0 {
		_ = syscall.Kill(engine, syscall.SIGKILL) // it may have ended by itself
	}
}

// halt kills the part and keeps it down, without waiting; see stop.
func (p *process) halt() {
	p.change(func() { p.up = false })
	p.kill()
}

// engine is the process id of ClickHouse's engine, 0 where there is none.
func (p *process) engine() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told.Engine
}

// start lets the part run; stop kills it and keeps it down until start.
func (p *process) start() { p.change(func() { p.up = true }) }

func (p *process) stop(ctx context.Context) error {
	p.halt()
	return p.await(ctx, "to be down", func() bool { return p.cmd == nil })
}

// awaitReady waits until the part has told that it is ready, and returns what it told.
func (p *process) awaitReady(ctx context.Context) (told, error) {
	var t told
	err := p.await(ctx, "to be ready", func() bool { t = p.told; return p.ready })
	return t, err
}

// await waits until ok holds; p.mu is held when it is called.
func (p *process) await(ctx context.Context, what string, ok func() bool) error {
	for {
		p.mu.Lock()
		good, changed, last := ok(), p.changed, p.last
		p.mu.Unlock()
		if good {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s %s (its log is %s.log): %w", p.name, what, p.name, errors.Join(ctx.Err(), last))
		}
	}
}
