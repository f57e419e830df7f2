package query_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/api/query"
)

// testPages reads the persons page by page, over the border between currencies, and all at once.
func testPages(t *testing.T, w *world, r *query.Reports) {
	for name, p := range map[string]query.Params{
		"all":     {},
		"past":    {AsOf: &midst},
		"limited": {Allowed: accounts[1:4], From: midst.AddDate(0, -2, 0), Buyers: query.BuyersReturning},
		"exact":   {ExactAccounts: []string{accounts[1], accounts[0]}},
		"unheard": {ExactAccounts: []string{"wx-unheard"}},
		"segment": {Segment: "hibernating", AsOf: &midst},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pages(29, func(limit int, c *query.Cursor) ([]query.TopPerson, *query.Cursor, error) {
				p := p
				p.Limit, p.Cursor = limit, c
				return r.TopPersons(t.Context(), p)
			})
			must(t, err)
			want := w.model(p).topPersons()
			if diff := cmp.Diff(want, append([]query.TopPerson{}, got...)); diff != "" {
				t.Errorf("(-model +pages):\n%s", diff)
			}
			if name != "unheard" && len(want) == 0 {
				t.Error("nobody is in the model's answer")
			}
		})
	}
	n := 0
	enough := errors.New("enough")
	err := r.EachTopPerson(t.Context(), query.Params{}, func(query.TopPerson) error {
		n++
		if n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 3 {
		t.Errorf("handed over %d persons and ended with %v", n, err)
	}
}

// testLimits holds that no answer names an account that may not be seen, and that nothing of it is counted: the answers are
// those of a world without it, but for the persons.
func testLimits(t *testing.T, w *world, r *query.Reports) {
	allowed := accounts[2:4]
	less := *w
	less.purchases = nil
	for _, row := range w.purchases {
		if slices.Contains(allowed, row.AppID) {
			less.purchases = append(less.purchases, row)
		}
	}
	for name, report := range reports {
		got, err := report.got(t, r, query.Params{Allowed: allowed, Asked: asked})
		must(t, err)
		text, err := json.Marshal(got)
		must(t, err)
		for _, account := range accounts {
			shown, err := json.Marshal(account)
			must(t, err)
			if !slices.Contains(allowed, account) && strings.Contains(string(text), string(shown)) {
				t.Errorf("%s names %s, which may not be seen", name, account)
			}
		}
		if diff := cmp.Diff(report.want(less.model(query.Params{Asked: asked})), got); diff != "" {
			t.Errorf("%s counts what may not be seen (-world without it +answer):\n%s", name, diff)
		}
	}
}

// hostile are values that would do harm if they were ever part of a statement, or of a parameter's list.
var hostile = []string{`'`, `"`, `\`, `\'`, "`", `') OR 1=1 --`, `'; DROP TABLE purchases; --`, `{currency:String}`, `{{.Log}}`, "\x00", "a\tb", "a\nb",
	`]`, `['x']`, `\N`, `NULL`, `%`, `?`, `$1`, `@x`, "/*", "#", "\xff\xfe", strings.Repeat("x", 5000), "' UNION ALL SELECT 1", `wx-b'"\\eta`}

// testHostile asks with such values everywhere: they match nothing and break nothing.
func testHostile(t *testing.T, w *world, r *query.Reports) {
	for i, v := range hostile {
		for j, p := range []query.Params{
			{AppIDs: []string{v}}, {Allowed: []string{v, v}}, {Currency: v}, {Category: v}, {SKU: v}, {FirstAccount: v}, {Category: v, SKU: v, Currency: v},
		} {
			if (i+j)%7 > 0 {
				continue
			}
			got, err := r.Summary(t.Context(), p)
			if err != nil || len(got) > 0 {
				t.Errorf("%q in %d: %d rows, %v", v, j, len(got), err)
			}
		}
	}
	p := query.Params{AppIDs: []string{accounts[1], `wx-alpha\`}, SKU: products[2]}
	got, err := r.Summary(t.Context(), p)
	must(t, err)
	if diff := cmp.Diff(w.model(p).summary(), got); diff != "" {
		t.Errorf("a name with quotes and a backslash (-model +answer):\n%s", diff)
	}
	for _, p := range []query.Params{{TZ: `UTC' OR 1`}, {TZ: "Local"}, {TZ: "../UTC"}, {Buyers: "old"}, {Linked: "x"}, {Segment: "y"}, {Limit: -1},
		{From: asked, To: asked}, {To: asked.AddDate(500, 0, 0)}} {
		var fault *query.ParamError
		if _, err := r.Summary(t.Context(), p); !errors.As(err, &fault) {
			t.Errorf("%+v: %v, want a fault of a parameter", p, err)
		}
	}
	if _, err := r.Timeseries(t.Context(), query.Params{From: asked.AddDate(-40, 0, 0)}, query.Series{Interval: query.IntervalDay}); err == nil {
		t.Error("a series of 40 years of days is answered")
	}
	if _, err := r.Timeseries(t.Context(), query.Params{}, query.Series{Interval: "hour"}); err == nil {
		t.Error("an interval of an hour is answered")
	}
}

func testFresh(t *testing.T, _ *world, r *query.Reports) {
	at, err := r.FreshThrough(t.Context())
	must(t, err)
	if !at.Equal(asked) {
		t.Errorf("fresh through %s, want %s", at, asked)
	}
	got, err := r.Progress(t.Context())
	must(t, err)
	if diff := cmp.Diff(query.Progress{At: asked.Add(time.Second), Through: asked, Pending: 3, Dead: 2}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
