package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"strings"
)

// Columnar is ClickHouse's HTTP interface, which turns rows into Parquet and Arrow: they
// go there as a temporary table of one query and come back as bytes. The user needs no
// right but to ask.
type Columnar struct {
	// URL is "http://host:port"; empty means that these formats are not offered.
	URL string
	// User and Password are a read-only user's.
	User, Password string
	// Client is http.DefaultClient unless set.
	Client *http.Client
}

// ErrNotOffered is returned for Parquet and Arrow where ClickHouse's HTTP interface is not configured.
var ErrNotOffered = errors.New("parquet and arrow are not offered here: clickhouse's http address is not configured")

var clickhouseFormats = map[Format]string{FormatParquet: "Parquet", FormatArrow: "ArrowStream"}

func writeColumnar[R any](ctx context.Context, w io.Writer, rows iter.Seq2[R, error], opt Options) (int64, error) {
	if opt.Columnar.URL == "" {
		return 0, ErrNotOffered
	}
	columns, err := structure(reflect.TypeFor[R]())
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", opt.Format, err)
	}
	body, pipe := io.Pipe()
	defer body.Close()
	form := multipart.NewWriter(pipe)
	type sent struct {
		n   int64
		err error
	}
	done := make(chan sent, 1)
	// Ends when all rows are sent, or when body is closed on return.
	go func() {
		n, err := upload(form, rows)
		pipe.CloseWithError(err)
		done <- sent{n, err}
	}()
	err = opt.Columnar.convert(ctx, w, opt.Format, columns, form.FormDataContentType(), body)
	body.Close()
	s := <-done
	if s.err != nil && !errors.Is(s.err, io.ErrClosedPipe) {
		return s.n, s.err // the rows' own fault is the cause of the query's
	}
	return s.n, err
}

// upload sends the rows as the file "rows" of a form.
func upload[R any](form *multipart.Writer, rows iter.Seq2[R, error]) (int64, error) {
	file, err := form.CreateFormFile("rows", "rows")
	if err != nil {
		return 0, fmt.Errorf("send rows to clickhouse: %w", err)
	}
	n, err := writeNDJSON(file, rows)
	if err != nil {
		return n, err
	}
	if err := form.Close(); err != nil {
		return n, fmt.Errorf("send rows to clickhouse: %w", err)
	}
	return n, nil
}

func (c Columnar) convert(ctx context.Context, w io.Writer, f Format, columns, contentType string, body io.Reader) error {
	q := url.Values{
		"query":                  {"SELECT * FROM rows FORMAT " + clickhouseFormats[f]},
		"rows_structure":         {columns},
		"rows_format":            {"JSONEachRow"},
		"date_time_input_format": {"best_effort"},
		// The whole answer is made before its first byte, so that a failure is a status, not a torn file.
		"wait_end_of_query":                      {"1"},
		"output_format_parquet_string_as_string": {"1"},
		"output_format_arrow_string_as_string":   {"1"},
		"output_format_arrow_compression_method": {"none"},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+"/?"+q.Encode(), body)
	if err != nil {
		return fmt.Errorf("ask clickhouse for %s: %w", f, err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-ClickHouse-User", c.User)
	req.Header.Set("X-ClickHouse-Key", c.Password)
	client := c.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask clickhouse for %s: %w", f, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // best effort: the status alone tells
		return fmt.Errorf("ask clickhouse for %s: status %d: %s", f, resp.StatusCode, strings.TrimSpace(string(text)))
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read %s from clickhouse: %w", f, err)
	}
	return nil
}
