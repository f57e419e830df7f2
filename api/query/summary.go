package query

import (
	"cmp"
	"context"
	"slices"
)

// Money is what every report says of orders, in minor units of a currency.
type Money struct {
	Orders  uint64 `json:"orders"`
	Gross   int64  `json:"gross"`
	Refunds int64  `json:"refunds"`
	Net     int64  `json:"net"`
}

func (m *Money) add(o Money) {
	m.Orders, m.Gross, m.Refunds, m.Net = m.Orders+o.Orders, m.Gross+o.Gross, m.Refunds+o.Refunds, m.Net+o.Net
}

// Buying is money with who spent it.
type Buying struct {
	Money
	AccountBuyers      uint64 `json:"account_buyers"`
	Buyers             uint64 `json:"buyers"`
	CrossAccountBuyers uint64 `json:"cross_account_buyers"`
	// LinkedShare is nil where there are no buyers.
	LinkedShare *float64 `json:"linked_share"`
}

// SummaryRow is everything in one currency.
type SummaryRow struct {
	Currency string `json:"currency"`
	Buying
}

// AccountRow is one account in one currency. SharedBuyers bought in another of the accounts too: they are this account's
// cross_account_buyers under the name that compares accounts.
type AccountRow struct {
	AppID    string `json:"appid"`
	Currency string `json:"currency"`
	Buying
	SharedBuyers uint64 `json:"shared_buyers"`
}

// OverlapSet is how many persons bought in exactly these accounts, and their net, refunds in other accounts included.
type OverlapSet struct {
	Currency string   `json:"currency"`
	AppIDs   []string `json:"appids"`
	Buyers   uint64   `json:"buyers"`
	Net      int64    `json:"net"`
}

// Overlap has every set of accounts that persons bought in exactly, most buyers first within a currency, and every pair of accounts
// that persons bought in, whatever else they bought in.
type Overlap struct {
	Sets  []OverlapSet
	Pairs []OverlapSet
}

// buyersRow is a row of buyers.sql: an account, or a set of accounts.
type buyersRow struct {
	Account    uint16   `ch:"account"`
	Bought     []uint64 `ch:"bought"`
	Orders     uint64   `ch:"orders"`
	Gross      int64    `ch:"gross"`
	Net        int64    `ch:"net"`
	Identities uint64   `ch:"identities"`
	Linked     uint64   `ch:"linked_identities"`
	Persons    uint64   `ch:"persons"`
}

func (b *buyersRow) money() Money {
	return Money{Orders: b.Orders, Gross: b.Gross, Refunds: b.Gross - b.Net, Net: b.Net}
}

// buyers asks buyers.sql of each currency and hands its rows over, first the accounts, then the sets.
func (r *Reports) buyers(ctx context.Context, p Params, yield func(e extent, accounts, sets []buyersRow)) error {
	s := p.shape()
	s.After, s.Limit = false, false
	all, err := r.extent(ctx, &p, s)
	if err != nil {
		return err
	}
	for _, e := range all {
		es, ea := e.in(&p, s, p.args())
		rows, err := ask[buyersRow](ctx, r, "buyers", es, ea)
		if err != nil {
			return err
		}
		var accounts, sets []buyersRow
		for _, row := range rows {
			if row.Account > 0 {
				accounts = append(accounts, row)
			} else {
				sets = append(sets, row)
			}
		}
		if len(accounts) > 0 {
			slices.SortFunc(accounts, func(a, b buyersRow) int { return cmp.Compare(a.Account, b.Account) })
			yield(e, accounts, sets)
		}
	}
	return nil
}

// Summary answers with a row a currency.
func (r *Reports) Summary(ctx context.Context, p Params) ([]SummaryRow, error) {
	out := []SummaryRow{}
	err := r.buyers(ctx, p, func(e extent, accounts, sets []buyersRow) {
		row := SummaryRow{Currency: e.Currency}
		var linked uint64
		for i := range accounts {
			row.add(accounts[i].money())
			row.AccountBuyers += accounts[i].Identities
			linked += accounts[i].Linked
		}
		for i := range sets {
			switch n := len(e.accounts(sets[i].Bought)); {
			case n > 1:
				row.CrossAccountBuyers += sets[i].Persons
				fallthrough
			case n > 0:
				row.Buyers += sets[i].Persons
			}
		}
		row.LinkedShare = share(linked, row.AccountBuyers)
		out = append(out, row)
	})
	return out, err
}

// Accounts answers with a row an account and currency.
func (r *Reports) Accounts(ctx context.Context, p Params) ([]AccountRow, error) {
	out := []AccountRow{}
	err := r.buyers(ctx, p, func(e extent, accounts, sets []buyersRow) {
		buyers, shared := map[string]uint64{}, map[string]uint64{}
		for i := range sets {
			names := e.accounts(sets[i].Bought)
			for _, name := range names {
				buyers[name] += sets[i].Persons
				if len(names) > 1 {
					shared[name] += sets[i].Persons
				}
			}
		}
		for i := range accounts {
			name := e.account(accounts[i].Account)
			out = append(out, AccountRow{AppID: name, Currency: e.Currency, SharedBuyers: shared[name], Buying: Buying{
				Money: accounts[i].money(), AccountBuyers: accounts[i].Identities, Buyers: buyers[name],
				CrossAccountBuyers: shared[name], LinkedShare: share(accounts[i].Linked, accounts[i].Identities),
			}})
		}
	})
	return out, err
}

// Overlap answers with the sets of accounts that persons bought in. The buyers of all sets add up to the buyers of
// Summary; their net does not where persons only got refunds.
func (r *Reports) Overlap(ctx context.Context, p Params) (Overlap, error) {
	out := Overlap{Sets: []OverlapSet{}, Pairs: []OverlapSet{}}
	err := r.buyers(ctx, p, func(e extent, _, sets []buyersRow) {
		exact, pairs := []OverlapSet{}, map[[2]string]*OverlapSet{}
		for i := range sets {
			names := e.accounts(sets[i].Bought)
			if len(names) == 0 {
				continue
			}
			exact = append(exact, OverlapSet{Currency: e.Currency, AppIDs: names, Buyers: sets[i].Persons, Net: sets[i].Net})
			for j := range names {
				for k := j + 1; k < len(names); k++ {
					pair := [2]string{names[j], names[k]}
					if pairs[pair] == nil {
						pairs[pair] = &OverlapSet{Currency: e.Currency, AppIDs: pair[:]}
					}
					pairs[pair].Buyers += sets[i].Persons
					pairs[pair].Net += sets[i].Net
				}
			}
		}
		both := make([]OverlapSet, 0, len(pairs))
		for _, pair := range pairs {
			both = append(both, *pair)
		}
		out.Sets, out.Pairs = append(out.Sets, mostBuyers(exact)...), append(out.Pairs, mostBuyers(both)...)
	})
	return out, err
}

func mostBuyers(sets []OverlapSet) []OverlapSet {
	slices.SortFunc(sets, func(a, b OverlapSet) int {
		return cmp.Or(cmp.Compare(b.Buyers, a.Buyers), slices.Compare(a.AppIDs, b.AppIDs))
	})
	return sets
}
