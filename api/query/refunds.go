package query

import "context"

// RefundRow is what was refunded in one account and currency. RefundRate is refunds/gross, nil where nothing was sold;
// MedianDays, from an order to its refund, is nil where no refund's order is known.
type RefundRow struct {
	Currency     string   `json:"currency"`
	AppID        string   `json:"appid"`
	Orders       uint64   `json:"orders"`
	RefundsCount uint64   `json:"refunds_count"`
	Gross        int64    `json:"gross"`
	Refunds      int64    `json:"refunds"`
	RefundRate   *float64 `json:"refund_rate"`
	MedianDays   *float64 `json:"median_days"`
}

// Refunds answers with a row a currency and account. A refund counts when it occurred, whenever its order was.
func (r *Reports) Refunds(ctx context.Context, p Params) ([]RefundRow, error) {
	p.Cursor = nil
	s := p.shape()
	s.Limit = false
	out := []RefundRow{}
	err := r.byCurrency(ctx, &p, s, func(e extent, s shape, a args) error {
		rows, err := ask[struct {
			Account      uint16 `ch:"account"`
			Orders       uint64 `ch:"orders"`
			RefundsCount uint64 `ch:"refunds_count"`
			Gross        int64  `ch:"gross"`
			Net          int64  `ch:"net"`
			Matched      uint64 `ch:"matched"`
			Wait         int64  `ch:"wait"`
		}](ctx, r, "refunds", s, a)
		for _, row := range rows {
			refund := RefundRow{Currency: e.Currency, AppID: e.account(row.Account), Orders: row.Orders, RefundsCount: row.RefundsCount,
				Gross: row.Gross, Refunds: row.Gross - row.Net, RefundRate: share(row.Gross-row.Net, row.Gross)}
			if row.Matched > 0 {
				refund.MedianDays = days(row.Wait)
			}
			out = append(out, refund)
		}
		return err
	})
	return out, err
}
