package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	readyWait    = 5 * time.Minute        // loading many tables takes time; a child that dies is noticed at once
	askInterval  = 20 * time.Millisecond  // between two questions to a server that is not ready
	firstBackOff = 200 * time.Millisecond // before the first restart, doubling
	lastBackOff  = 10 * time.Second
	healthyAfter = time.Minute // a child that lived so long starts the back-off anew
	portTries    = 5           // another process may take a free port before the child does
)

// startSQL opens the ports. What follows on standard input is never sent: reading it only keeps the session, and so the
// server, until the parent closes the pipe or dies.
const startSQL = "SYSTEM START LISTEN TCP;\nSYSTEM START LISTEN HTTP;\n"

// firstLaunch starts the child on the configured ports; where those are free to choose it tries others.
func (c *ClickHouse) firstLaunch(ctx context.Context) (*process, error) {
	for try := 1; ; try++ {
		if err := c.choosePorts(); err != nil {
			return nil, fmt.Errorf("start clickhouse: %w", err)
		}
		child, err := c.launch()
		if err != nil {
			return nil, err
		}
		err = c.awaitReady(ctx, child)
		if err == nil {
			return child, nil
		}
		err = errors.Join(err, child.stop())
		chosen := c.cfg.NativePort == 0 || c.cfg.HTTPPort == 0
		if !chosen || try == portTries || !strings.Contains(err.Error(), "Address already in use") {
			return nil, fmt.Errorf("start clickhouse (its log is %s): %w", filepath.Join(c.cfg.Dir, "log"), err)
		}
	}
}

func (c *ClickHouse) choosePorts() error {
	free, err := freePorts(c.cfg.Host, 2)
	if err != nil {
		return err
	}
	c.native, c.http = c.cfg.NativePort, c.cfg.HTTPPort
	if c.native == 0 {
		c.native = free[0]
	}
	if c.http == 0 {
		c.http = free[1]
	}
	return nil
}

// launch starts a child on the chosen ports; it is not ready yet.
func (c *ClickHouse) launch() (*process, error) {
	config, err := c.writeConfig(c.native, c.http)
	if err != nil {
		return nil, err
	}
	start := filepath.Join(c.cfg.Dir, "start.sql")
	if err := writePrivate(start, []byte(startSQL)); err != nil {
		return nil, err
	}
	args := append(slices.Clone(c.program.args),
		"--path="+filepath.Join(c.cfg.Dir, "data"),
		"--config-file="+config,
		"--log-level="+c.cfg.LogLevel, // clickhouse local does not take it from the file
		"--queries-file", start, "/dev/stdin")
	cmd := exec.Command(c.program.path, args...)
	cmd.Args[0] = c.program.name
	cmd.Dir = c.cfg.Dir
	cmd.Env = append(os.Environ(), append(c.program.env, "TZ=UTC")...)
	child, err := startProcess(cmd, c.lock.file)
	if err != nil {
		return nil, err
	}
	c.pid.Store(int64(child.pid()))
	return child, nil
}

// awaitReady returns when the child answers, or why it does not.
func (c *ClickHouse) awaitReady(ctx context.Context, child *process) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	for {
		err := c.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-child.exited:
			return child.err
		case <-c.stop:
			return errors.New("wait for clickhouse: closed meanwhile")
		case <-ctx.Done():
			return fmt.Errorf("wait for clickhouse: %w; its last answer: %w", ctx.Err(), err)
		case <-time.After(askInterval):
		}
	}
}

// supervise starts the child anew whenever it has died, until Close. It owns the child, c.lock and c.err.
func (c *ClickHouse) supervise(child *process) {
	defer close(c.done)
	defer func() { c.err = errors.Join(c.err, c.lock.release()) }()
	delay := firstBackOff
	for {
		began := time.Now()
		select {
		case <-c.stop:
			c.err = child.stop()
			c.pid.Store(0)
			return
		case <-child.exited:
		}
		c.pid.Store(0)
		if time.Since(began) > healthyAfter {
			delay = firstBackOff
		}
		reason := child.err
		if child, delay = c.restart(reason, delay); child == nil {
			return
		}
		c.cfg.OnRestart(reason)
	}
}

// restart tries until a child has started, and returns it with the back-off for the next time; nil after Close.
func (c *ClickHouse) restart(reason error, delay time.Duration) (*process, time.Duration) {
	for {
		c.log.Error("clickhouse died; starting it again", "reason", reason, "delay", delay)
		select {
		case <-c.stop:
			return nil, delay
		case <-time.After(delay):
		}
		delay = min(2*delay, lastBackOff)
		child, err := c.launch()
		if err == nil {
			return child, delay
		}
		reason = err
	}
}
