package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// byteOrderMark is U+FEFF in UTF-8.
const byteOrderMark = "\xEF\xBB\xBF"

func writeCSV[R any](w io.Writer, rows iter.Seq2[R, error], bom bool) (int64, error) {
	if bom {
		if _, err := io.WriteString(w, byteOrderMark); err != nil {
			return 0, fmt.Errorf("write csv: %w", err)
		}
	}
	cols := columnsOf(reflect.TypeFor[R]())
	out := csv.NewWriter(w)
	cells := make([]string, len(cols))
	for i, c := range cols {
		cells[i] = c.name
	}
	if err := out.Write(cells); err != nil {
		return 0, fmt.Errorf("write csv: %w", err)
	}
	var n int64
	for row, err := range rows {
		if err != nil {
			return n, err
		}
		v := reflect.ValueOf(row)
		for i, c := range cols {
			if cells[i], err = cell(v.FieldByIndex(c.index)); err != nil {
				return n, fmt.Errorf("write column %s of row %d as csv: %w", c.name, n, err)
			}
		}
		if err := out.Write(cells); err != nil {
			return n, fmt.Errorf("write csv: %w", err)
		}
		n++
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return n, fmt.Errorf("write csv: %w", err)
	}
	return n, nil
}

// cell writes one value: numbers exactly, times as RFC 3339, null as nothing, lists of
// text joined by a space, anything else as JSON.
func cell(v reflect.Value) (string, error) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "", nil
		}
		v = v.Elem()
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x.Format(time.RFC3339Nano), nil
	case []string:
		return Guard(strings.Join(x, " ")), nil
	}
	switch {
	case v.Kind() == reflect.String:
		return Guard(v.String()), nil
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool()), nil
	case v.CanInt():
		return strconv.FormatInt(v.Int(), 10), nil
	case v.CanUint():
		return strconv.FormatUint(v.Uint(), 10), nil
	case v.CanFloat():
		return strconv.FormatFloat(v.Float(), 'g', -1, 64), nil
	}
	b, err := json.Marshal(v.Interface())
	return string(b), err
}

// formulaStarts are what makes a spreadsheet take a cell for a formula, the full-width
// forms included, which Excel takes for the others in some languages.
// Source: OWASP, CSV Injection, https://owasp.org/www-community/attacks/CSV_Injection
const formulaStarts = "=+-@\t\r\n＝＋－＠"

// Guard puts an apostrophe before text that a spreadsheet would take for a formula.
func Guard(text string) string {
	for _, first := range text {
		if strings.ContainsRune(formulaStarts, first) {
			return "'" + text
		}
		break
	}
	return text
}
