// Package chaos holds unionlink to its promise while everything fails: `unionlink chaos`.
//
// Producers write down each event before they send it and what they were answered. In
// between processes are killed, connections are cut, delayed, reset and stalled, answers
// are swallowed, disks fill up, and what was not fsynced is lost. When all is calm and
// drained, a judge compares what the analysts see with what a pure model makes of the
// producers' notes: every acknowledged event is counted exactly once or is in the dead
// letters, every rejected one is nowhere, sums match, and persons are those of the
// linking rule.
//
// Everything is real: NATS, ClickHouse, ingest and linkers are processes of their own,
// made by starting this binary again (see RunPart), with TCP proxies in between. The
// judge itself is tested by planted bugs that it must catch (see Plants).
//
// The package kills only processes that it has started, by their process ids.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

// Config of a storm or of an order run.
type Config struct {
	// Seed decides what is published and which fault happens when. How the processes
	// interleave is the machine's choice.
	Seed uint64
	// Faults are the names of those that happen; empty: all.
	Faults []string
	// Binary is executed with "chaos part ROLE"; empty: this one.
	Binary string
	// Dir is where the runs' files go, below a folder of their own; empty: the system's.
	Dir string
	// Keep leaves the files of a run there. Those of a run with violations are kept anyhow.
	Keep bool
	// Drain bounds the wait until the servers answer after a fault, and the one until
	// everything is acknowledged after a storm. Default 5 min.
	Drain time.Duration
	// Engine is where ClickHouse comes from; see embedded.ClickHouseConfig.
	Engine string
	// Out is told what happens, one line each.
	Out io.Writer
	Log *slog.Logger

	orders int // how many of the orders are tried
	// longer is added to how long each fault lasts.
	longer time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if c.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return c, fmt.Errorf("find this program: %w", err)
		}
		c.Binary = self
	}
	if c.Drain == 0 {
		c.Drain = 5 * time.Minute
	}
	if c.Out == nil {
		c.Out = io.Discard
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func (c Config) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.Out, time.Now().Format("15:04:05.000 ")+format+"\n", args...) // a terminal that is gone stops nobody
}

// Faults lists the names of all faults and what each does.
func Faults() [][2]string {
	var out [][2]string
	for _, s := range stages() {
		for _, f := range s.faults {
			out = append(out, [2]string{f.name, f.about})
		}
	}
	return out
}

// stage is a rig and the faults that happen to it.
type stage struct {
	name   string
	faults []fault
	// prepare gives the rig its file systems; undo takes them away. Where they cannot be
	// had, it returns an unavailable error and the stage is left out.
	prepare func(cfg *rigConfig) (undo func() error, err error)
}

// unavailable says why a stage cannot be on this machine.
type unavailable struct{ reason error }

// Error is the reason's.
func (u *unavailable) Error() string { return u.reason.Error() }

func stages() []stage {
	return append([]stage{{name: "storm", faults: stormFaults()}}, machineStages()...)
}

// Run has every fault of cfg happen once, in an order that the seed decides, and returns
// what the judge found, one verdict a stage. An error means that there is no verdict.
func Run(ctx context.Context, cfg Config) ([]*Verdict, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := checkNames(cfg.Faults); err != nil {
		return nil, err
	}
	cfg.say("seed %d", cfg.Seed)
	var out []*Verdict
	for _, s := range stages() {
		if len(cfg.Faults) > 0 {
			s.faults = slices.DeleteFunc(s.faults, func(f fault) bool { return !slices.Contains(cfg.Faults, f.name) })
		}
		if len(s.faults) == 0 {
			continue
		}
		v, err := s.run(ctx, cfg)
		var missing *unavailable
		if errors.As(err, &missing) {
			cfg.say("%s: left out: %v", s.name, missing)
			continue
		}
		if err != nil {
			return out, fmt.Errorf("%s, seed %d: %w", s.name, cfg.Seed, err)
		}
		cfg.say("%s: %s", s.name, v)
		out = append(out, v)
	}
	return out, nil
}

