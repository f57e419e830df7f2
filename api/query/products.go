package query

import "context"

// ProductRow is how many persons bought one item in one account and another in another account.
type ProductRow struct {
	Currency  string `json:"currency"`
	FromAppID string `json:"from_appid"`
	SKU       string `json:"sku"`
	ToAppID   string `json:"to_appid"`
	ToSKU     string `json:"to_sku"`
	Buyers    uint64 `json:"buyers"`
}

// Products answers with what the buyers of an item in one account buy in another, in whichever order, the most buyers first within a
// currency. Here SKU and Category choose the item that buyers are followed from; without them every pair is answered,
// which many products make expensive. Limit is the most rows of a currency.
func (r *Reports) Products(ctx context.Context, p Params) ([]ProductRow, error) {
	p.Cursor = nil
	s := p.shape()
	s.ItemSKU, s.ItemCategory, s.SKU, s.Category = s.SKU, s.Category, false, false
	out := []ProductRow{}
	err := r.byCurrency(ctx, &p, s, func(e extent, s shape, a args) error {
		a["limit"] = uint64(p.Limit)
		return each(ctx, r, question{"products", s, a}, func(row struct {
			From   uint16 `ch:"from_account"`
			SKU    string `ch:"sku"`
			To     uint16 `ch:"to_account"`
			ToSKU  string `ch:"to_sku"`
			Buyers uint64 `ch:"buyers"`
		}) error {
			out = append(out, ProductRow{Currency: e.Currency, FromAppID: e.account(row.From), SKU: row.SKU, ToAppID: e.account(row.To), ToSKU: row.ToSKU, Buyers: row.Buyers})
			return nil
		})
	})
	return out, err
}
