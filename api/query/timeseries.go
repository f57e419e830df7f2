package query

import (
	"context"
	"time"
)

// Point is one interval of a currency, and of an account where the series are split by account. Start is in the asker's zone.
type Point struct {
	Start    time.Time `json:"start"`
	Currency string    `json:"currency"`
	AppID    string    `json:"appid,omitempty"`
	Money
	Buyers uint64 `json:"buyers"`
}

// Series says how a time series is cut.
type Series struct {
	Interval  Interval
	ByAccount bool
}

type pointRow struct {
	Start   int64  `ch:"start"`
	Account uint16 `ch:"account"`
	Orders  uint64 `ch:"orders"`
	Gross   int64  `ch:"gross"`
	Net     int64  `ch:"net"`
	Buyers  uint64 `ch:"buyers"`
}

// Timeseries answers with the points of each currency (and account) in the order of time. A series has all intervals of
// the period, the empty ones with zeros; where the period is unbounded, all between the first and the last that is
// not empty in any series. An interval that the period cuts counts what of it lies in the period.
func (r *Reports) Timeseries(ctx context.Context, p Params, by Series) ([]Point, error) {
	p.Cursor = nil
	s := p.shape()
	s.ByAccount = by.ByAccount
	all, err := r.extent(ctx, &p, s)
	if err != nil {
		return nil, err
	}
	c, err := r.calendar(ctx, &p, by.Interval, len(all) == 0)
	if err != nil || len(c.starts) == 0 {
		return []Point{}, err
	}
	series := make([][]pointRow, len(all))
	for i, e := range all {
		es, a := c.in(e.in(&p, s, p.args()))
		if series[i], err = ask[pointRow](ctx, r, "timeseries", es, a); err != nil {
			return nil, err
		}
	}
	first, last := c.cut(series, &p)
	out := []Point{}
	for i, e := range all {
		out = append(out, e.points(series[i], c.starts[first:last])...)
	}
	return out, nil
}

// calendar is the intervals in which something may have occurred, or that the period names, in the asker's zone.
type calendar struct {
	starts   []time.Time
	from, to time.Time
}

func (r *Reports) calendar(ctx context.Context, p *Params, by Interval, empty bool) (*calendar, error) {
	zone, err := p.zone()
	if err != nil {
		return nil, err
	}
	first, last := p.From, p.To.Add(-time.Microsecond)
	if p.From.IsZero() || p.To.IsZero() {
		spans, err := ask[struct {
			First time.Time `ch:"first"`
			Last  time.Time `ch:"last"`
		}](ctx, r, "span", shape{Log: p.AsOf != nil}, nil)
		if err != nil {
			return nil, err
		}
		if p.From.IsZero() {
			first = spans[0].First
		}
		if p.To.IsZero() {
			last = spans[0].Last
		}
		if empty { // and 1970 is not when anything occurred
			first = last
		}
	}
	bounds, err := by.bounds(first, last, zone)
	if err != nil || bounds == nil {
		return &calendar{}, err
	}
	c := &calendar{starts: bounds[:len(bounds)-1], from: bounds[0], to: bounds[len(bounds)-1]}
	if p.From.After(c.from) {
		c.from = p.From
	}
	if !p.To.IsZero() && p.To.Before(c.to) {
		c.to = p.To
	}
	return c, nil
}

// in adds the intervals to a question, which is bounded by them: what occurred outside came after they were made.
func (c *calendar) in(s shape, a args) (shape, args) {
	s.From, s.To = true, true
	a["bounds"], a["from"], a["to"] = toMicros(c.starts), c.from.UnixMicro(), c.to.UnixMicro()
	return s, a
}

// cut finds which of the intervals are answered: all, but at an unbounded end only from what is not empty.
func (c *calendar) cut(series [][]pointRow, p *Params) (first, last int) {
	position := map[int64]int{}
	for i, start := range c.starts {
		position[start.UnixMicro()] = i
	}
	first, last = len(c.starts), 0
	for _, points := range series {
		for _, point := range points {
			i := position[point.Start]
			first, last = min(first, i), max(last, i+1)
		}
	}
	if !p.From.IsZero() {
		first = 0
	}
	if !p.To.IsZero() {
		last = len(c.starts)
	}
	return min(first, last), last
}

// points fills the series of a currency, which come account by account.
func (e *extent) points(rows []pointRow, starts []time.Time) []Point {
	var out []Point
	for i := 0; i < len(rows); {
		account := rows[i].Account
		for _, start := range starts {
			point := Point{Start: start, Currency: e.Currency, AppID: e.account(account)}
			if i < len(rows) && rows[i].Account == account && rows[i].Start == start.UnixMicro() {
				row := &rows[i]
				point.Money = Money{Orders: row.Orders, Gross: row.Gross, Refunds: row.Gross - row.Net, Net: row.Net}
				point.Buyers = row.Buyers
				i++
			}
			out = append(out, point)
		}
	}
	return out
}
