// Package query answers the analysts' questions from ClickHouse: one method a report or look-up, each with its SQL in a
// file of sql named for it. It only reads, as a user that may only read.
//
// # What is counted
//
// A row is an order or a refund in its last revision, with a signed amount in minor units: a refund is negative. It
// carries the identity that bought, never the person; the person is bound when the question is asked, so a late link or
// an unlink changes all answers at once and rewrites nothing. Currencies are never added together: every number stands
// beside its currency, and every report answers currency by currency, in their alphabetical order.
//
// An answer as of a past stream time takes of each order the last revision, and of each identity the last link, that the
// stream had brought by then. As of now it is the same as without as_of, number by number.
//
// # What the numbers mean
//
//   - orders: purchases that occurred in the period; gross: the sum of their amounts.
//   - refunds: the sum of the refunds that occurred in the period, positive; net: gross less refunds. A refund counts where
//     and when it occurred, whenever its order was.
//   - account_buyers: distinct identities with a purchase; buyers: distinct persons with a purchase. Who only got a
//     refund is no buyer.
//   - cross_account_buyers: persons with a purchase in two or more of the accounts asked for, within the period and the
//     currency; shared_buyers of an account: those of them who bought in it.
//   - linked_share: of the account_buyers, the part whose person rests on a key (or on another identity), 0 to 1; null
//     where there are no buyers.
//
// Meanings has these sentences for every field that is answered.
//
// # Days
//
// A day begins at the first moment of its date in the asker's time zone, a week on Monday. The zone's rules are Go's: the
// beginnings of all intervals are made here and sent along, so that the day of a purchase never depends on which version
// of the zone's rules ClickHouse was built with. A day without midnight, as some zones have in spring, begins later.
//
// # Limits to accounts
//
// Params.Allowed is ANDed to every question. The person of an identity is derived from all links, also those of accounts that
// the asker may not see; nothing else of these accounts is in any answer.
package query

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ErrNotFound says that there is no such person, identity or key, or none that the asker may see.
var ErrNotFound = errors.New("not found")

// Reports answers questions over one connection pool.
type Reports struct{ conn driver.Conn }

// New makes Reports of a connection, that of the read-only analyst. It asks nothing.
func New(conn driver.Conn) *Reports { return &Reports{conn: conn} }

// FreshThrough is the stream time up to which all events are counted; zero where nothing was counted yet.
func (r *Reports) FreshThrough(ctx context.Context) (time.Time, error) {
	p, err := r.Progress(ctx)
	return p.Through, err
}

// Progress is how far the stream is counted.
type Progress struct {
	At      time.Time `ch:"at"`
	Through time.Time `ch:"through"`
	// Pending messages are not counted yet; Dead letters wait for somebody.
	Pending uint64 `ch:"pending"`
	Dead    uint64 `ch:"dead"`
}

// Progress returns the last word of the linkers, the zero value where there is none.
func (r *Reports) Progress(ctx context.Context) (Progress, error) {
	rows, err := ask[Progress](ctx, r, "progress", shape{}, nil)
	if err != nil || len(rows) == 0 {
		return Progress{}, err
	}
	return rows[0], nil
}

// ask runs a statement and returns its rows.
func ask[R any](ctx context.Context, r *Reports, name string, s shape, a args) ([]R, error) {
	rows := []R{}
	err := each(ctx, r, question{name, s, a}, func(row R) error {
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// question is a statement with its parameters.
type question struct {
	name  string
	shape shape
	args  args
}

// each runs a statement and hands its rows over as they come. An error of yield ends it and is returned as it is.
func each[R any](ctx context.Context, r *Reports, q question, yield func(R) error) error {
	text, err := statement(q.name, q.shape)
	if err != nil {
		return err
	}
	rows, err := r.conn.Query(ctx, text, q.args.named()...)
	if err != nil {
		return fmt.Errorf("ask %s: %w", q.name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row R
		if err := rows.ScanStruct(&row); err != nil {
			return fmt.Errorf("read %s: %w", q.name, err)
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", q.name, err)
	}
	return nil
}

// extent is what a report asks about, currency by currency. Rows of accounts and currencies that first appear after it was
// read are left for the next question.
type extent struct {
	Currency string   `ch:"currency"`
	AppIDs   []string `ch:"appids"`
}

// extent reads it and checks the parameters before.
func (r *Reports) extent(ctx context.Context, p *Params, s shape) ([]extent, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	a := p.args()
	if s.After {
		a["after_currency"] = p.Cursor.Currency
	}
	all, err := ask[extent](ctx, r, "extent", s, a)
	for i := range all {
		slices.Sort(all[i].AppIDs)
	}
	return all, err
}

// wordBits is how many accounts one word of a set holds.
const wordBits = 64

// in adds the currency and its accounts to a question: {accounts} numbered from 1 by {numbers}, with {bits_w} the bit of
// each in word w of a set.
func (e *extent) in(p *Params, s shape, a args) (shape, args) {
	a = maps.Clone(a)
	s.Words = nil
	numbers := make([]uint16, len(e.AppIDs))
	for i := range e.AppIDs {
		numbers[i] = uint16(i + 1)
	}
	for w := range (len(e.AppIDs) + wordBits - 1) / wordBits {
		bits := make([]uint64, len(e.AppIDs))
		for i := range e.AppIDs {
			if i/wordBits == w {
				bits[i] = 1 << (i % wordBits)
			}
		}
		a[fmt.Sprintf("bits_%d", w)] = bits
		s.Words = append(s.Words, w)
	}
	a["currency"], a["accounts"], a["numbers"] = e.Currency, e.AppIDs, numbers
	if p.Cursor != nil && p.Cursor.Currency != e.Currency {
		s.After = false // the cursor lies in a currency before this one
	}
	return s, a
}

// account is the name of an account's number; empty for 0.
func (e *extent) account(number uint16) string {
	if number == 0 {
		return ""
	}
	return e.AppIDs[number-1]
}

// accounts are the names of a set's members, sorted.
func (e *extent) accounts(set []uint64) []string {
	names := []string{}
	for i, name := range e.AppIDs {
		if set[i/wordBits]>>(i%wordBits)&1 == 1 {
			names = append(names, name)
		}
	}
	return names
}

// set is the inverse of accounts; ok is false where one of the names is not of the extent.
func (e *extent) set(names []string) (set []uint64, ok bool) {
	set = make([]uint64, (len(e.AppIDs)+wordBits-1)/wordBits)
	for _, name := range names {
		i, found := slices.BinarySearch(e.AppIDs, name)
		if !found {
			return nil, false
		}
		set[i/wordBits] |= 1 << (i % wordBits)
	}
	return set, true
}

// byCurrency prepares a question of each currency that there is.
func (r *Reports) byCurrency(ctx context.Context, p *Params, s shape, ask func(extent, shape, args) error) error {
	all, err := r.extent(ctx, p, s)
	if err != nil {
		return err
	}
	for _, e := range all {
		s, a := e.in(p, s, p.args())
		if err := ask(e, s, a); err != nil {
			return err
		}
	}
	return nil
}

// share is part/whole, nil where there is no whole.
func share[N int64 | uint64](part, whole N) *float64 {
	if whole == 0 {
		return nil
	}
	f := float64(part) / float64(whole)
	return &f
}

func micros(t int64) time.Time { return time.UnixMicro(t).UTC() }
