package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/deploy/app/bulk"
	"github.com/unionlink/unionlink/schemas"
)

const importHelp = `import sends files of events to a running unionlink, through the same routes that back ends use.
Files may be of any size, packed by gzip or not; - is standard input. An import may be stopped
and run again, any number of times: what is counted does not change. A server that is away or
restarts is waited for.

NDJSON has one event a line, as the routes take it (see /asyncapi.json):
  {"occurred_at":"2026-11-22T10:00:00Z","appid":"wx…","openid":"o…","unionid":"o…"}
  {"occurred_at":"2026-11-22T10:05:00Z","appid":"wx…","openid":"o…","order_id":"A-17","kind":"purchase","amount":12345,"currency":"CNY"}

CSV has a header row that names the fields; an empty cell states nothing.
  logins      event_id occurred_at appid openid unionid scope snapshot_user nickname headimgurl,
              and key_SPACE for a key in that space, such as key_crm
  purchases   event_id occurred_at appid openid unionid order_id kind refund_id amount currency revision,
              and items (JSON), or item_sku item_name item_category item_quantity item_amount for the one item;
              left out, kind is purchase, item_quantity 1, and item_amount the amount
  identities  event_id occurred_at appid openid action space from_appid from_openid
Amounts are whole numbers in the currency's minor unit (fen, cents).

The summary tells what was accepted, what was there already, and which lines were rejected and why.
The status is 0 if every line was taken, 2 if some were rejected, 1 if the import did not come to its end.`

// importFlags are import's own.
type importFlags struct {
	logins, purchases, identities  []string
	data, url, key, token, rejects string
	wait                           bool
	flights                        int
}

func importCommand(t *terminal) *cobra.Command {
	var flags importFlags
	cmd := &cobra.Command{
		Use: "import", Short: "Send files of events to a running unionlink", Long: importHelp, Args: cobra.NoArgs,
		Example: `  unionlink import --logins logins.ndjson --purchases purchases.csv.gz --wait
  export-orders | unionlink import --purchases - --rejects rejected.ndjson
  unionlink import --url https://ingest.example --key env:INGEST_KEY --purchases orders.csv`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runImport(cmd.Context(), t, flags) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&flags.logins, "logins", nil, "`FILE` of logins; may be repeated")
	f.StringArrayVar(&flags.purchases, "purchases", nil, "`FILE` of purchases and refunds; may be repeated")
	f.StringArrayVar(&flags.identities, "identities", nil, "`FILE` of identity events (unlink, migrate, erase); may be repeated")
	addEndpoint(cmd, &flags.data, &flags.url, &flags.token)
	f.StringVar(&flags.key, "key", "", "ingest `KEY`, or env:NAME or file:PATH; with --url")
	f.StringVar(&flags.rejects, "rejects", "", "write every rejected line to this `FILE`, as NDJSON")
	f.BoolVar(&flags.wait, "wait", false, "return only when everything is counted in answers")
	f.IntVar(&flags.flights, "flights", 4, "requests under way at once")
	return cmd
}

func (f importFlags) files() []bulk.File {
	var all []bulk.File
	for _, list := range []struct {
		kind  schemas.Kind
		paths []string
	}{{schemas.KindLogin, f.logins}, {schemas.KindPurchase, f.purchases}, {schemas.KindIdentity, f.identities}} {
		for _, path := range list.paths {
			all = append(all, bulk.File{Kind: list.kind, Path: path})
		}
	}
	return all
}

func runImport(ctx context.Context, t *terminal, flags importFlags) (err error) {
	cfg := bulk.Config{
		Files: flags.files(), Stdin: t.in, Flights: flags.flights, Progress: newProgress(t.err).show,
		Endpoint: endpoint(t, flags.data, flags.url, flags.key, flags.token),
	}
	if len(cfg.Files) == 0 {
		return errors.New("import: name a file with --logins, --purchases or --identities")
	}
	if flags.flights < 1 || flags.flights > 64 {
		return errors.New("import: --flights is from 1 to 64")
	}
	if _, err := cfg.Endpoint(); err != nil {
		return err
	}
	if flags.rejects != "" {
		file, err := os.Create(flags.rejects)
		if err != nil {
			return fmt.Errorf("create the file of rejected lines: %w", err)
		}
		buffered := bufio.NewWriter(file)
		cfg.Rejects = buffered
		defer func() { err = errors.Join(err, buffered.Flush(), file.Close()) }()
	}
	sum, err := bulk.Import(ctx, cfg)
	tellSummary(t.out, sum, flags.rejects)
	if err != nil {
		return fmt.Errorf("import: %w (what was accepted is stored; run the same import again to send the rest)", err)
	}
	if flags.wait && !sum.StoredBy.IsZero() {
		if err := bulk.AwaitCounted(ctx, cfg, sum.StoredBy); err != nil {
			return fmt.Errorf("import: %w (the events are stored, and are counted later)", err)
		}
		fmt.Fprintln(t.out, "everything is counted")
	}
	if sum.Total().Rejected > 0 {
		return &exitError{status: 2}
	}
	return nil
}

func tellSummary(out io.Writer, s bulk.Summary, rejects string) {
	fmt.Fprintf(out, "%-10s %12s %12s %12s\n", "", "accepted", "duplicates", "rejected")
	for _, k := range schemas.Kinds {
		if n, ok := s.ByKind[k]; ok {
			fmt.Fprintf(out, "%-10s %12d %12d %12d\n", k, n.Accepted, n.Duplicates, n.Rejected)
		}
	}
	for _, r := range s.First {
		where := r.Field
		if where != "" {
			where += " "
		}
		fmt.Fprintf(out, "%s:%d: %s: %s%s\n", r.File, r.Line, r.Type, where, r.Detail)
	}
	if more := s.Total().Rejected - int64(len(s.First)); more > 0 {
		fmt.Fprintf(out, "and %d more rejected lines", more)
		if rejects == "" {
			fmt.Fprint(out, "; --rejects FILE keeps them all")
		}
		fmt.Fprintln(out)
	}
}

// addEndpoint adds the flags by which a command finds a running unionlink.
func addEndpoint(cmd *cobra.Command, data, url, token *string) {
	f := cmd.Flags()
	f.StringVar(data, "data", app.Default().Data, "data `FOLDER` of the running unionlink up, for its credentials.json")
	f.StringVar(url, "url", "", "`URL` of a unionlink elsewhere")
	f.StringVar(token, "token", "", "analyst's `TOKEN`, or env:NAME or file:PATH")
}

// endpoint finds a running unionlink: by its credentials, read anew each time since a
// server that restarts may have another port, with the flags winning.
func endpoint(t *terminal, data, url, key, token string) func() (bulk.Endpoint, error) {
	return func() (bulk.Endpoint, error) {
		to := bulk.Endpoint{URL: strings.TrimSuffix(url, "/")}
		if url == "" {
			c, err := app.ReadCredentials(data)
			if err != nil {
				return to, fmt.Errorf("find the running unionlink: %w (give its data folder with --data, or --url)", err)
			}
			to = bulk.Endpoint{URL: c.URL(), Key: c.IngestKey, Token: c.AnalystToken}
		}
		for _, s := range []struct {
			flag string
			to   *string
		}{{key, &to.Key}, {token, &to.Token}} {
			if s.flag == "" {
				continue
			}
			v, err := app.ResolveSecret(s.flag, t.lookup)
			if err != nil {
				return to, err
			}
			*s.to = v
		}
		return to, nil
	}
}
