package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"
)

const commandHelp = `chaos starts a NATS, a ClickHouse, an ingest and up to four linkers as processes of their
own, with TCP proxies in between, publishes to them from several producers, and has every
fault happen once: kill -9 of each and of all, connections cut, halved, delayed, reset and
stalled, answers swallowed, a missing table, duplicates, poison, linkers scaled from one to
four to one. Then it compares what analysts see with what the producers were answered.

It ends with status 0 when every acknowledged event was counted exactly once or is in the
dead letters, every rejected one is nowhere, and persons are those of the linking rule.
It touches nothing but its own processes and a folder of its own.`

// Command is `unionlink chaos`, to be added to the root command.
func Command() *cobra.Command {
	var cfg Config
	var long bool
	var during time.Duration
	var list bool
	cmd := &cobra.Command{
		Use: "chaos", Short: "Break everything and check that no event is lost", Long: commandHelp, Args: cobra.NoArgs,
		Example: `  unionlink chaos
  unionlink chaos --seed 42 --faults kill-all,clickhouse-killed-between
  unionlink chaos --long --for 6h
  unionlink chaos order --events 200000`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if list {
				for _, f := range Faults() {
					fmt.Fprintf(cmd.OutOrStdout(), "%-28s %s\n", f[0], f[1])
				}
				return nil
			}
			settle(cmd, &cfg)
			if !long {
				during = 0
			}
			return rounds(cmd.Context(), cfg, during)
		},
	}
	addFlags(cmd, &cfg)
	f := cmd.Flags()
	f.StringSliceVar(&cfg.Faults, "faults", nil, "`NAMES` of the faults that happen (default all)")
	f.BoolVar(&list, "list", false, "list the faults and end")
	f.BoolVar(&long, "long", false, "one round after another, each with a seed of its own")
	f.DurationVar(&during, "for", 4*time.Hour, "how long --long goes on")
	cmd.AddCommand(partCommand())
	return cmd
}

func addFlags(cmd *cobra.Command, cfg *Config) {
	f := cmd.Flags()
	f.Uint64Var(&cfg.Seed, "seed", 0, "`NUMBER` that decides what is published and what happens (default: a new one)")
	f.StringVar(&cfg.Dir, "dir", "", "`FOLDER` for the files of the run (default: the system's temporary one)")
	f.BoolVar(&cfg.Keep, "keep", false, "keep the files of the run")
	f.StringVar(&cfg.Engine, "engine", "", "`PATH` of a libchdb or clickhouse (default: the pinned engine)")
}

// settle fills in what no flag says.
func settle(cmd *cobra.Command, cfg *Config) {
	cfg.Out = cmd.OutOrStdout()
	cfg.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	if !cmd.Flags().Changed("seed") {
		cfg.Seed = rand.Uint64N(1_000_000)
	}
}

// rounds runs once, or until the time is over, each round with the next seed.
func rounds(ctx context.Context, cfg Config, during time.Duration) error {
	deadline := time.Now().Add(during)
	for round := 1; ; round++ {
		verdicts, err := Run(ctx, cfg)
		if err != nil {
			return err
		}
		if err := failed(cfg.Seed, verdicts); err != nil {
			return err
		}
		if !time.Now().Before(deadline) {
			fmt.Fprintf(cfg.Out, "no promise was broken in %d rounds\n", round)
			return nil
		}
		cfg.Seed++
	}
}

func partCommand() *cobra.Command {
	return &cobra.Command{
		Use: "part ROLE", Hidden: true, Args: cobra.ExactArgs(1), Short: "Be one process of a run",
		RunE: func(cmd *cobra.Command, args []string) error {
			return RunPart(cmd.Context(), args[0], cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}
