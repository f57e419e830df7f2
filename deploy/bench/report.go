package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Report is what a benchmark found.
type Report struct {
	Benchmark string
	Seed      uint64
	Machine   Machine
	Figures   []Figure
	// Notes say what a reader must know to believe the figures.
	Notes []string
}

// Figure is one number. Times are in milliseconds or seconds, sizes in bytes, as Unit says.
type Figure struct {
	Group, Name string
	Value       float64
	Unit        string
	// Exact marks a count that was checked; it has no bounds.
	Exact bool
	// Floor and Ceiling are nil where there are none.
	Floor, Ceiling *Bound
}

// Bound is a figure's floor or ceiling, in the figure's unit. Value is 0 where it
// could not be had; What then says why.
type Bound struct {
	Value float64
	What  string
}

// The units.
const (
	unitEvents = "events/s"
	unitMillis = "ms"
	unitSecs   = "s"
	unitBytes  = "bytes"
	unitTimes  = "times"
)

// add appends a figure to a group and returns it, for its bounds to be set.
func (r *Report) add(group, name string, value float64, unit string) *Figure {
	r.Figures = append(r.Figures, Figure{Group: group, Name: name, Value: value, Unit: unit})
	return &r.Figures[len(r.Figures)-1]
}

// exact appends a count after checking it.
func (r *Report) exact(group, name string, got, want uint64) error {
	if got != want {
		return fmt.Errorf("%s: %s: counted %d, not %d: the figures of this run mean nothing", group, name, got, want)
	}
	r.add(group, name, float64(got), "exact").Exact = true
	return nil
}

// quantiles appends p50 and p99 of samples.
func (r *Report) quantiles(group, what string, s samples) {
	r.add(group, what+" p50", millis(s.quantile(0.5)), unitMillis)
	r.add(group, what+" p99", millis(s.quantile(0.99)), unitMillis)
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// between sets a figure's bounds. Call it before the next add.
func (f *Figure) between(floor, ceiling *Bound) *Figure {
	f.Floor, f.Ceiling = floor, ceiling
	return f
}

// Value finds a figure.
func (r *Report) Value(group, name string) (value float64, found bool) {
	for _, f := range r.Figures {
		if f.Group == group && f.Name == name {
			return f.Value, true
		}
	}
	return 0, false
}

func (r *Report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// write prints the table.
func (r *Report) write(w io.Writer) error {
	rows := [][]string{{"figure", "value", "unit", "floor", "ceiling"}}
	group := ""
	for _, f := range r.Figures {
		if f.Group != group {
			group = f.Group
			rows = append(rows, nil, []string{group})
		}
		rows = append(rows, []string{"  " + f.Name, shown(f.Value), f.Unit, f.Floor.cell(f.Value), f.Ceiling.cell(f.Value)})
	}
	var out strings.Builder
	fmt.Fprintf(&out, "unionlink bench %s, seed %d\n%s\n\n", r.Benchmark, r.Seed, r.Machine)
	align(&out, rows)
	if len(r.Notes) > 0 {
		out.WriteByte('\n')
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&out, "- %s\n", n)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// cell shows a bound and the figure's part of it.
func (b *Bound) cell(value float64) string {
	switch {
	case b == nil:
		return ""
	case b.Value == 0:
		return b.What
	}
	return fmt.Sprintf("%s (%.0f %%) %s", shown(b.Value), 100*value/b.Value, b.What)
}

// align writes rows in columns, the second one, which holds numbers, to the right. A row of one cell is a heading.
func align(out *strings.Builder, rows [][]string) {
	var widths [5]int
	for _, row := range rows {
		for i, cell := range row {
			if len(row) > 1 {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell)))
			if i == 1 {
				line.WriteString(space + cell + "  ")
			} else {
				line.WriteString(cell + space + "  ")
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// shown is a number as people read it: three digits that mean something, thousands apart.
func shown(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || v == math.Trunc(v):
		return thousands(int64(math.Round(v)))
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

func thousands(v int64) string {
	if v < 0 {
		return "-" + thousands(-v)
	}
	s := strconv.FormatInt(v, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func rate(n int, took time.Duration) float64 {
	return float64(n) / max(took.Seconds(), 1e-9)
}

// inTurn is the rate of doing one thing after another, each at its own rate: what
// is left where both want the same processors.
func inTurn(rates ...float64) float64 {
	var sum float64
	for _, r := range rates {
		sum += 1 / r
	}
	return 1 / sum
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
