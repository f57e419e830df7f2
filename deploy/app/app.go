// Package app wires the parts of unionlink into the program: one configuration, one
// listener, and the parts of a target on servers that are embedded or somebody else's.
//
// It promises that parts start in the order in which they need each other and stop in
// the reverse one, each finishing what it has begun: the listener drains, the linker
// finishes its batch, then ClickHouse closes its tables, then NATS. /readyz answers 200
// only while events are taken durably and questions are answered.
// It holds no rule of the domain: what an event means is in schemas, who is whom in linker.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/unionlink/unionlink/deploy/tracing"
)

// Target is a set of parts that one process runs.
type Target string

// The targets. TargetUp is all parts, on embedded servers unless others are configured.
const (
	TargetUp     Target = "up"
	TargetIngest Target = "ingest"
	TargetLinker Target = "linker"
	TargetAPI    Target = "api"
)

// parts are what a target consists of.
type parts struct{ ingest, linker, api, embed bool }

var targets = map[Target]parts{
	TargetUp:     {ingest: true, linker: true, api: true, embed: true},
	TargetIngest: {ingest: true},
	TargetLinker: {linker: true},
	TargetAPI:    {api: true},
}

// Deps are what an App works with.
type Deps struct {
	Log *slog.Logger
	// Out is where the person at the terminal is told what is where.
	Out io.Writer
	// Progress is told how the installation of the engine goes.
	Progress io.Writer
	// OnReady, where set, runs once everything is up; its error stops the App.
	OnReady func(ctx context.Context, c Credentials) error
	// Now is the wall clock. Default time.Now.
	Now func() time.Time
	// Metrics is what /metrics shows, and where the parts register theirs. Default: a new one.
	Metrics *prometheus.Registry
}

// App is a process of unionlink.
type App struct {
	cfg    Config
	target Target
	parts  parts
	deps   Deps
	began  time.Time

	metrics *prometheus.Registry
	ready   *readiness
	cleanup cleanups
	traces  *tracing.Tracing // nil: off
	// simulator is the WeChat simulator's address; empty where it does not run.
	simulator string
	failed    chan error // what ended a part before it was told to end
}

// New checks the configuration; it opens and dials nothing. References to secrets must
// be resolved: see Config.Resolve.
func New(cfg Config, target Target, deps Deps) (*App, error) {
	p, ok := targets[target]
	if !ok {
		return nil, fmt.Errorf("target %q: is none of up, ingest, linker, api", target)
	}
	if err := errors.Join(cfg.Validate(), cfg.demands(target)); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Metrics == nil {
		deps.Metrics = prometheus.NewRegistry()
	}
	a := &App{
		cfg: cfg, target: target, parts: p, deps: deps, metrics: deps.Metrics,
		ready: newReadiness(), failed: make(chan error, 8),
	}
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return a, nil
}

// Run starts the parts, tells where everything is, and returns after ctx ended and all
// of them have stopped, or when one of them could not go on. An orderly end is nil.
func (a *App) Run(ctx context.Context) error {
	a.began = a.deps.Now()
	err := a.start(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
			a.deps.Log.Info("stopping: the listener drains, then the linker, ClickHouse and NATS end")
		case err = <-a.failed:
			a.deps.Log.Error("stopping since a part ended", "error", err)
		}
	} else if ctx.Err() != nil {
		err = nil // told to end while starting
	}
	return errors.Join(err, a.cleanup.run(a.deps.Log))
}

// start is the wiring, one line a part. What it starts it leaves to cleanup.
func (a *App) start(ctx context.Context) (err error) {
	if a.traces, err = tracing.Start(ctx, a.cfg.Tracing, "unionlink-"+string(a.target), a.deps.Log, a.metrics); err != nil {
		return err
	}
	a.cleanup.add("tracing", a.traces.Close)
	web, err := a.listen()
	if err != nil {
		return err
	}
	if err := a.startSimulator(); err != nil {
		return err
	}
	where, err := a.openServers(ctx)
	if err != nil {
		return err
	}
	if err := a.provision(ctx, where); err != nil {
		return err
	}
	keys, err := a.issueKeys(where, web.Addr())
	if err != nil {
		return err
	}
	conns, err := a.connect(where)
	if err != nil {
		return err
	}
	if a.parts.linker {
		if err := a.startLinker(conns); err != nil {
			return err
		}
	}
	if err := a.serveRoutes(web, conns, keys); err != nil {
		return err
	}
	if err := a.ready.wait(ctx); err != nil {
		return err
	}
	a.announce(web, where, keys)
	if a.deps.OnReady != nil {
		// Ends with ctx, or before.
		go func() {
			if err := a.deps.OnReady(ctx, keys.Credentials); err != nil && ctx.Err() == nil {
				a.failed <- err
			}
		}()
	}
	return nil
}

// spawn runs a part until cleanup ends it; its early end stops the App. grace bounds how
// long it may take to finish.
func (a *App) spawn(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	// Ends when run does, which cancel asks for.
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("ended by itself")
			}
			a.failed <- fmt.Errorf("run %s: %w", name, err)
		}
		done <- err
	}()
	a.cleanup.add(name, func(context.Context) error {
		cancel()
		return <-done
	})
}
