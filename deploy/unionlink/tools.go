package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unionlink/unionlink/deploy/demo"
	"github.com/unionlink/unionlink/deploy/wechatsim"
)

func demoDataCommand(t *terminal) *cobra.Command {
	var out, until string
	cfg := demo.Config{}
	cmd := &cobra.Command{
		Use: "demo-data", Short: "Write the data set of up --demo as files", Args: cobra.NoArgs,
		Long: "demo-data writes logins.ndjson and purchases.ndjson: persons who buy tea in three accounts during a year. The files are\n" +
			"the same for the same seed, number of persons and day. The accounts are " + demo.TeaHouse + ", " + demo.TeaToGo + " and " + demo.Teaware + ".",
		Example: "  unionlink demo-data --out demo --until 2026-11-22",
		RunE: func(*cobra.Command, []string) error {
			cfg.Until = time.Now()
			if until != "" {
				day, err := time.Parse(time.DateOnly, until)
				if err != nil {
					return fmt.Errorf("--until: %q is not a day such as 2026-11-22", until)
				}
				cfg.Until = day
			}
			if cfg.Persons < 1 || cfg.Persons > 10_000_000 {
				return errors.New("--persons: is from 1 to 10000000")
			}
			logins, purchases, err := demo.WriteFiles(out, cfg)
			if err == nil {
				fmt.Fprintf(t.out, "%s: %d logins, %d purchases and refunds\n", out, logins, purchases)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&out, "out", "demo-data", "`FOLDER` to write into")
	f.StringVar(&until, "until", "", "the `DAY` on which the year ends (default today)")
	f.Uint64Var(&cfg.Seed, "seed", 1, "another seed makes other persons")
	f.IntVar(&cfg.Persons, "persons", 2000, "how many persons")
	return cmd
}

func explainCommand(t *terminal) *cobra.Command {
	var data, base, token, asOf string
	var plain bool
	cmd := &cobra.Command{
		Use: "explain PERSON_ID | APPID OPENID", Short: "Tell why identities are one person", Args: cobra.RangeArgs(1, 2),
		Long: `explain asks a running unionlink for a person's identities and keys, the evidence of each link, conflicts,
what was undone, keys held by too many, and the person's history, and prints them as a tree.`,
		Example: "  unionlink explain p_00c0ffee00c0ffee\n  unionlink explain wx0123456789abcdef oABCdef… --as-of 2026-11-01",
		RunE: func(cmd *cobra.Command, args []string) error {
			to, err := endpoint(t, data, base, "", token)()
			if err != nil {
				return err
			}
			past := ""
			if asOf != "" {
				past = "?" + url.Values{"as_of": {asOf}}.Encode()
			}
			person := args[0]
			if len(args) == 2 {
				var found struct {
					PersonID string `json:"person_id"`
				}
				path := "/v1/identities/" + url.PathEscape(args[0]) + "/" + url.PathEscape(args[1])
				if err := ask(cmd.Context(), to.URL+path+past, to.Token, &found); err != nil {
					return fmt.Errorf("find the identity: %w", err)
				}
				person = found.PersonID
			}
			var why json.RawMessage
			if err := ask(cmd.Context(), to.URL+"/v1/persons/"+url.PathEscape(person)+"/explain"+past, to.Token, &why); err != nil {
				return fmt.Errorf("explain the person: %w", err)
			}
			return printExplanation(t.out, why, plain)
		},
	}
	addEndpoint(cmd, &data, &base, &token)
	cmd.Flags().StringVar(&asOf, "as-of", "", "as it was known at this `TIME` (RFC 3339 or a day)")
	cmd.Flags().BoolVar(&plain, "json", false, "print the API's JSON instead of a tree")
	return cmd
}

// printExplanation writes the API's answer as a tree, or as it is.
func printExplanation(out io.Writer, why json.RawMessage, plain bool) error {
	if plain {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(why)
	}
	var e explanation
	if err := json.Unmarshal(why, &e); err != nil {
		return fmt.Errorf("read the explanation: %w", err)
	}
	return e.print(out)
}

// ask gets a JSON answer; a problem becomes the error.
func ask(ctx context.Context, address, token string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return json.Unmarshal(text, into)
}

func simulatorCommand(t *terminal) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use: "wechatsim", Short: "Run the WeChat simulator", Args: cobra.NoArgs,
		Long: `wechatsim serves a WeChat of its own: the browser's authorization pages, the sns and cgi-bin routes, message
pushes and WeChat Pay. It has no password and keeps everything in memory: for development and tests alone.
Its admin page is at /_sim/. The accounts are the configuration's, or four examples where it has none.`,
		Example: "  unionlink wechatsim --listen-sim 127.0.0.1:8090",
	}
	s := addSettings(t, cmd)
	cmd.Flags().StringVar(&listen, "listen-sim", "", "`ADDRESS` to listen on (default wechatsim.listen, else 127.0.0.1:8090)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := s.resolved(nil)
		if errors.Is(err, errDone) {
			return nil
		}
		if err != nil {
			return err
		}
		simulated := cfg.Simulated()
		if listen != "" {
			simulated.Listen = listen
		}
		sim, err := wechatsim.New(simulated, wechatsim.Deps{Log: t.logger(cfg.Log)})
		if err != nil {
			return err
		}
		return serveSimulator(cmd.Context(), t, sim, simulated.Listen)
	}
	return cmd
}

func serveSimulator(ctx context.Context, t *terminal, sim *wechatsim.Simulator, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	server := &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(t.out, "the WeChat simulator is ready: http://%s/_sim/\n", listener.Addr())
	served, sent := make(chan error, 1), make(chan error, 1)
	go func() { served <- server.Serve(listener) }() // ends with Shutdown
	go func() { sent <- sim.Run(ctx) }()             // ends with ctx
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", address, err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(drain), <-sent)
}
