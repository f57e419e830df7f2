package bulk

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/schemas"
)

// fakeIngest answers as ingest does: it takes lines, refuses those with "bad" in them, and
// is told to fail first.
type fakeIngest struct {
	mu     sync.Mutex
	lines  []string
	before func(w http.ResponseWriter, lines int) (answered bool)
}

func (f *fakeIngest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.before != nil && f.before(w, len(lines)) {
		return
	}
	rejected := []map[string]any{}
	for i, l := range lines {
		if strings.Contains(l, "bad") {
			rejected = append(rejected, map[string]any{"index": i, "type": "invalid-amount", "field": "amount", "detail": "is bad"})
			continue
		}
		f.lines = append(f.lines, r.URL.Path+" "+l)
	}
	status := http.StatusAccepted
	if len(rejected) == len(lines) {
		status = http.StatusUnprocessableEntity
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"accepted": len(lines) - len(rejected), "duplicates": 0, "rejected": rejected})
}

func (f *fakeIngest) start(t *testing.T) func() (Endpoint, error) {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return func() (Endpoint, error) { return Endpoint{URL: server.URL, Key: "k"}, nil }
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestImport(t *testing.T) {
	t.Run("every_line_is_sent_once_whatever_the_size_of_requests", func(t *testing.T) {
		var text strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&text, "{\"n\":%d}\n\n", i)
		}
		f := &fakeIngest{}
		var last Progress
		sum, err := Import(t.Context(), Config{
			Files: []File{{schemas.KindLogin, file(t, "a", text.String())}}, Endpoint: f.start(t), ChunkEvents: 7,
			Progress: func(p Progress) { last = p },
		})
		if err != nil || sum.Total() != (Count{Accepted: 1000}) || len(f.lines) != 1000 {
			t.Fatalf("%+v, %d lines, %v", sum, len(f.lines), err)
		}
		if !last.Done || last.Total() != 1000 || last.Bytes != int64(text.Len()) || last.TotalBytes != int64(text.Len()) {
			t.Errorf("the last progress is %+v", last)
		}
	})
	t.Run("rejected_lines_are_named_by_their_number_in_the_file", func(t *testing.T) {
		f := &fakeIngest{}
		var rejects bytes.Buffer
		path := file(t, "b", "{\"n\":1}\n\n{\"bad\":2}\n{\"n\":3}\n{\"bad\":4}")
		sum, err := Import(t.Context(), Config{
			Files: []File{{schemas.KindPurchase, path}}, Endpoint: f.start(t), ChunkEvents: 2, Rejects: &rejects, Flights: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []Rejection{
			{File: path, Line: 3, Type: "invalid-amount", Field: "amount", Detail: "is bad", Text: `{"bad":2}`},
			{File: path, Line: 5, Type: "invalid-amount", Field: "amount", Detail: "is bad", Text: `{"bad":4}`},
		}
		if diff := cmp.Diff(want, sum.First); diff != "" || sum.Total() != (Count{Accepted: 2, Rejected: 2}) {
			t.Errorf("%+v\n%s", sum.Total(), diff)
		}
		if strings.Count(rejects.String(), "\n") != 2 {
			t.Errorf("rejected lines:\n%s", rejects.String())
		}
	})
	t.Run("a_server_that_is_not_there_for_a_while_is_waited_for", func(t *testing.T) {
		tries := 0
		f := &fakeIngest{before: func(w http.ResponseWriter, _ int) bool {
			tries++
			switch tries {
			case 1:
				w.WriteHeader(http.StatusServiceUnavailable)
			case 2:
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusTooManyRequests)
			case 3:
				panic(http.ErrAbortHandler)
			}
			return tries < 4
		}}
		sum, err := Import(t.Context(), Config{Files: []File{{schemas.KindLogin, file(t, "c", "{}\n")}}, Endpoint: f.start(t)})
		if err != nil || sum.Total().Accepted != 1 || tries != 4 {
			t.Errorf("%+v after %d tries: %v", sum, tries, err)
		}
	})
	t.Run("patience_has_an_end", func(t *testing.T) {
		f := &fakeIngest{before: func(w http.ResponseWriter, _ int) bool { w.WriteHeader(http.StatusServiceUnavailable); return true }}
		_, err := Import(t.Context(), Config{Files: []File{{schemas.KindLogin, file(t, "d", "{}\n")}}, Endpoint: f.start(t), Patience: time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), "gave up") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("a_wrong_key_ends_it_at_once", func(t *testing.T) {
		f := &fakeIngest{before: func(w http.ResponseWriter, _ int) bool { w.WriteHeader(http.StatusUnauthorized); return true }}
		_, err := Import(t.Context(), Config{Files: []File{{schemas.KindLogin, file(t, "e", "{}\n")}}, Endpoint: f.start(t)})
		if err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("a_request_that_is_too_large_is_cut", func(t *testing.T) {
		f := &fakeIngest{before: func(w http.ResponseWriter, lines int) bool {
			if lines > 3 {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}
			return lines > 3
		}}
		sum, err := Import(t.Context(), Config{Files: []File{{schemas.KindLogin, file(t, "f", strings.Repeat("{}\n", 10))}}, Endpoint: f.start(t)})
		if err != nil || sum.Total().Accepted != 10 {
			t.Errorf("%+v: %v", sum, err)
		}
	})
	t.Run("a_line_that_is_too_long_is_rejected_and_the_rest_taken", func(t *testing.T) {
		f := &fakeIngest{}
		text := "{}\n{\"x\":\"" + strings.Repeat("x", 2*schemas.MaxEventBytes) + "\"}\n{}\n"
		sum, err := Import(t.Context(), Config{Files: []File{{schemas.KindLogin, file(t, "g", text)}}, Endpoint: f.start(t)})
		if err != nil || sum.Total() != (Count{Accepted: 2, Rejected: 1}) || sum.First[0].Line != 2 || len(sum.First[0].Text) > shownBytes {
			t.Errorf("%+v: %v", sum.Total(), err)
		}
	})
	t.Run("standard_input_and_gzip_are_read", func(t *testing.T) {
		f := &fakeIngest{}
		sum, err := Import(t.Context(), Config{
			Files: []File{{schemas.KindLogin, "-"}, {schemas.KindPurchase, file(t, "p.csv.gz", packed(t, "order_id,amount\nA,1\n"))}},
			Stdin: strings.NewReader("\ufeff{}\n"), Endpoint: f.start(t), Flights: 1,
		})
		if err != nil || sum.Total().Accepted != 2 {
			t.Fatalf("%+v: %v", sum, err)
		}
		want := []string{"/v1/events/logins {}", `/v1/events/purchases {"amount":1,"kind":"purchase","order_id":"A"}`}
		if diff := cmp.Diff(want, f.lines); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a_file_that_is_not_there_is_told_before_anything_is_sent", func(t *testing.T) {
		f := &fakeIngest{}
		_, err := Import(t.Context(), Config{
			Files: []File{{schemas.KindLogin, file(t, "h", "{}\n")}, {schemas.KindLogin, "nowhere.ndjson"}}, Endpoint: f.start(t),
		})
		if err == nil || len(f.lines) > 0 {
			t.Errorf("%d lines were sent: %v", len(f.lines), err)
		}
	})
}

// rowsOf reads a CSV text as events.
func rowsOf(kind schemas.Kind, text string) ([]string, error) {
	c, err := newCSVLines(strings.NewReader(text), kind)
	if err != nil {
		return nil, err
	}
	var all []string
	for {
		l, err := c.next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		shown := fmt.Sprintf("%d %s", l.no, l.text)
		if l.fault != nil {
			shown = fmt.Sprintf("%d %s", l.no, l.fault.Type)
		}
		all = append(all, shown)
	}
}

func TestCSV(t *testing.T) {
	for name, test := range map[string]struct {
		kind schemas.Kind
		text string
		want []string
	}{
		"logins_have_profiles_and_keys": {
			schemas.KindLogin, "appid,openid,nickname,key_crm,snapshot_user\nwx,o,\"Li, Hua\",M-1,true\nwx,p,,,0\n",
			[]string{
				`2 {"appid":"wx","keys":[{"space":"crm","value":"M-1"}],"openid":"o","profile":{"nickname":"Li, Hua"},"snapshot_user":true}`,
				`3 {"appid":"wx","openid":"p","snapshot_user":false}`,
			},
		},
		"a_purchase_has_the_one_item_of_its_row": {
			schemas.KindPurchase, "order_id,amount,item_sku,item_quantity\nA,100,tea,2\nB,50,,\n",
			[]string{
				`2 {"amount":100,"items":[{"amount":100,"quantity":2,"sku":"tea"}],"kind":"purchase","order_id":"A"}`,
				`3 {"amount":50,"kind":"purchase","order_id":"B"}`,
			},
		},
		"items_are_JSON": {
			schemas.KindPurchase, "order_id,amount,items,kind,refund_id\nA,1,\"[{\"\"sku\"\":\"\"x\"\"}]\",refund,R\n",
			[]string{`2 {"amount":1,"items":[{"sku":"x"}],"kind":"refund","order_id":"A","refund_id":"R"}`},
		},
		"what_is_no_whole_number_stays_a_text_for_ingest_to_name": {
			schemas.KindPurchase, "order_id,amount,revision\nA,1.5,one\n007,-3,0\n",
			[]string{`2 {"amount":"1.5","kind":"purchase","order_id":"A","revision":"one"}`, `3 {"amount":-3,"kind":"purchase","order_id":"007","revision":0}`},
		},
		"a_row_with_too_few_columns_is_rejected_alone": {
			schemas.KindIdentity, "appid,openid,action\nwx,o\nwx,o,erase\n",
			[]string{"2 invalid-csv", `3 {"action":"erase","appid":"wx","openid":"o"}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rowsOf(test.kind, test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, text := range map[string]string{
		"an_unknown_column": "appid,open_id\n", "a_column_twice": "appid,appid\n", "an_empty_header": "", "an_empty_key_space": "appid,key_\n",
	} {
		t.Run(name+"_is_an_error", func(t *testing.T) {
			if got, err := rowsOf(schemas.KindLogin, text); err == nil {
				t.Errorf("it is read as %v", got)
			}
		})
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("appid,openid,nickname,key_crm\nwx,o,n,k\n")
	f.Add("order_id,amount,items\nA,1,[]\n")
	f.Add("appid\n\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range schemas.Kinds {
			got, _ := rowsOf(kind, text) // an error is an answer
			for _, row := range got {
				if _, event, _ := strings.Cut(row, " "); !json.Valid([]byte(event)) && event != "invalid-csv" {
					t.Errorf("%q is no JSON", row)
				}
			}
		}
	})
}

func FuzzJSONLines(f *testing.F) {
	f.Add([]byte("{}\n\n{}"))
	f.Add([]byte("\r\n \n{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		j := &jsonLines{in: bufio.NewReaderSize(bytes.NewReader(text), 16)}
		want := 0
		for l := range bytes.Lines(text) {
			if len(bytes.TrimSpace(l)) > 0 {
				want++
			}
		}
		for got := 0; ; got++ {
			l, err := j.next()
			if err != nil {
				if got != want {
					t.Errorf("%d lines, want %d", got, want)
				}
				return
			}
			if bytes.ContainsRune(l.text, '\n') || len(l.text) == 0 {
				t.Errorf("line %d is %q", l.no, l.text)
			}
		}
	})
}
