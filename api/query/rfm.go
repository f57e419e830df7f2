package query

import (
	"context"
	"slices"
)

// Segment is a group of buyers of like recency and frequency.
type Segment string

// Segments are all of them, from the best to the lost. Each buyer has two scores of 1 to 5: recency (5: the fifth that bought last)
// and frequency (5: the fifth with the most orders). A score is 1 and one more for each quintile that the buyer lies above,
// so that equal buyers have equal scores. The grid is the customary one of RFM analysis.
var Segments = []Segment{"champions", "loyal", "potential_loyal", "new", "promising", "need_attention", "about_to_sleep", "at_risk", "cannot_lose", "hibernating"}

// grid has the segment of recency r and frequency f at [r-1][f-1].
var grid = [5][5]Segment{
	{"hibernating", "hibernating", "at_risk", "at_risk", "cannot_lose"},
	{"hibernating", "hibernating", "at_risk", "at_risk", "cannot_lose"},
	{"about_to_sleep", "about_to_sleep", "need_attention", "loyal", "loyal"},
	{"promising", "potential_loyal", "potential_loyal", "loyal", "loyal"},
	{"new", "potential_loyal", "potential_loyal", "champions", "champions"},
}

// SegmentRow is one segment in one currency. The last three are means over its persons: days since the last order, orders, net.
type SegmentRow struct {
	Currency    string  `json:"currency"`
	Segment     Segment `json:"segment"`
	Persons     uint64  `json:"persons"`
	Orders      uint64  `json:"orders"`
	Net         int64   `json:"net"`
	RecencyDays float64 `json:"recency_days"`
	Frequency   float64 `json:"frequency"`
	Monetary    float64 `json:"monetary"`
}

type segmentRow struct {
	Segment string `ch:"segment"`
	Persons uint64 `ch:"persons"`
	Orders  uint64 `ch:"orders"`
	Net     int64  `ch:"net"`
	Days    int64  `ch:"days"`
}

// RFM answers with the buyers of each currency by segment, the best first; segments without persons are left out.
func (r *Reports) RFM(ctx context.Context, p Params) ([]SegmentRow, error) {
	p.Cursor, p.Segment, p.ExactAccounts, p.Limit = nil, "", nil, 0
	out := []SegmentRow{}
	err := r.spenders(ctx, p, func(q question, e extent) error {
		if err := r.segments(ctx, &p, &e, q.args); err != nil {
			return err
		}
		q.args["reference"] = p.reference().UnixMicro()
		rows, err := ask[segmentRow](ctx, r, "rfm", q.shape, q.args)
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b segmentRow) int {
			return slices.Index(Segments, Segment(a.Segment)) - slices.Index(Segments, Segment(b.Segment))
		})
		for _, row := range rows {
			n := float64(row.Persons)
			out = append(out, SegmentRow{Currency: e.Currency, Segment: Segment(row.Segment), Persons: row.Persons, Orders: row.Orders, Net: row.Net,
				RecencyDays: float64(row.Days) / n, Frequency: float64(row.Orders) / n, Monetary: float64(row.Net) / n})
		}
		return nil
	})
	return out, err
}

// segments adds to a question what its fragment "segment" needs: the quintiles of all buyers, and the grid.
func (r *Reports) segments(ctx context.Context, p *Params, e *extent, a args) error {
	whole := *p
	whole.Segment, whole.ExactAccounts, whole.Cursor = "", nil, nil
	s, sa := e.in(&whole, whole.shape(), whole.args())
	rows, err := ask[struct {
		Recency   []int64 `ch:"recency"`
		Frequency []int64 `ch:"frequency"`
	}](ctx, r, "rfm_quintiles", s, sa)
	if err != nil {
		return err
	}
	a["recency"], a["frequency"] = rows[0].Recency, rows[0].Frequency
	var scores []uint16
	var names []string
	for i := range grid {
		for j := range grid[i] {
			scores, names = append(scores, uint16(10*(i+1)+j+1)), append(names, string(grid[i][j]))
		}
	}
	a["grid"], a["segments"] = scores, names
	return nil
}
