package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
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
	cmd.AddCommand(orderCommand(), plantCommand(), partCommand())
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

func orderCommand() *cobra.Command {
	var cfg Config
	var events int
	cmd := &cobra.Command{
		Use: "order", Short: "Check that no order of events changes what analysts see", Args: cobra.NoArgs,
		Long: `order publishes one seeded log in five random orders, a quarter of its events twice, by four
publishers at once, into one, two and four linkers of which one is killed, each time into
fresh servers. Hashes over v_purchases with its person ids, over the map of persons and over
the conflicts must come out the same, and rows and persons must be those of a pure model.`,
		Example: "  unionlink chaos order --events 20000 --seed 7",
		RunE: func(cmd *cobra.Command, _ []string) error {
			settle(cmd, &cfg)
			states, err := Orders(cmd.Context(), cfg, events, len(orderLinkers))
			if err != nil {
				return err
			}
			for i := range states {
				if !states[i].Same(states[0]) {
					return fmt.Errorf("order %d came to another state than order 1; the same log comes again with --seed %d", i+1, cfg.Seed)
				}
			}
			fmt.Fprintf(cfg.Out, "%d orders came to the same state\n", len(states))
			return nil
		},
	}
	addFlags(cmd, &cfg)
	cmd.Flags().IntVar(&events, "events", 200_000, "`NUMBER` of events in the log")
	return cmd
}

func plantCommand() *cobra.Command {
	var cfg Config
	var source string
	cmd := &cobra.Command{
		Use: "plant [NAME...]", Short: "Check that planted bugs are caught",
		Long: `plant builds unionlink's parts with a bug in them, one bug after another, has the faults happen
under which it shows, and checks that the judge notices. It needs Go and unionlink's source.`,
		Example: "  unionlink chaos plant --source .\n  unionlink chaos plant max-deliver ack-before-insert",
		RunE: func(cmd *cobra.Command, names []string) error {
			settle(cmd, &cfg)
			return plantAll(cmd.Context(), cfg, source, names)
		},
	}
	addFlags(cmd, &cfg)
	cmd.Flags().StringVar(&source, "source", ".", "`FOLDER` of unionlink's source, the one with go.mod")
	return cmd
}

func plantAll(ctx context.Context, cfg Config, source string, names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(Plants(), func(p Plant) bool { return p.Name == name }) {
			return fmt.Errorf("plant %q: there is no such bug", name)
		}
	}
	var missed []string
	for _, p := range Plants() {
		if len(names) > 0 && !slices.Contains(names, p.Name) {
			continue
		}
		fmt.Fprintf(cfg.Out, "\n%s: %s\n", p.Name, p.About)
		v, err := p.Catch(ctx, cfg, source)
		switch {
		case err != nil:
			return err
		case len(v.Violations) == 0:
			missed = append(missed, p.Name)
			fmt.Fprintf(cfg.Out, "%s: NOT caught\n", p.Name)
		default:
			fmt.Fprintf(cfg.Out, "%s: caught, %d violations\n", p.Name, len(v.Violations))
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("the judge did not notice: %s", strings.Join(missed, ", "))
	}
	return nil
}
