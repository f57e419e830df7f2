package query

import (
	"context"
	"errors"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// PurchaseRow is an order or a refund in its last revision. The amount of a refund is negative; OpenID is empty where
// the identity was erased.
type PurchaseRow struct {
	AppID      string         `json:"appid"`
	OpenID     string         `json:"openid"`
	OrderID    string         `json:"order_id"`
	Kind       string         `json:"kind"`
	RefundID   string         `json:"refund_id"`
	Amount     int64          `json:"amount"`
	Currency   string         `json:"currency"`
	OccurredAt time.Time      `json:"occurred_at"`
	Revision   uint32         `json:"revision"`
	EventID    string         `json:"event_id"`
	Items      []schemas.Item `json:"items"`
}

type purchaseRow struct {
	AppID      string    `ch:"appid"`
	OpenID     string    `ch:"openid"`
	OrderID    string    `ch:"order_id"`
	Kind       string    `ch:"kind"`
	RefundID   string    `ch:"refund_id"`
	Amount     int64     `ch:"amount"`
	Currency   string    `ch:"currency"`
	OccurredAt time.Time `ch:"occurred_at"`
	Revision   uint32    `ch:"revision"`
	EventID    string    `ch:"event_id"`
	SKU        []string  `ch:"sku"`
	Name       []string  `ch:"name"`
	Category   []string  `ch:"category"`
	Quantity   []int64   `ch:"quantity"`
	ItemAmount []int64   `ch:"item_amount"`
	OrderKey   uint64    `ch:"order_key"`
	Identity   uint64    `ch:"identity"`
}

func (row *purchaseRow) open() PurchaseRow {
	out := PurchaseRow{AppID: row.AppID, OpenID: row.OpenID, OrderID: row.OrderID, Kind: row.Kind, RefundID: row.RefundID, Amount: row.Amount,
		Currency: row.Currency, OccurredAt: row.OccurredAt.UTC(), Revision: row.Revision, EventID: row.EventID, Items: make([]schemas.Item, len(row.SKU))}
	for i := range row.SKU {
		out.Items[i] = schemas.Item{SKU: row.SKU[i], Name: row.Name[i], Category: row.Category[i], Quantity: row.Quantity[i], Amount: row.ItemAmount[i]}
	}
	return out
}

func (row *purchaseRow) cursor() *Cursor {
	return &Cursor{At: row.OccurredAt.UnixMicro(), Key: row.OrderKey, Identity: row.Identity}
}

// Purchases answers with a page of a present person's orders and refunds, the latest first, and with the cursor of the next
// page, nil on the last.
func (r *Reports) Purchases(ctx context.Context, person uint64, p Params) ([]PurchaseRow, *Cursor, error) {
	if err := p.Validate(); err != nil {
		return nil, nil, err
	}
	out := []PurchaseRow{}
	var next, last *Cursor
	err := each(ctx, r, question{"purchases", p.own(), p.of(person)}, func(row purchaseRow) error {
		if p.Limit > 0 && len(out) == p.Limit {
			next = last
			return errEnough
		}
		out, last = append(out, row.open()), row.cursor()
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, nil, err
	}
	return out, next, nil
}
