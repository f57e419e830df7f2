package api

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/unionlink/unionlink/api/export"
)

func TestMoment(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"2026-11-22":                       "2026-11-21T16:00:00Z",
		"2026-11-22T10:00:00Z":             "2026-11-22T10:00:00Z",
		"2026-11-22T10:00:00.123456+08:00": "2026-11-22T02:00:00.123456Z",
		"2026-02-30":                       "", "22.11.2026": "", "": "", "now": "", "0001-01-01": "", "9999-01-01": "", "2026-11-22T10:00:00": "",
		"1970-01-01T00:00:00Z' OR 1=1": "", "2026-11-22\x00": "",
	} {
		got, err := values{url.Values{"from": {in}}}.moment("from", shanghai)
		var p *Problem
		switch {
		case want == "" && (!errors.As(err, &p) || p.Type != "invalid-parameter" || p.Parameter != "from"):
			t.Errorf("%q: %v, %v", in, got, err)
		case want != "" && (err != nil || got.Format(time.RFC3339Nano) != want):
			t.Errorf("%q: %v, %v, want %s", in, got, err, want)
		}
	}
}

func TestZone(t *testing.T) {
	for _, in := range []string{"", "Local", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "posix/UTC", "right/UTC", "posixrules", "UTC'; DROP", "Asia/Shanghai\x00"} {
		if loc, err := (values{url.Values{"tz": {in}}}).zone(); err == nil {
			t.Errorf("%q is taken for %v", in, loc)
		}
	}
	for _, in := range []string{"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+8"} {
		if _, err := (values{url.Values{"tz": {in}}}).zone(); err != nil {
			t.Error(err)
		}
	}
}

func TestAccept(t *testing.T) {
	for header, want := range map[string]export.Format{
		"": export.FormatJSON, "*/*": export.FormatJSON, "text/html,*/*;q=0.8": export.FormatJSON, "text/csv": export.FormatCSV,
		"text/csv;q=0.5, application/json": export.FormatJSON, "application/json;q=0.1, application/x-ndjson": export.FormatNDJSON,
		"application/vnd.apache.parquet": export.FormatParquet, "application/vnd.apache.arrow.stream": export.FormatArrow,
		"text/csv;q=x": export.FormatJSON, ";;;,,": export.FormatJSON, "text/csv;q=0": export.FormatJSON,
	} {
		if got := accepted(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestCursor(t *testing.T) {
	c := cursors{key: make([]byte, 32)}
	type position struct {
		Net int64 `json:"n"`
	}
	sealed, err := c.seal("top?a", position{-5})
	if err != nil {
		t.Fatal(err)
	}
	var got position
	if err := c.open("top?a", sealed, &got); err != nil || got.Net != -5 {
		t.Error(got, err)
	}
	refused := func(why string, err error) {
		t.Helper()
		var p *Problem
		if !errors.As(err, &p) || p.Type != "invalid-cursor" || p.Status != 400 {
			t.Errorf("%s: %v", why, err)
		}
	}
	refused("another question", c.open("top?b", sealed, &got))
	refused("another key", cursors{key: []byte("k")}.open("top?a", sealed, &got))
	for i := range sealed {
		b := []byte(sealed)
		if b[i] ^= 3; b[i] == sealed[i] {
			continue
		}
		refused("a changed character", c.open("top?a", string(b), &got))
	}
	for _, s := range []string{"", "x", sealed[1:], sealed + "A", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		refused(s, c.open("top?a", s, &got))
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("question", "")
	f.Add("", "AAAAAAAAAAAAAAAAAAAAAAAA")
	c := cursors{key: []byte("key")}
	f.Fuzz(func(t *testing.T, question, cursor string) {
		var into map[string]any
		if err := c.open(question, cursor, &into); err == nil {
			t.Fatal("a made-up cursor is taken")
		}
	})
}

func FuzzMoment(f *testing.F) {
	for _, s := range []string{"", "2026-11-22", "2026-11-22T10:00:00Z", "2026-11-22T24:00:00+99:99", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := values{url.Values{"from": {s}}}.moment("from", time.UTC)
		if err == nil && (got.Before(earliest) || got.After(latest)) {
			t.Fatalf("%q is %v", s, got)
		}
	})
}
