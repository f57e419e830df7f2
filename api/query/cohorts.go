package query

import (
	"context"
	"time"
)

// Cohort is the persons whose first purchase in a currency occurred in one month of the asker's zone.
type Cohort struct {
	Currency string `json:"currency"`
	// Cohort is the month, as in "2026-01".
	Cohort string `json:"cohort"`
	// Size is how many persons they are.
	Size   uint64        `json:"size"`
	Months []CohortMonth `json:"months"`
}

// CohortMonth is what a cohort did in the month Offset months after its first. CumulativeNet is the net since the cohort's
// month; divided by Size it is the value of a person so far.
type CohortMonth struct {
	Offset        int    `json:"offset"`
	Buyers        uint64 `json:"buyers"`
	Orders        uint64 `json:"orders"`
	Net           int64  `json:"net"`
	CumulativeNet int64  `json:"cumulative_net"`
}

type cohortRow struct {
	Cohort  int64  `ch:"cohort"`
	Month   int64  `ch:"month"`
	Persons uint64 `ch:"persons"`
	Buyers  uint64 `ch:"buyers"`
	Orders  uint64 `ch:"orders"`
	Net     int64  `ch:"net"`
}

// Cohorts answers with the persons whose first purchase occurred in the period, by its month. What narrows orders (accounts, category,
// amount) narrows what is a first purchase too; the period does not: who bought before From is in no cohort. Months go on to
// the end of the period or, where it has none, to the last month with an order, the empty ones with zeros.
// Refunds before a person's first month are left out.
func (r *Reports) Cohorts(ctx context.Context, p Params) ([]Cohort, error) {
	p.Cursor = nil
	s := p.shape()
	s.History = true
	all, err := r.extent(ctx, &p, s)
	if err != nil {
		return nil, err
	}
	history := p
	history.From = time.Time{}
	c, err := r.calendar(ctx, &history, IntervalMonth, len(all) == 0)
	if err != nil || len(c.starts) == 0 {
		return []Cohort{}, err
	}
	rows := make([][]cohortRow, len(all))
	var last int64
	for i, e := range all {
		es, a := e.in(&p, s, p.args())
		es.To = true
		a["bounds"], a["to"] = toMicros(c.starts), c.to.UnixMicro()
		if rows[i], err = ask[cohortRow](ctx, r, "cohorts", es, a); err != nil {
			return nil, err
		}
		for _, row := range rows[i] {
			last = max(last, row.Month)
		}
	}
	months := c.months(last, !p.To.IsZero())
	out := []Cohort{}
	for i, e := range all {
		out = append(out, months.cohorts(e.Currency, rows[i])...)
	}
	return out, nil
}

// monthLine is the months that cohorts are answered over: their beginnings, and the names of these.
type monthLine struct {
	position map[int64]int
	names    []string
}

// months are those up to last or, where the period is bounded, all.
func (c *calendar) months(last int64, bounded bool) monthLine {
	line := monthLine{position: map[int64]int{}}
	for i, start := range c.starts {
		if bounded || start.UnixMicro() <= last {
			line.position[start.UnixMicro()] = i
			line.names = append(line.names, start.Format("2006-01"))
		}
	}
	return line
}

// cohorts puts the rows of a currency, which come in the order of cohorts and months, into lines without gaps.
func (line monthLine) cohorts(currency string, rows []cohortRow) []Cohort {
	var out []Cohort
	for i := 0; i < len(rows); {
		first := line.position[rows[i].Cohort]
		c := Cohort{Currency: currency, Cohort: line.names[first], Size: rows[i].Persons}
		cohort, total := rows[i].Cohort, int64(0)
		for offset := range len(line.names) - first {
			month := CohortMonth{Offset: offset}
			if i < len(rows) && rows[i].Cohort == cohort && line.position[rows[i].Month] == first+offset {
				month.Buyers, month.Orders, month.Net = rows[i].Buyers, rows[i].Orders, rows[i].Net
				i++
			}
			total += month.Net
			month.CumulativeNet = total
			c.Months = append(c.Months, month)
		}
		out = append(out, c)
	}
	return out
}
