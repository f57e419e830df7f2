package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/deploy/app/bulk"
	"github.com/unionlink/unionlink/schemas"
)

// Load imports the data set kept in a folder, which it makes where there is none, into a
// running unionlink, and returns once every event is counted.
func Load(ctx context.Context, c app.Credentials, dir string, until time.Time) (bulk.Summary, error) {
	if err := ensureFiles(dir, Config{Until: until}); err != nil {
		return bulk.Summary{}, err
	}
	cfg := bulk.Config{
		Files: []bulk.File{
			{Kind: schemas.KindLogin, Path: filepath.Join(dir, LoginsFile)},
			{Kind: schemas.KindPurchase, Path: filepath.Join(dir, PurchasesFile)},
		},
		Endpoint: func() (bulk.Endpoint, error) {
			return bulk.Endpoint{URL: c.URL(), Key: c.IngestKey, Token: c.AnalystToken}, nil
		},
	}
	sum, err := bulk.Import(ctx, cfg)
	if err != nil {
		return sum, fmt.Errorf("load the demo: %w", err)
	}
	if n := sum.Total().Rejected; n > 0 {
		return sum, fmt.Errorf("load the demo: %d events were rejected, the first since %s: %s", n, sum.First[0].Type, sum.First[0].Detail)
	}
	return sum, bulk.AwaitCounted(ctx, cfg, sum.StoredBy)
}

// Show loads the data set and prints an analyst's first answers.
func Show(ctx context.Context, c app.Credentials, dir string, out io.Writer) error {
	fmt.Fprintln(out, "demo: loading some 2,000 persons in three accounts …")
	sum, err := Load(ctx, c, dir, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "demo: %d events loaded and counted in %s\n\n", sum.Total().Total(), sum.Elapsed.Round(10*time.Millisecond))
	a := asker{ctx: ctx, c: c, names: map[string]string{}}
	for _, account := range Accounts() {
		a.names[account.AppID] = account.Name
	}
	for _, question := range []func() (string, error){a.summary, a.accounts, a.overlap, a.topPersons} {
		text, err := question()
		if err != nil {
			return err
		}
		fmt.Fprintln(out, text)
	}
	fmt.Fprintf(out, "More in the console: %s/ (sign in with analyst_token of credentials.json). Ctrl-C stops unionlink.\n", c.URL())
	return nil
}

// asker asks a running unionlink and lays the answers out.
type asker struct {
	ctx   context.Context
	c     app.Credentials
	names map[string]string // of accounts, by appid
}

// rows asks a report and reads its rows into those of type R.
func rows[R any](a asker, report string) ([]R, error) {
	req, err := http.NewRequestWithContext(a.ctx, http.MethodGet, a.c.URL()+"/v1/reports/"+report, nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", report, err)
	}
	req.Header.Set("Authorization", "Bearer "+a.c.AnalystToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", report, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask %s: %s", report, resp.Status)
	}
	var answer struct {
		Rows []R `json:"rows"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", report, err)
	}
	return answer.Rows, nil
}

// figures are what summary and accounts have in common.
type figures struct {
	AppID        string   `json:"appid"`
	Currency     string   `json:"currency"`
	Orders       int64    `json:"orders"`
	Net          int64    `json:"net"`
	Refunds      int64    `json:"refunds"`
	AccountBuyer int64    `json:"account_buyers"`
	Buyers       int64    `json:"buyers"`
	CrossAccount int64    `json:"cross_account_buyers"`
	Shared       int64    `json:"shared_buyers"`
	LinkedShare  *float64 `json:"linked_share"`
}

func (a asker) summary() (string, error) {
	found, err := rows[figures](a, "summary")
	if err != nil {
		return "", err
	}
	t := newTable("How many persons are behind the buyers?", "", "orders", "net", "buyers by account", "persons", "in 2+ accounts", "linked")
	for _, f := range found {
		t.row(f.Currency, count(f.Orders), money(f.Net, f.Currency), count(f.AccountBuyer), count(f.Buyers), count(f.CrossAccount), share(f.LinkedShare))
	}
	return t.String(), nil
}

func (a asker) accounts() (string, error) {
	found, err := rows[figures](a, "accounts")
	if err != nil {
		return "", err
	}
	t := newTable("And by account?", "account", "orders", "net", "persons", "who also buy elsewhere")
	for _, f := range found {
		t.row(a.name(f.AppID), count(f.Orders), money(f.Net, f.Currency), count(f.Buyers), count(f.Shared))
	}
	return t.String(), nil
}

func (a asker) overlap() (string, error) {
	found, err := rows[struct {
		Currency string   `json:"currency"`
		AppIDs   []string `json:"appids"`
		Buyers   int64    `json:"buyers"`
		Net      int64    `json:"net"`
	}](a, "overlap")
	if err != nil {
		return "", err
	}
	t := newTable("Who buys where?", "in exactly these accounts", "persons", "net")
	for _, f := range found {
		where := ""
		for i, id := range f.AppIDs {
			if i > 0 {
				where += " + "
			}
			where += a.name(id)
		}
		t.row(where, count(f.Buyers), money(f.Net, f.Currency))
	}
	return t.String(), nil
}

func (a asker) topPersons() (string, error) {
	found, err := rows[struct {
		PersonID string `json:"person_id"`
		Currency string `json:"currency"`
		Net      int64  `json:"net"`
		Orders   int64  `json:"orders"`
		Accounts int64  `json:"accounts"`
	}](a, "top-persons?limit=5")
	if err != nil {
		return "", err
	}
	t := newTable("Who are the best customers?", "person", "net", "orders", "accounts")
	for _, f := range found {
		t.row(f.PersonID, money(f.Net, f.Currency), count(f.Orders), count(f.Accounts))
	}
	return t.String(), nil
}

func (a asker) name(appid string) string {
	if n, ok := a.names[appid]; ok {
		return n
	}
	return appid
}
