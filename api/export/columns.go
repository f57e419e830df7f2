package export

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// column is one field of a row.
type column struct {
	name  string
	index []int
	typ   reflect.Type
}

// columnsOf lists the fields of a struct that have a JSON name, embedded ones included.
func columnsOf(t reflect.Type) []column {
	var out []column
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || f.Anonymous || name == "" || name == "-" {
			continue
		}
		out = append(out, column{name: name, index: f.Index, typ: f.Type})
	}
	return out
}

// Columns are the names of a row's columns, in order.
func Columns(row reflect.Type) []string {
	var names []string
	for _, c := range columnsOf(row) {
		names = append(names, c.name)
	}
	return names
}

// clickhouseType is the type of a column that ClickHouse reads from JSON.
func clickhouseType(t reflect.Type) (string, error) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return "DateTime64(6, 'UTC')", nil
	case reflect.TypeFor[[]byte]():
		return "", fmt.Errorf("bytes have no column type")
	}
	switch t.Kind() {
	case reflect.String:
		return "String", nil
	case reflect.Bool:
		return "Bool", nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "Int64", nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "UInt64", nil
	case reflect.Float32, reflect.Float64:
		return "Float64", nil
	case reflect.Pointer:
		inner, err := clickhouseType(t.Elem())
		return "Nullable(" + inner + ")", err
	case reflect.Slice:
		inner, err := clickhouseType(t.Elem())
		return "Array(" + inner + ")", err
	case reflect.Struct:
		inner, err := structure(t)
		return "Tuple(" + inner + ")", err
	}
	return "", fmt.Errorf("%v has no column type", t)
}

// structure lists the columns of a struct as ClickHouse declares them.
func structure(t reflect.Type) (string, error) {
	var parts []string
	for _, c := range columnsOf(t) {
		typ, err := clickhouseType(c.typ)
		if err != nil {
			return "", fmt.Errorf("column %s: %w", c.name, err)
		}
		parts = append(parts, c.name+" "+typ)
	}
	return strings.Join(parts, ", "), nil
}
