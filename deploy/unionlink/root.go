package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/deploy/bench"
	"github.com/unionlink/unionlink/deploy/chaos"
	"github.com/unionlink/unionlink/deploy/embedded"
)

// terminal is what commands read from and write to.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	lookup   func(string) (string, bool)
}

const rootHelp = `unionlink links one person's accounts across several WeChat apps (公众号, mini programs,
websites), and lets analysts ask what that person bought.

  unionlink up             everything in one process, on servers it brings along
  unionlink ingest|linker|api|migrate
                           one part each, on your own NATS and ClickHouse

Settings come from flags, then environment variables (UNIONLINK_ and the key's path in
capitals: UNIONLINK_NATS_URL), then the file of --config, then defaults.`

func newRoot(t *terminal) *cobra.Command {
	root := &cobra.Command{
		Use: "unionlink", Short: "One person across several WeChat apps", Long: rootHelp,
		SilenceErrors: true, SilenceUsage: true, Args: cobra.NoArgs,
		Example: `  unionlink up --demo                    # a shop with three accounts, to look around
  unionlink up --config unionlink.yaml
  unionlink import --logins logins.ndjson --purchases purchases.csv --wait`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		upCommand(t), partCommand(t, app.TargetIngest), partCommand(t, app.TargetLinker), partCommand(t, app.TargetAPI), migrateCommand(t),
		importCommand(t), demoDataCommand(t), explainCommand(t), lettersCommand(t), verifyCommand(t), wechatCommand(t),
		simulatorCommand(t), engineCommand(t), versionCommand(t), bench.Command(), chaos.Command(),
	)
	return root
}

// settings are the flags by which a command finds its configuration.
type settings struct {
	terminal *terminal
	cmd      *cobra.Command

	file, data, listen, natsURL, dsn string
	natsPort, nativePort, httpPort   int
	logLevel                         string
	checkConfig, printConfig         bool
}

// addSettings adds the flags that say where the servers are and how to listen.
func addSettings(t *terminal, cmd *cobra.Command) *settings {
	s := &settings{terminal: t, cmd: cmd}
	f := cmd.Flags()
	f.StringVar(&s.file, "config", "", "configuration `FILE` (YAML; also UNIONLINK_CONFIG)")
	f.StringVar(&s.listen, "listen", "", "`ADDRESS` to listen on; port 0 is any free one (default 127.0.0.1:8080)")
	f.StringVar(&s.natsURL, "nats-url", "", "`URL` of your own NATS")
	f.StringVar(&s.dsn, "clickhouse-dsn", "", "`DSN` of your own ClickHouse")
	f.StringVar(&s.logLevel, "log-level", "", "debug, info, warn or error (default info)")
	f.BoolVar(&s.checkConfig, "check-config", false, "check the configuration and end")
	f.BoolVar(&s.printConfig, "print-config", false, "print the configuration in force, secrets blotted out, and end")
	return s
}

// addToolSettings adds the flags of a command that works beside a running unionlink.
func addToolSettings(t *terminal, cmd *cobra.Command) *settings {
	s := addSettings(t, cmd)
	cmd.Flags().StringVar(&s.data, "data", "", "data `FOLDER` of the running unionlink up (default ./unionlink-data)")
	_ = cmd.Flags().MarkHidden("listen") // it listens nowhere
	return s
}

// addEmbedded adds the flags of the servers that up brings along.
func (s *settings) addEmbedded() {
	f := s.cmd.Flags()
	f.StringVar(&s.data, "data", "", "`FOLDER` of the data and of credentials.json (default ./unionlink-data)")
	f.IntVar(&s.natsPort, "nats-port", 0, "`PORT` of the embedded NATS (default 4222)")
	f.IntVar(&s.nativePort, "clickhouse-native-port", 0, "`PORT` of the embedded ClickHouse's native protocol (default 9000)")
	f.IntVar(&s.httpPort, "clickhouse-http-port", 0, "`PORT` of the embedded ClickHouse's HTTP interface (default 8123)")
}

// load reads file and environment and lays the flags over them; references to secrets stay.
func (s *settings) load() (app.Config, error) {
	if s.file == "" {
		s.file, _ = s.terminal.lookup(app.EnvPrefix + "CONFIG")
	}
	cfg, err := app.Load(s.file, s.terminal.lookup)
	if err != nil {
		return cfg, err
	}
	s.overlay(&cfg)
	return cfg, nil
}

func (s *settings) overlay(cfg *app.Config) {
	text := func(flag string, from string, to *string) {
		if s.cmd.Flags().Changed(flag) {
			*to = from
		}
	}
	number := func(flag string, from int, to *int) {
		if s.cmd.Flags().Changed(flag) {
			*to = from
		}
	}
	text("data", s.data, &cfg.Data)
	text("listen", s.listen, &cfg.Listen)
	text("nats-url", s.natsURL, &cfg.NATS.URL)
	text("clickhouse-dsn", s.dsn, &cfg.ClickHouse.DSN)
	text("log-level", s.logLevel, &cfg.Log.Level)
	number("nats-port", s.natsPort, &cfg.NATS.Port)
	number("clickhouse-native-port", s.nativePort, &cfg.ClickHouse.NativePort)
	number("clickhouse-http-port", s.httpPort, &cfg.ClickHouse.HTTPPort)
}

// errDone says that the command was asked for the configuration only, and has told it.
var errDone = errors.New("done")

// resolved is the checked configuration with its secrets, or errDone.
func (s *settings) resolved(change func(*app.Config)) (app.Config, error) {
	cfg, err := s.load()
	if err != nil {
		return cfg, err
	}
	if change != nil {
		change(&cfg)
	}
	if s.printConfig {
		text, err := cfg.Masked()
		if err != nil {
			return cfg, err
		}
		if _, err := s.terminal.out.Write(text); err != nil {
			return cfg, fmt.Errorf("print the configuration: %w", err)
		}
	}
	faults := errors.Join(cfg.Resolve(s.terminal.lookup), cfg.Validate())
	if faults != nil {
		return cfg, fmt.Errorf("the configuration has faults:\n%w", faults)
	}
	if s.checkConfig {
		fmt.Fprintln(s.terminal.out, "the configuration is good")
	}
	if s.checkConfig || s.printConfig {
		return cfg, errDone
	}
	return cfg, nil
}

// logger writes to standard error.
func (t *terminal) logger(cfg app.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level)) // validated
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(t.err, options))
	}
	return slog.New(slog.NewTextHandler(t.err, options))
}

func versionCommand(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Tell the version of unionlink and of its ClickHouse engine", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			version, revision := "devel", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				if info.Main.Version != "" {
					version = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = " " + s.Value
					}
				}
			}
			_, err := fmt.Fprintf(t.out, "unionlink %s%s, engine %s\n", version, revision, embedded.EngineVersion)
			return err
		},
	}
}

func engineCommand(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use: "engine", Short: "Fetch the ClickHouse engine that up embeds, and tell where it is", Args: cobra.NoArgs,
		Long: "engine fetches the pinned ClickHouse engine with npm where it is missing: about 178 MB to download, 566 MB on disk, once.\n" +
			"It goes below UNIONLINK_ENGINE_DIR, or unionlink/engine in your cache folder.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			library, err := embedded.EnsureEngine(cmd.Context(), "", t.err)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(t.out, library)
			return err
		},
	}
}
