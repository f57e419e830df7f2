package query

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// TopPerson is what one person bought in one currency. LastOrderAt is nil where there is no order, only a refund.
type TopPerson struct {
	PersonID string `json:"person_id"`
	Currency string `json:"currency"`
	Net      int64  `json:"net"`
	Gross    int64  `json:"gross"`
	Orders   uint64 `json:"orders"`
	// Accounts is in how many accounts the person bought.
	Accounts    uint64     `json:"accounts"`
	LastOrderAt *time.Time `json:"last_order_at"`
}

type topPersonRow struct {
	PersonID  string `ch:"person_id"`
	Net       int64  `ch:"net"`
	Orders    uint64 `ch:"orders"`
	Gross     int64  `ch:"gross"`
	Accounts  uint64 `ch:"accounts"`
	LastOrder int64  `ch:"last_order"`
}

// errEnough ends a statement's rows early.
var errEnough = errors.New("enough rows")

// TopPersons answers with a page of persons, currency by currency, greatest net first, then by id, and with the cursor of
// the next page, nil on the last. A person who only got refunds is among them, so that the nets add up to Summary's.
func (r *Reports) TopPersons(ctx context.Context, p Params) ([]TopPerson, *Cursor, error) {
	page := []TopPerson{}
	more := false
	err := r.EachTopPerson(ctx, p, func(t TopPerson) error {
		if p.Limit > 0 && len(page) == p.Limit {
			more = true
			return errEnough
		}
		page = append(page, t)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, nil, err
	}
	if !more {
		return page, nil, nil
	}
	last := page[len(page)-1]
	person, err := schemas.ParsePersonID(last.PersonID)
	return page, &Cursor{Currency: last.Currency, Net: last.Net, Key: person}, err
}

// EachTopPerson hands over the persons of TopPersons one by one, for exports: with a limit no more than one row beyond it of a
// currency. An error of yield ends it and is returned.
func (r *Reports) EachTopPerson(ctx context.Context, p Params, yield func(TopPerson) error) error {
	return r.spenders(ctx, p, func(q question, e extent) error {
		q.name = "top_persons"
		rows, err := r.leaders(ctx, q, p.Limit)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := yield(row.open(&e)); err != nil {
				return err
			}
		}
		if rows != nil {
			return nil
		}
		return each(ctx, r, q, func(row topPersonRow) error { return yield(row.open(&e)) })
	})
}

func (row *topPersonRow) open(e *extent) TopPerson {
	t := TopPerson{PersonID: row.PersonID, Currency: e.Currency, Net: row.Net, Gross: row.Gross, Orders: row.Orders, Accounts: row.Accounts}
	if row.Orders > 0 {
		at := micros(row.LastOrder)
		t.LastOrderAt = &at
	}
	return t
}

// fewLeaders is up to how many persons of a page are looked up by key.
const fewLeaders = 2000

// leaders asks for a short page in two steps: first who is on it, by the net alone, then what they bought, by key. It
// answers nil where the page is not short or what is asked needs more than the net, and where the two steps do
// not agree because orders were counted between them: then the page is to be asked in one step.
func (r *Reports) leaders(ctx context.Context, q question, limit int) ([]topPersonRow, error) {
	if limit == 0 || limit > fewLeaders || q.shape.Exact || q.shape.Segment {
		return nil, nil
	}
	first, err := ask[struct {
		Person uint64 `ch:"person"`
		Net    int64  `ch:"net"`
	}](ctx, r, "leaders", q.shape, q.args)
	if err != nil {
		return nil, err
	}
	persons := make([]uint64, len(first))
	for i := range first {
		persons[i] = first[i].Person
	}
	s, a := q.shape, maps.Clone(q.args)
	s.Leaders, s.After, a["leaders"] = true, false, persons
	rows, err := ask[topPersonRow](ctx, r, q.name, s, a)
	if err != nil || len(rows) != len(first) {
		return nil, err
	}
	for i := range first {
		if rows[i].PersonID != schemas.PersonID(first[i].Person) || rows[i].Net != first[i].Net {
			return nil, nil
		}
	}
	return rows, nil
}

// spenders prepares a question about persons and what they spent, currency by currency, with all that keeps persons.
func (r *Reports) spenders(ctx context.Context, p Params, ask func(question, extent) error) error {
	all, err := r.extent(ctx, &p, p.shape())
	if err != nil {
		return err
	}
	for _, e := range all {
		s, a := e.in(&p, p.shape(), p.args())
		if s.Exact {
			set, ok := e.set(p.ExactAccounts)
			if !ok {
				continue // nobody bought in an account that has no order
			}
			a["exact"] = set
		}
		if s.Segment {
			if err := r.segments(ctx, &p, &e, a); err != nil {
				return err
			}
			a["segment"] = string(p.Segment)
		}
		if err := ask(question{shape: s, args: a}, e); err != nil {
			return err
		}
	}
	return nil
}