func checkNames(names []string) error {
	known := map[string]bool{}
	for _, f := range Faults() {
		known[f[0]] = true
	}
	for _, n := range names {
		if !known[n] {
			return fmt.Errorf("fault %q: there is no such fault (see --list)", n)
		}
	}
	return nil
}

func (s stage) run(ctx context.Context, cfg Config) (v *Verdict, err error) {
	dir, remove, err := workDir(cfg.Dir, s.name, cfg.Log)
	if err != nil {
		return nil, err
	}
	defer func() {
		keep := cfg.Keep || err != nil || v != nil && len(v.Violations) > 0
		var missing *unavailable
		if keep && !errors.As(err, &missing) {
			cfg.say("%s: its logs are in %s", s.name, dir)
		}
		err = errors.Join(err, remove(keep && missing == nil))
	}()
	rc := rigConfig{binary: cfg.Binary, dir: dir, engine: cfg.Engine}
	if s.prepare != nil {
		undo, err := s.prepare(&rc)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, undo()) }()
	}
	r, err := newRig(ctx, rc)
	if err != nil {
		return nil, err
	}
	v, err = s.storm(ctx, cfg, r)
	return v, errors.Join(err, r.close())
}

// notRecovered says that a fault has passed and the servers do not answer.
type notRecovered struct{ reason error }

// Error is the reason's.
func (n *notRecovered) Error() string { return n.reason.Error() }

func recovers(ctx context.Context, patience time.Duration, st *storm) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := st.up(ctx); err != nil {
		return &notRecovered{err}
	}
	return nil
}

// faultTimeout bounds one fault.
const faultTimeout = 4 * time.Minute

// storm has the faults happen while producers publish, then calms, drains and judges.
func (s stage) storm(ctx context.Context, cfg Config, r *rig) (*Verdict, error) {
	j := newJournal()
	l, err := startLoad(r, j, cfg.Seed)
	if err != nil {
		return nil, err
	}
	st := &storm{rig: r, load: l, longer: cfg.longer, random: rand.New(rand.NewPCG(cfg.Seed, 7)), say: func(format string, args ...any) {
		cfg.say(s.name+": "+format, args...)
	}}
	err = s.happen(ctx, cfg, st)
	l.stop()
	var down *notRecovered
	if errors.As(err, &down) && ctx.Err() == nil {
		return &Verdict{Violations: []Violation{{Kind: "not recovered", Detail: down.Error()}}}, nil
	}
	if err != nil {
		return nil, err
	}
	r.calm()
	if err := r.scale(ctx, 2); err != nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(ctx, cfg.Drain)
	defer cancel()
	if err := r.up(patience); err != nil {
		return nil, err
	}
	stuck := r.drain(patience)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	v, err := r.judge(ctx, j)
	if err == nil && stuck != nil {
		v.violate("not drained", "%v", stuck)
	}
	return v, err
}

func (s stage) happen(ctx context.Context, cfg Config, st *storm) error {
	sleep(ctx, time.Second) // something is there to be lost
	faults := slices.Clone(s.faults)
	st.random.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
	for _, f := range faults {
		began := time.Now()
		bounded, cancel := context.WithTimeout(ctx, faultTimeout)
		err := f.do(bounded, st)
		cancel()
		if err == nil {
			err = recovers(ctx, cfg.Drain, st)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		acked, rejected, unknown := st.load.journal.counts()
		cfg.say("%s: %-28s %6.1f s  %7d acknowledged %5d rejected %5d open", s.name, f.name, time.Since(began).Seconds(), acked, rejected, unknown)
		sleep(ctx, 300*time.Millisecond)
	}
	return ctx.Err()
}

// failed is the error of a run whose verdicts have violations.
func failed(seed uint64, verdicts []*Verdict) error {
	kinds := map[string]bool{}
	n := 0
	for _, v := range verdicts {
		for _, x := range v.Violations {
			kinds[x.Kind] = true
			n++
		}
	}
	if n == 0 {
		return nil
	}
	var names []string
	for k := range kinds {
		names = append(names, k)
	}
	slices.Sort(names)
	return fmt.Errorf("%d promises were broken (%s); the same events and faults come again with --seed %d", n, strings.Join(names, "; "), seed)
}
