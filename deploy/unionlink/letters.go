package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/linker/letters"
)

const lettersHelp = `letters works on dead letters: events that could not be counted, each with its reason and
the original message. They are found on your NATS (nats.url), or on that of the unionlink up
that runs on --data.`

func lettersCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use: "letters", Short: "List, show, replay and drop dead letters", Long: lettersHelp, Args: cobra.NoArgs,
		Example: `  unionlink letters list --reason unknown-account
  unionlink letters show 17
  unionlink letters replay --reason unknown-account     # after the account was configured
  unionlink letters drop --until 2026-01-01T00:00:00Z --yes`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(lettersList(t), lettersShow(t), lettersSweep(t, "replay"), lettersSweep(t, "drop"))
	return cmd
}

// letterFilter are the flags that choose letters.
type letterFilter struct {
	reason, since, until string
	limit                int
}

func addLetterFilter(cmd *cobra.Command) *letterFilter {
	f := &letterFilter{}
	cmd.Flags().StringVar(&f.reason, "reason", "", "only letters with this `TYPE` of reason")
	cmd.Flags().StringVar(&f.since, "since", "", "only those that failed at this `TIME` (RFC 3339) or later")
	cmd.Flags().StringVar(&f.until, "until", "", "only those that failed before this `TIME` (RFC 3339)")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "at most so many; 0 is all")
	return f
}

func (f *letterFilter) read() (letters.Filter, error) {
	out := letters.Filter{Reason: f.reason, Limit: f.limit}
	var faults []error
	for _, v := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", f.since, &out.Since}, {"until", f.until, &out.Until}} {
		if v.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, v.text)
		if err != nil {
			faults = append(faults, fmt.Errorf("--%s: %q is not a time such as 2026-11-22T10:00:00Z", v.flag, v.text))
		}
		*v.to = at
	}
	return out, errors.Join(faults...)
}

// withBox runs a command on the dead letters of the configured servers.
func withBox(ctx context.Context, s *settings, do func(context.Context, *letters.Box) error) error {
	cfg, err := s.resolved(nil)
	if errors.Is(err, errDone) {
		return nil
	}
	if err != nil {
		return err
	}
	return app.Letters(ctx, cfg, do)
}

func lettersList(t *terminal) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List dead letters, oldest first", Args: cobra.NoArgs}
	s := addToolSettings(t, cmd)
	filter := addLetterFilter(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := filter.read()
		if err != nil {
			return err
		}
		return withBox(cmd.Context(), s, func(ctx context.Context, box *letters.Box) error {
			table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "LETTER\tFAILED AT\tREASON\tSUBJECT\tDETAIL")
			err := box.Each(ctx, f, func(l *letters.Letter) error {
				_, err := fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", l.Seq, l.FailedAt.Format(time.RFC3339), l.Reason, l.Subject, l.Detail)
				return err
			})
			return errors.Join(err, table.Flush())
		})
	}
	return cmd
}

// shown is a letter as it is printed, its payload as text where it is text.
type shown struct {
	*letters.Letter
	Data any `json:"data"`
}

func lettersShow(t *terminal) *cobra.Command {
	cmd := &cobra.Command{Use: "show LETTER", Short: "Show one dead letter with its original message", Args: cobra.ExactArgs(1)}
	s := addToolSettings(t, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		seq, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not the number of a letter", args[0])
		}
		return withBox(cmd.Context(), s, func(ctx context.Context, box *letters.Box) error {
			l, err := box.Show(ctx, seq)
			if err != nil {
				return err
			}
			out := shown{Letter: l, Data: l.Data}
			switch {
			case json.Valid(l.Data):
				out.Data = json.RawMessage(l.Data)
			case utf8.Valid(l.Data):
				out.Data = string(l.Data)
			}
			enc := json.NewEncoder(t.out)
			enc.SetIndent("", "  ")
			return enc.Encode(out)
		})
	}
	return cmd
}

// lettersSweep is replay or drop.
func lettersSweep(t *terminal, verb string) *cobra.Command {
	var dry, yes bool
	short := "Publish the originals again and remove their letters"
	if verb == "drop" {
		short = "Remove dead letters for good"
	}
	cmd := &cobra.Command{Use: verb, Short: short, Args: cobra.NoArgs}
	s := addToolSettings(t, cmd)
	filter := addLetterFilter(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "tell how many it would be, and change nothing")
	if verb == "drop" {
		cmd.Flags().BoolVar(&yes, "yes", false, "needed, since what is dropped is gone")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := filter.read()
		if err != nil {
			return err
		}
		if verb == "drop" && !yes && !dry {
			return errors.New("letters drop: give --yes, since what is dropped is gone, or --dry-run")
		}
		return withBox(cmd.Context(), s, func(ctx context.Context, box *letters.Box) error {
			sweep := box.Replay
			if verb == "drop" {
				sweep = box.Drop
			}
			n, err := sweep(ctx, f, dry)
			if dry {
				fmt.Fprintf(t.out, "%d letters: it was a dry run, nothing changed\n", n)
			} else {
				fmt.Fprintf(t.out, "%d letters done\n", n)
			}
			return err
		})
	}
	return cmd
}

func verifyCommand(t *terminal) *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that everything acknowledged is counted, and that persons are what the facts say", Args: cobra.NoArgs,
		Long: `verify compares the stream with the ledger of messages, the map of persons with the facts, and the
dictionaries with the map, and prints what it found as JSON. persons, purchases and conflicts are hashes
of the state: two systems that were told the same facts have equal ones. It may run beside linkers.
The status is 0 where everything agrees, 2 where something differed.`,
		Example: "  unionlink verify --data ./unionlink-data\n  unionlink verify --repair",
	}
	s := addToolSettings(t, cmd)
	cmd.Flags().BoolVar(&repair, "repair", false, "put right what differs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := s.resolved(nil)
		if errors.Is(err, errDone) {
			return nil
		}
		if err != nil {
			return err
		}
		last := time.Now()
		v, err := app.Verify(cmd.Context(), cfg, app.Deps{Log: t.logger(cfg.Log)}, repair, func(done, all uint64) {
			if time.Since(last) > time.Second {
				last = time.Now()
				fmt.Fprintf(t.err, "verify: %d of %d identities\n", done, all)
			}
		})
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		enc := json.NewEncoder(t.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(v); err != nil {
			return err
		}
		if !v.Sound() {
			return &exitError{status: 2}
		}
		return nil
	}
	return cmd
}
