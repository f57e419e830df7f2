package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/ingest/wechat"
	"github.com/unionlink/unionlink/ingest/wechat/backfill"
	"github.com/unionlink/unionlink/ingest/wechat/pay"
)

func wechatCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use: "wechat", Short: "Ask WeChat for unionids and new openids, import its bills", Args: cobra.NoArgs,
		Long: `wechat has the tasks that are done now and then. Each may be stopped and run again: it goes on where it
was. They publish to your NATS (nats.url), or to that of the unionlink up that runs on --data.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(enrichCommand(t), changeOpenIDsCommand(t), billCommand(t))
	return cmd
}

// withWeChat runs a task with the configuration in force.
func withWeChat(ctx context.Context, s *settings, do func(context.Context, *wechat.WeChat) error) error {
	cfg, err := s.resolved(nil)
	if errors.Is(err, errDone) {
		return nil
	}
	if err != nil {
		return err
	}
	return app.WeChatTool(ctx, cfg, app.Deps{Log: s.terminal.logger(cfg.Log)}, do)
}

// teller prints how far a task is, once a second at most.
func teller(out io.Writer) func(backfill.Progress) {
	last := time.Time{}
	return func(p backfill.Progress) {
		if time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		fmt.Fprintf(out, "%d of %d asked, %d linked, %d refused\n", p.Asked, p.Total, p.Linked, p.Refused)
	}
}

func enrichCommand(t *terminal) *cobra.Command {
	var appid string
	cmd := &cobra.Command{
		Use: "enrich", Short: "Ask for the unionids of an official account's followers", Args: cobra.NoArgs,
		Example: "  unionlink wechat enrich --config unionlink.yaml --appid wx0123456789abcdef",
	}
	s := addToolSettings(t, cmd)
	cmd.Flags().StringVar(&appid, "appid", "", "the official account's `APPID`")
	_ = cmd.MarkFlagRequired("appid") // the flag is there
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withWeChat(cmd.Context(), s, func(ctx context.Context, w *wechat.WeChat) error {
			p, err := w.Enrich(ctx, appid, teller(t.err))
			fmt.Fprintf(t.out, "%d of %d followers asked for, %d have a unionid, %d refused\n", p.Asked, p.Total, p.Linked, p.Refused)
			return err
		})
	}
	return cmd
}

func changeOpenIDsCommand(t *terminal) *cobra.Command {
	var from, to, list string
	cmd := &cobra.Command{
		Use: "migrate", Short: "Link the users of a migrated account to their new openids (changeopenid)", Args: cobra.NoArgs,
		Long:    "migrate asks WeChat which new openid each old one has, in hundreds, and publishes the links. WeChat answers for 15 days after a migration.",
		Example: "  unionlink wechat migrate --config unionlink.yaml --from wxold… --to wxnew… --openids old-openids.txt",
	}
	s := addToolSettings(t, cmd)
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "the old account's `APPID`")
	f.StringVar(&to, "to", "", "the new account's `APPID`")
	f.StringVar(&list, "openids", "", "`FILE` of the old account's openids, one a line; - is standard input")
	for _, name := range []string{"from", "to", "openids"} {
		_ = cmd.MarkFlagRequired(name) // the flags are there
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		openids, err := readLines(t, list)
		if err != nil {
			return err
		}
		return withWeChat(cmd.Context(), s, func(ctx context.Context, w *wechat.WeChat) error {
			m := backfill.Migration{From: from, To: to, OpenIDs: openids}
			p, err := w.Migrate(ctx, m, teller(t.err))
			fmt.Fprintf(t.out, "%d of %d users asked for, %d have a new openid, %d refused\n", p.Asked, p.Total, p.Linked, p.Refused)
			return err
		})
	}
	return cmd
}

func billCommand(t *terminal) *cobra.Command {
	var mchid, file string
	cmd := &cobra.Command{
		Use: "bill", Short: "Import a daily bill of WeChat Pay", Args: cobra.NoArgs,
		Long:    "bill reads a trade bill (ALL) as WeChat Pay gives it out. What its notifications told already is counted once.",
		Example: "  unionlink wechat bill --config unionlink.yaml --mchid 1900000001 --file 2026-11-21.csv",
	}
	s := addToolSettings(t, cmd)
	cmd.Flags().StringVar(&mchid, "mchid", "", "the merchant's `MCHID`, which must be configured")
	cmd.Flags().StringVar(&file, "file", "", "`FILE` of the bill; - is standard input")
	for _, name := range []string{"mchid", "file"} {
		_ = cmd.MarkFlagRequired(name) // the flags are there
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in, closeFile, err := openInput(t, file)
		if err != nil {
			return err
		}
		defer closeFile()
		return withWeChat(cmd.Context(), s, func(ctx context.Context, w *wechat.WeChat) error {
			last := time.Time{}
			r, err := w.Bill(ctx, mchid, in, func(r pay.BillReport) {
				if time.Since(last) > time.Second {
					last = time.Now()
					fmt.Fprintf(t.err, "%d rows\n", r.Rows)
				}
			})
			fmt.Fprintf(t.out, "%d rows: %d payments and %d refunds (%d known before), %d without money moved, %d of other accounts, %d refused\n",
				r.Rows, r.Payments, r.Refunds, r.Known, r.Idle, r.Foreign, r.Refused)
			for _, fault := range r.Faults {
				fmt.Fprintln(t.out, fault)
			}
			for _, id := range r.Differ {
				fmt.Fprintf(t.out, "transaction %s differs from what was learnt before, which stays\n", id)
			}
			return err
		})
	}
	return cmd
}

func openInput(t *terminal, path string) (io.Reader, func(), error) {
	if path == "-" {
		return t.in, func() {}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	return file, func() { _ = file.Close() }, nil // only read
}

func readLines(t *terminal, path string) ([]string, error) {
	in, closeFile, err := openInput(t, path)
	if err != nil {
		return nil, err
	}
	defer closeFile()
	var all []string
	scan := bufio.NewScanner(in)
	for scan.Scan() {
		if l := strings.TrimSpace(scan.Text()); l != "" {
			all = append(all, l)
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return all, nil
}
