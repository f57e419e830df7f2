package demo

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/unionlink/unionlink/schemas"
)

// table is text in columns, aligned by the width that a terminal gives each character;
// Chinese ones take two cells. The first column is aligned left, the others right.
type table struct {
	title string
	rows  [][]string
}

func newTable(title string, header ...string) *table {
	return &table{title: title, rows: [][]string{header}}
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// String lays the table out, one line a row, under its title.
func (t *table) String() string {
	widths := make([]int, len(t.rows[0]))
	for _, r := range t.rows {
		for i, cell := range r {
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	var b strings.Builder
	b.WriteString(t.title + "\n")
	for _, r := range t.rows {
		b.WriteString("  ")
		for i, cell := range r {
			pad := strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell))
			switch {
			case i == 0 && len(r) == 1:
				b.WriteString(cell)
			case i == 0:
				b.WriteString(cell + pad)
			default:
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// count shows a number with a comma every three digits.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// money shows an amount of minor units in the currency's own.
func money(amount int64, currency string) string {
	digits := schemas.MinorDigits(currency)
	if digits == 0 {
		return count(amount) + " " + currency
	}
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}
	unit := int64(1)
	for range digits {
		unit *= 10
	}
	return fmt.Sprintf("%s%s.%0*d %s", sign, count(amount/unit), digits, amount%unit, currency)
}

// share shows a number from 0 to 1 in percent.
func share(s *float64) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100**s)
}
