// Package export writes rows of an answer as CSV, NDJSON, Parquet or Arrow, and says
// how many there were and what their SHA-256 is.
//
// A row is a struct whose JSON tags name its columns. Rows are written as they come;
// none is ever left out: an export either ends well or with an error, and Serve turns
// the error into a broken connection, so that half a file never looks whole.
package export

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
)

// Format is how an answer is written.
type Format string

// The formats. JSON is not written by this package; it is what is no export.
const (
	FormatJSON    Format = "json"
	FormatCSV     Format = "csv"
	FormatNDJSON  Format = "ndjson"
	FormatParquet Format = "parquet"
	FormatArrow   Format = "arrow"
)

// Formats lists every format, JSON first.
var Formats = []Format{FormatJSON, FormatCSV, FormatNDJSON, FormatParquet, FormatArrow}

// ContentType is the media type of a format.
func (f Format) ContentType() string {
	switch f {
	case FormatCSV:
		return "text/csv; charset=utf-8; header=present"
	case FormatNDJSON:
		return "application/x-ndjson"
	case FormatParquet:
		return "application/vnd.apache.parquet"
	case FormatArrow:
		return "application/vnd.apache.arrow.stream"
	}
	return "application/json"
}

// The trailers that end an export.
const (
	TrailerRows   = "X-Unionlink-Rows"
	TrailerSHA256 = "X-Unionlink-Sha256"
)

// Options are how an export is written.
type Options struct {
	Format Format
	// BOM begins CSV with a byte order mark, by which Excel knows UTF-8.
	BOM bool
	// Columnar makes the bytes of Parquet and Arrow.
	Columnar Columnar
}

// Receipt is what was written.
type Receipt struct {
	Rows   int64
	SHA256 string
}

// Write writes all rows to w. After an error w may hold a part of them.
func Write[R any](ctx context.Context, w io.Writer, rows iter.Seq2[R, error], opt Options) (Receipt, error) {
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	var n int64
	var err error
	switch opt.Format {
	case FormatCSV:
		n, err = writeCSV(out, rows, opt.BOM)
	case FormatNDJSON:
		n, err = writeNDJSON(out, rows)
	case FormatParquet, FormatArrow:
		n, err = writeColumnar(ctx, out, rows, opt)
	default:
		return Receipt{}, fmt.Errorf("write an export: %q is no export format", opt.Format)
	}
	if err != nil {
		return Receipt{}, err
	}
	if err := out.Flush(); err != nil {
		return Receipt{}, fmt.Errorf("write an export: %w", err)
	}
	return Receipt{Rows: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// Serve answers a request with an export and its trailers. name is the file's, without
// an ending. Where the first row cannot be had, nothing is written and the error is
// returned with started false, so that the caller can answer with it.
func Serve[R any](w http.ResponseWriter, r *http.Request, name string, rows iter.Seq2[R, error], opt Options) (rc Receipt, started bool, err error) {
	next, stop := iter.Pull2(rows)
	defer stop()
	first, err, ok := next()
	if ok && err != nil {
		return Receipt{}, false, err
	}
	h := w.Header()
	h.Set("Content-Type", opt.Format.ContentType())
	h.Set("Content-Disposition", `attachment; filename="`+name+"."+string(opt.Format)+`"`)
	h.Set("Trailer", TrailerRows+", "+TrailerSHA256)
	rc, err = Write(r.Context(), w, resume(first, ok, next), opt)
	if err != nil {
		return rc, true, err
	}
	h.Set(TrailerRows, strconv.FormatInt(rc.Rows, 10))
	h.Set(TrailerSHA256, rc.SHA256)
	return rc, true, nil
}

// resume puts a row that was pulled back in front of the rest.
func resume[R any](first R, ok bool, next func() (R, error, bool)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var err error
		for ; ok; first, err, ok = next() {
			if !yield(first, err) || err != nil {
				return
			}
		}
	}
}

func writeNDJSON[R any](w io.Writer, rows iter.Seq2[R, error]) (int64, error) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	var n int64
	for row, err := range rows {
		if err != nil {
			return n, err
		}
		if err := enc.Encode(row); err != nil {
			return n, fmt.Errorf("write row %d as json: %w", n, err)
		}
		n++
	}
	return n, nil
}
