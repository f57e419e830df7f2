// Package bench holds the performance commands that stay in the project: what ingest,
// the linker, the map of persons, the reports and logins do on this machine.
//
// Each command starts the real servers it needs in a folder of its own, with every
// write on disk before it is answered, as in production. It prints each figure beside
// the floor and the ceiling measured in the same run, and what the machine is, since a
// figure without them says nothing. What was counted is checked to be exact; where it is
// not, the command fails. It never asserts a speed, and never touches a running system.
//
// The program whose command this is must call embedded.RunChildIfAsked first thing.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// benchmark is one sub-command.
type benchmark struct {
	use, short, long, example string
	flags                     func(*pflag.FlagSet)
	run                       func(context.Context, *session) error
}

// settings are the flags that all benchmarks share.
type settings struct {
	dir, profile string
	seed         uint64
	json         bool
}

// session is one run of a benchmark.
type session struct {
	// dir is the run's own folder, removed at its end.
	dir string
	// seed decides all data.
	seed uint64
	// progress is told how long work goes, and what the servers warn of.
	progress io.Writer
	report   *Report
}

const help = `bench measures unionlink on this machine, each time on servers of its own that start empty
in a temporary folder and are gone afterwards. A running unionlink is not touched, but it
shares the processors and the disk: stop it before you believe a figure.

How to read the table: a figure stands beside its floor and its ceiling, measured in the same
run. For a rate the floor is the simple way to do it and the ceiling what the parts below
it could do at best; for a time the floor is the work without unionlink's share and the
ceiling the naive way. The percentage is the figure's part of each.

A load average near the number of cores before the run means that others were at work.
The servers fsync, so the folder decides: put it (--dir) where the data will be.`

// Command is `bench` with its sub-commands.
func Command() *cobra.Command {
	s := &settings{}
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure what this machine can do", Long: help, Args: cobra.NoArgs,
		Example: `  unionlink bench ingest
  unionlink bench identity --identities 100000,1000000
  unionlink bench query --purchases 20000000 --identities 10000000 --dir /var/lib/unionlink-bench`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := cmd.PersistentFlags()
	f.StringVar(&s.dir, "dir", "", "`FOLDER` in which the run makes its own one (default: the system's for temporary files)")
	f.Uint64Var(&s.seed, "seed", 1, "`NUMBER` that decides all data; the same one gives the same events")
	f.StringVar(&s.profile, "profile", "", "write a CPU profile of this process to `FILE`, for go tool pprof")
	f.BoolVar(&s.json, "json", false, "print the figures as JSON instead of a table")
	for _, b := range []benchmark{ingestBenchmark(), pipelineBenchmark(), identityBenchmark(), queryBenchmark(), loginBenchmark()} {
		cmd.AddCommand(s.command(b))
	}
	return cmd
}

func (s *settings) command(b benchmark) *cobra.Command {
	cmd := &cobra.Command{
		Use: b.use, Short: b.short, Long: b.long, Example: b.example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := s.measure(cmd.Context(), b, cmd.ErrOrStderr())
			if err != nil {
				return fmt.Errorf("bench %s: %w", b.use, err)
			}
			if s.json {
				return report.writeJSON(cmd.OutOrStdout())
			}
			return report.write(cmd.OutOrStdout())
		},
	}
	b.flags(cmd.Flags())
	return cmd
}

// measure runs a benchmark in a folder of its own.
func (s *settings) measure(ctx context.Context, b benchmark, progress io.Writer) (report *Report, err error) {
	dir, err := os.MkdirTemp(s.dir, "unionlink-bench-")
	if err != nil {
		return nil, fmt.Errorf("make the run's folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	machine, err := survey(dir)
	if err != nil {
		return nil, err
	}
	stop, err := startProfile(s.profile)
	if err != nil {
		return nil, err
	}
	run := &session{dir: dir, seed: s.seed, progress: progress, report: &Report{Benchmark: b.use, Seed: s.seed, Machine: machine}}
	if err := errors.Join(b.run(ctx, run), stop()); err != nil {
		return nil, err
	}
	return run.report, nil
}
