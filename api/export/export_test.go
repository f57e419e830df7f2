package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

type item struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

type row struct {
	Name  string    `json:"name"`
	Net   int64     `json:"net"`
	Share *float64  `json:"share"`
	At    time.Time `json:"at"`
	Apps  []string  `json:"apps"`
	Items []item    `json:"items"`
	First bool      `json:"first"`
}

func some() []row {
	half := 0.5
	at := time.Date(2026, 11, 22, 10, 0, 0, 123456000, time.UTC)
	return []row{
		{Name: "=1+1", Net: -9007199254740993, Share: &half, At: at, Apps: []string{"wx1", "wx2"}, Items: []item{{"a", 2}}, First: true},
		{Name: "张三, \"quoted\"\nline", Net: 1, At: at, Apps: []string{}, Items: []item{}},
	}
}

func each(rows []row, end error) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
		if end != nil {
			yield(row{}, end)
		}
	}
}

func write(t *testing.T, opt Options) (string, Receipt) {
	t.Helper()
	var b bytes.Buffer
	rc, err := Write(t.Context(), &b, each(some(), nil), opt)
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), rc
}

func TestCSV(t *testing.T) {
	text, rc := write(t, Options{Format: FormatCSV, BOM: true})
	if !strings.HasPrefix(text, byteOrderMark) {
		t.Error("csv for excel does not begin with a byte order mark")
	}
	got, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, byteOrderMark))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"name", "net", "share", "at", "apps", "items", "first"},
		{"'=1+1", "-9007199254740993", "0.5", "2026-11-22T10:00:00.123456Z", "wx1 wx2", `[{"sku":"a","quantity":2}]`, "true"},
		{"张三, \"quoted\"\nline", "1", "", "2026-11-22T10:00:00.123456Z", "", "[]", "false"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	sum := sha256.Sum256([]byte(text))
	if want := (Receipt{Rows: 2, SHA256: hex.EncodeToString(sum[:])}); rc != want {
		t.Errorf("receipt %v, want %v", rc, want)
	}
}

func TestGuard(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a=1": "a=1", "'=": "'=", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@a": "'@a", "\t=1": "'\t=1", "\r=1": "'\r=1",
		"\n=1": "'\n=1", "＝1": "'＝1", "＋": "'＋", "－": "'－", "＠": "'＠", "\xff=": "\xff=",
	} {
		if got := Guard(in); got != want {
			t.Errorf("guard %q: %q, want %q", in, got, want)
		}
	}
}

func TestNDJSON(t *testing.T) {
	text, rc := write(t, Options{Format: FormatNDJSON})
	dec := json.NewDecoder(strings.NewReader(text))
	var got []row
	for dec.More() {
		var r row
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if d := cmp.Diff(some(), got); d != "" || rc.Rows != 2 {
		t.Error(rc, d)
	}
}

// TestColumnar lets ClickHouse read back what it wrote.
func TestColumnar(t *testing.T) {
	server := embeddedtest.Shared(t)
	c := Columnar{URL: server.HTTPURL(), User: string(embedded.UserAnalyst), Password: server.Password(embedded.UserAnalyst)}
	for format, name := range clickhouseFormats {
		t.Run(string(format), func(t *testing.T) {
			data, rc := write(t, Options{Format: format, Columnar: c})
			if rc.Rows != 2 {
				t.Error(rc)
			}
			if d := cmp.Diff(some(), readBack(t, c, name, data)); d != "" {
				t.Error(d)
			}
		})
	}
	t.Run("a row that cannot be had fails the whole", func(t *testing.T) {
		gone := errors.New("gone")
		_, err := Write(t.Context(), io.Discard, each(some(), gone), Options{Format: FormatParquet, Columnar: c})
		if !errors.Is(err, gone) {
			t.Error(err)
		}
	})
	t.Run("a refusal of clickhouse is told", func(t *testing.T) {
		c := c
		c.Password = "wrong"
		if _, err := Write(t.Context(), io.Discard, each(some(), nil), Options{Format: FormatArrow, Columnar: c}); err == nil {
			t.Error("a wrong password went through")
		}
	})
	t.Run("no address, no offer", func(t *testing.T) {
		if _, err := Write(context.Background(), io.Discard, each(nil, nil), Options{Format: FormatArrow}); !errors.Is(err, ErrNotOffered) {
			t.Error(err)
		}
	})
}

// readBack has ClickHouse read a file and tell its rows as JSON.
func readBack(t *testing.T, c Columnar, format, data string) []row {
	t.Helper()
	columns, err := structure(reflect.TypeFor[row]())
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("rows", "rows")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(file, data)
	form.Close()
	q := url.Values{
		"query": {"SELECT * FROM rows FORMAT JSONEachRow"}, "rows_structure": {columns}, "rows_format": {format},
		"date_time_output_format": {"iso"}, "output_format_json_quote_64bit_integers": {"0"},
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.URL+"/?"+q.Encode(), &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.SetBasicAuth(c.User, c.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, string(text), err)
	}
	var rows []row
	for line := range strings.Lines(string(text)) {
		var r row
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		rows = append(rows, r)
	}
	return rows
}

func TestServe(t *testing.T) {
	gone := errors.New("gone")
	serve := func(rows iter.Seq2[row, error], format Format) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, started, err := Serve(w, r, "rows", rows, Options{Format: format})
			if err != nil && !started {
				http.Error(w, "none", http.StatusTeapot)
			} else if err != nil {
				panic(http.ErrAbortHandler)
			}
		}))
		t.Cleanup(s.Close)
		return s
	}
	get := func(s *httptest.Server) (*http.Response, []byte, error) {
		resp, err := http.Get(s.URL)
		if err != nil {
			return nil, nil, err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return resp, b, err
	}
	t.Run("ends with its row count and hash", func(t *testing.T) {
		resp, body, err := get(serve(each(some(), nil), FormatNDJSON))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(body)
		if resp.Trailer.Get(TrailerRows) != "2" || resp.Trailer.Get(TrailerSHA256) != hex.EncodeToString(sum[:]) {
			t.Error(resp.Trailer)
		}
	})
	t.Run("without rows it still has a header", func(t *testing.T) {
		_, body, err := get(serve(each(nil, nil), FormatCSV))
		if err != nil || string(body) != "name,net,share,at,apps,items,first\n" {
			t.Errorf("%q %v", body, err)
		}
	})
	t.Run("breaks off without trailers", func(t *testing.T) {
		resp, _, err := get(serve(each(some(), gone), FormatCSV))
		if err == nil && resp.Trailer.Get(TrailerRows) != "" {
			t.Error("a torn export looks whole")
		}
	})
	t.Run("a failure before the first row is the caller's to tell", func(t *testing.T) {
		resp, _, err := get(serve(each(nil, gone), FormatCSV))
		if err != nil || resp.StatusCode != http.StatusTeapot {
			t.Error(resp, err)
		}
	})
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"", "=1", "a\r\nb", "\"", "\x00", "\xff", "＝", "a,b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b bytes.Buffer
		if _, err := Write(t.Context(), &b, each([]row{{Name: s}}, nil), Options{Format: FormatCSV}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%q: %v %v", s, rows, err)
		}
		// The reader of encoding/csv, unlike a file's bytes, turns \r\n in a cell into \n.
		if want := strings.ReplaceAll(Guard(s), "\r\n", "\n"); rows[1][0] != want {
			t.Fatalf("%q became %q", want, rows[1][0])
		}
	})
}
