package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/api/export"
)

// rows are a report's rows and where its page ended.
type rows struct {
	Rows       []json.RawMessage `json:"rows"`
	NextCursor string            `json:"next_cursor"`
}

func (r *rig) testPages(t *testing.T) {
	for _, path := range []string{"/v1/reports/top-persons?tz=UTC", personPath(personP, "/purchases?tz=UTC")} {
		var whole, pages rows
		must(t, json.Unmarshal(r.get(t, "analyst", path).body, &whole))
		if whole.NextCursor != "" || len(whole.Rows) < 3 {
			t.Fatalf("%s: %d rows, then %q", path, len(whole.Rows), whole.NextCursor)
		}
		cursor, first := "", ""
		for range len(whole.Rows) {
			var page rows
			must(t, json.Unmarshal(r.get(t, "analyst", path+"&limit=1"+cursor).body, &page))
			pages.Rows = append(pages.Rows, page.Rows...)
			if page.NextCursor == "" {
				break
			}
			cursor = "&cursor=" + page.NextCursor
			if first == "" {
				first = page.NextCursor
			}
		}
		if d := cmp.Diff(whole.Rows, pages.Rows); d != "" {
			t.Errorf("%s: the pages differ from the whole: %s", path, d)
		}
		for name, with := range map[string]string{
			"changed": "&limit=1&cursor=" + tampered(first), "cut": "&cursor=" + first[1:], "empty": "&cursor=", "another question's": "&currency=CNY&cursor=" + first,
		} {
			if got := r.get(t, "analyst", path+with); got.status != http.StatusBadRequest || got.object(t)["type"] != "invalid-cursor" {
				t.Errorf("%s, a cursor that is %s: %d %s", path, name, got.status, got.body)
			}
		}
		if got := r.get(t, "analyst-1", path+"&cursor="+first); got.status != http.StatusBadRequest {
			t.Errorf("another's cursor is taken: %d", got.status)
		}
	}
}

func tampered(cursor string) string {
	b := []byte(cursor)
	if b[3]++; b[3] > 'z' || b[3] == '[' || b[3] == ':' {
		b[3] = 'B'
	}
	return string(b)
}

// exporting are the routes that export, with a path each.
func (r *rig) exporting() map[string]string {
	out := map[string]string{}
	for i := range r.api.routes {
		if rt := &r.api.routes[i]; rt.has("format") && !strings.HasPrefix(rt.id, "audience") {
			out[rt.id] = examples()[rt.id][0]
		}
	}
	return out
}

func (r *rig) testExports(t *testing.T) {
	magic := map[string]string{"parquet": "PAR1", "arrow": "\xff\xff\xff\xff"}
	for id, path := range r.exporting() {
		var whole rows
		must(t, json.Unmarshal(r.get(t, "admin", path).body, &whole))
		for _, f := range export.Formats[1:] {
			if f == export.FormatArrow && id != "purchases" && id != "top-persons" {
				continue // it is made of the same columns as Parquet
			}
			got := r.get(t, "marketer", path+"?format="+string(f))
			if got.status != http.StatusOK || got.header.Get("Content-Type") != f.ContentType() {
				t.Errorf("%s as %s: %d %s", id, f, got.status, got.body)
				continue
			}
			sum := sha256.Sum256(got.body)
			if got.trailer.Get(export.TrailerSHA256) != hex.EncodeToString(sum[:]) || got.trailer.Get(export.TrailerRows) != strconv.Itoa(len(whole.Rows)) {
				t.Errorf("%s as %s: trailers %v of %d rows", id, f, got.trailer, len(whole.Rows))
			}
			if got.header.Get(headerAsOf) == "" || got.header.Get(headerFreshThrough) == "" || !bytes.HasPrefix(got.body, []byte(magic[string(f)])) {
				t.Errorf("%s as %s: %v", id, f, got.header)
			}
			switch f {
			case export.FormatNDJSON:
				if lines := bytes.Split(bytes.TrimSpace(got.body), []byte("\n")); len(whole.Rows) > 0 && string(lines[0]) != string(whole.Rows[0]) {
					t.Errorf("%s: %s is not %s", id, lines[0], whole.Rows[0])
				}
			case export.FormatCSV:
				r.checkCSV(t, id, got.body, len(whole.Rows))
			}
		}
	}
	r.checkPages(t)
	bom := r.get(t, "marketer", "/v1/reports/summary?format=csv&bom=1")
	if !bytes.HasPrefix(bom.body, []byte("\xEF\xBB\xBFcurrency,")) {
		t.Errorf("%q", bom.body)
	}
	if limited := r.get(t, "marketer", "/v1/reports/top-persons?format=ndjson&limit=2"); limited.trailer.Get(export.TrailerRows) != "2" {
		t.Errorf("limited to 2 rows: %v", limited.trailer)
	}
	if got := r.get(t, "marketer", "/v1/reports/top-persons?format=csv&cursor=x"); got.status != http.StatusBadRequest {
		t.Errorf("an export from a cursor on: %d", got.status)
	}
	if n := r.metric(t, "unionlink_api_exported_rows_total", "csv"); n == 0 {
		t.Error("no exported row was counted")
	}
}

// checkPages has an export take several pages, all of the moment up to which everything is counted.
func (r *rig) checkPages(t *testing.T) {
	t.Helper()
	small := r.with(t, func(*Deps) {})
	small.api.exportPage = 2
	for _, path := range []string{"/v1/reports/top-persons?format=ndjson", personPath(personP, "/purchases?format=ndjson")} {
		whole, pages := r.get(t, "marketer", path), small.get(t, "marketer", path)
		if d := cmp.Diff(string(whole.body), string(pages.body)); d != "" {
			t.Errorf("%s: the pages differ from the whole: %s", path, d)
		}
		if at := pages.header.Get(headerAsOf); at != "2026-11-22T09:59:58Z" {
			t.Errorf("%s: the pages are of %s", path, at)
		}
	}
	if limited := small.get(t, "marketer", "/v1/reports/top-persons?format=ndjson&limit=3"); limited.trailer.Get(export.TrailerRows) != "3" {
		t.Errorf("limited to 3 rows: %v", limited.trailer)
	}
}

// checkCSV looks for cells that a spreadsheet would calculate.
func (r *rig) checkCSV(t *testing.T, id string, body []byte, n int) {
	t.Helper()
	table, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil || len(table) != n+1 {
		t.Errorf("%s: %d lines for %d rows: %v", id, len(table), n, err)
		return
	}
	for _, line := range table {
		for i, cell := range line {
			_, notNumber := strconv.ParseFloat(cell, 64)
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") && notNumber != nil {
				t.Errorf("%s: column %s is the formula %q", id, table[0][i], cell)
			}
		}
	}
	if id == "purchases" && !bytes.Contains(body, []byte(",'=A-1,")) {
		t.Errorf("the order number =A-1 is not there: %s", body)
	}
}
