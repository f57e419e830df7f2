package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/deploy/demo"
)

const upHelp = `up runs ingest, linker, api and console in one process, on a NATS and a ClickHouse that it
brings along (or on yours, where nats.url or clickhouse.dsn is set). Its first start fetches
the ClickHouse engine with npm.

It prints where everything is. Keys and tokens that are not configured are made at the first
start, printed once, and kept in DATA/credentials.json, which always has the addresses in use.
/readyz answers 200 once events are taken durably and questions answered. SIGTERM or Ctrl-C
stops it in order; a second one at once. Either way no answered event is lost.`

func upCommand(t *terminal) *cobra.Command {
	var withDemo bool
	cmd := &cobra.Command{
		Use: "up", Short: "Run everything in one process", Long: upHelp, Args: cobra.NoArgs,
		Example: `  unionlink up --demo
  unionlink up --config unionlink.yaml --data /var/lib/unionlink --listen 0.0.0.0:8080
  unionlink up --listen 127.0.0.1:0 --nats-port 0 --clickhouse-native-port 0 --clickhouse-http-port 0

  # a file to begin with:
  data: ./unionlink-data
  accounts:
    - {appid: wx0123456789abcdef, name: Our shop, kind: official_account, platform: our-company, secret: "env:WX_SECRET"}`,
	}
	s := addSettings(t, cmd)
	s.addEmbedded()
	cmd.Flags().BoolVar(&withDemo, "demo", false, "name three accounts, load a data set of some 2,000 persons, show first answers, and open three shops")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if withDemo {
			return runDemo(cmd.Context(), s)
		}
		return runTarget(cmd.Context(), s, app.TargetUp, app.Deps{Out: t.out, Progress: t.err})
	}
	return cmd
}

// runTarget runs an App until the command's context ends.
func runTarget(ctx context.Context, s *settings, target app.Target, deps app.Deps) error {
	cfg, err := s.resolved(nil)
	if errors.Is(err, errDone) {
		return nil
	}
	if err != nil {
		return err
	}
	deps.Log = s.terminal.logger(cfg.Log)
	a, err := app.New(cfg, target, deps)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// runDemo runs all parts, the data set of the demo and its shops until the command's context ends.
func runDemo(ctx context.Context, s *settings) (err error) {
	cfg, err := s.resolved(demo.Configure)
	if errors.Is(err, errDone) {
		return nil
	}
	if err != nil {
		return err
	}
	t := s.terminal
	deps := app.Deps{Log: t.logger(cfg.Log), Out: t.out, Progress: t.err}
	open, err := demo.OpenShops(&cfg, deps.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, open.Close()) }()
	deps.OnReady = func(ctx context.Context, c app.Credentials) error {
		return demo.Run(ctx, c, open, filepath.Join(cfg.Data, "demo"), t.out)
	}
	a, err := app.New(cfg, app.TargetUp, deps)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

var partHelp = map[app.Target][2]string{
	app.TargetIngest: {"Run the routes that take events", `ingest takes logins, purchases and identity events over HTTP and puts them into your NATS.
Any number of processes may run beside each other. Run unionlink migrate once before.`},
	app.TargetLinker: {"Run the linker", `linker takes events from your NATS, stores them in your ClickHouse and keeps the map of persons.
Any number of processes may run beside each other. Run unionlink migrate once before.`},
	app.TargetAPI: {"Run the analysts' API and console", `api answers analysts from your ClickHouse, and serves the console. Undoing a link and erasing
a person are published to your NATS. Run unionlink migrate once before.`},
}

func partCommand(t *terminal, target app.Target) *cobra.Command {
	help := partHelp[target]
	cmd := &cobra.Command{
		Use: string(target), Short: help[0], Long: help[1], Args: cobra.NoArgs,
		Example: fmt.Sprintf(`  unionlink %s --config unionlink.yaml
  UNIONLINK_NATS_URL=nats://nats:4222 UNIONLINK_CLICKHOUSE_DSN='clickhouse://loader:…@ch:9000/unionlink' unionlink %s --listen :8080`, target, target),
	}
	s := addSettings(t, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return runTarget(cmd.Context(), s, target, app.Deps{Out: t.out, Progress: t.err})
	}
	return cmd
}

func migrateCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring streams and tables to what this version needs", Args: cobra.NoArgs,
		Long: `migrate makes the streams on your NATS and the tables on your ClickHouse, or changes them to what
this version needs. It may run any number of times, and from several places at once.`,
		Example: "  unionlink migrate --config unionlink.yaml",
	}
	s := addSettings(t, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := s.resolved(nil)
		if errors.Is(err, errDone) {
			return nil
		}
		if err != nil {
			return err
		}
		done, err := app.Migrate(cmd.Context(), cfg)
		for _, name := range done {
			fmt.Fprintln(t.out, "applied", name)
		}
		if err == nil {
			fmt.Fprintln(t.out, "streams and tables are what this version needs")
		}
		return err
	}
	return cmd
}
