package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Params narrow a question. The zero value asks for everything that ever happened, as it is known now.
type Params struct {
	// From and To bound occurred_at, half-open: To is not included. Zero: unbounded.
	From, To time.Time
	// TZ is the IANA name of the zone whose midnights begin the days; empty: UTC.
	TZ string
	// AppIDs are the accounts asked for; nil: all.
	AppIDs []string
	// Allowed are the accounts that the asker may see; nil: all, empty: none. No answer holds anything of another account.
	Allowed []string
	// Currency is an ISO 4217 code; empty: every currency, each by itself.
	Currency string
	// AsOf asks for the answer as it was at that stream time; nil: as it is known now.
	AsOf *time.Time
	// Asked is the moment of the question, from which the recency of buyers counts where neither To nor AsOf is earlier.
	// Zero: the clock.
	Asked time.Time
	// Category and SKU keep the orders and refunds that have such an item; where both are given, in one item.
	Category, SKU string
	// Buyers keeps new or returning buyers; empty: both.
	Buyers Buyers
	// Linked keeps identities that are linked to a person, or those that nothing links; empty: both.
	Linked Linked
	// MinAmount and MaxAmount bound the amount of one order or refund, both included, in minor units; nil: unbounded.
	MinAmount, MaxAmount *int64
	// FirstAccount keeps persons whose very first purchase, of all that the asker may see, was in this account.
	FirstAccount string
	// ExactAccounts keeps persons who bought in exactly these of the accounts asked for; TopPersons and Members alone.
	ExactAccounts []string
	// Segment keeps persons of an RFM segment; TopPersons and Members alone.
	Segment Segment
	// Limit is the most rows of a page; 0: all there are.
	Limit int
	// Cursor is where the page before ended; nil: the first page.
	Cursor *Cursor
}

// Buyers says which buyers are kept.
type Buyers string

// New buyers made their very first purchase, of all that the asker may see, in the period; returning ones made it before.
const (
	BuyersAll       Buyers = ""
	BuyersNew       Buyers = "new"
	BuyersReturning Buyers = "returning"
)

// Linked says which identities are kept.
type Linked string

// A linked identity's person rests on a key or on another identity; an unlinked identity is its own person.
const (
	LinkedAll Linked = ""
	LinkedYes Linked = "linked"
	LinkedNo  Linked = "unlinked"
)

// Cursor is the last row of a page, in the order of its report. It holds no secret, but is not meant to be read.
type Cursor struct {
	Currency string `json:"c,omitempty"`
	Net      int64  `json:"n,omitempty"`
	// At is in microseconds since 1970.
	At int64 `json:"t,omitempty"`
	// Key is a person or an order.
	Key uint64 `json:"k,omitempty,string"`
	// Identity is the one of an order or a change.
	Identity uint64 `json:"i,omitempty,string"`
}

// ParamError says which parameter is at fault, by its name in the API.
type ParamError struct{ Parameter, Detail string }

// Error names the parameter and the fault.
func (e *ParamError) Error() string { return e.Parameter + ": " + e.Detail }

// Validate returns every fault at once, each a *ParamError.
func (p *Params) Validate() error {
	var faults []error
	refuse := func(parameter, format string, args ...any) {
		faults = append(faults, &ParamError{Parameter: parameter, Detail: fmt.Sprintf(format, args...)})
	}
	if _, err := p.zone(); err != nil {
		refuse("tz", "%q is not an IANA time zone", p.TZ)
	}
	if !p.From.IsZero() && !p.To.IsZero() && !p.From.Before(p.To) {
		refuse("to", "the period ends before it begins")
	}
	for _, t := range []struct {
		name string
		at   time.Time
	}{{"from", p.From}, {"to", p.To}, {"as_of", p.moment()}} {
		if !t.at.IsZero() && (t.at.Before(earliest) || !t.at.Before(latest)) {
			refuse(t.name, "only the years %d to %d can be asked for", earliest.Year(), latest.Year()-1)
		}
	}
	if p.Buyers != BuyersAll && p.Buyers != BuyersNew && p.Buyers != BuyersReturning {
		refuse("buyers", "%q is neither new nor returning", p.Buyers)
	}
	if p.Linked != LinkedAll && p.Linked != LinkedYes && p.Linked != LinkedNo {
		refuse("linked", "%q is neither linked nor unlinked", p.Linked)
	}
	if p.Segment != "" && !slices.Contains(Segments, p.Segment) {
		refuse("segment", "%q is not a segment", p.Segment)
	}
	if p.Limit < 0 {
		refuse("limit", "%d is negative", p.Limit)
	}
	if p.MinAmount != nil && p.MaxAmount != nil && *p.MinAmount > *p.MaxAmount {
		refuse("max_amount", "is less than min_amount")
	}
	return errors.Join(faults...)
}

// What occurred_at can hold and a year's arithmetic cannot leave.
var (
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (p *Params) zone() (*time.Location, error) {
	if p.TZ == "Local" { // Go's name for the machine's zone, which is nobody's business
		return nil, errors.New("unknown time zone Local")
	}
	return time.LoadLocation(p.TZ)
}

// moment is AsOf, or zero.
func (p *Params) moment() time.Time {
	if p.AsOf == nil {
		return time.Time{}
	}
	return *p.AsOf
}

// reference is the moment from which recency counts: the earliest of the end of the period, as_of and the question.
func (p *Params) reference() time.Time {
	ref := p.Asked
	if ref.IsZero() {
		ref = time.Now()
	}
	for _, t := range []time.Time{p.To, p.moment()} {
		if !t.IsZero() && t.Before(ref) {
			ref = t
		}
	}
	return ref
}

// selected are the accounts asked for that may be seen; all is true where nothing narrows them.
func (p *Params) selected() (accounts []string, all bool) {
	switch {
	case p.AppIDs == nil && p.Allowed == nil:
		return nil, true
	case p.AppIDs == nil:
		return p.Allowed, false
	case p.Allowed == nil:
		return p.AppIDs, false
	}
	accounts = []string{}
	for _, a := range p.AppIDs {
		if slices.Contains(p.Allowed, a) {
			accounts = append(accounts, a)
		}
	}
	return accounts, false
}

// args are the query parameters of every statement; those that a statement does not name are not read.
func (p *Params) args() args {
	selected, _ := p.selected()
	a := args{
		"selected": list(selected), "allowed": list(p.Allowed), "currency": p.Currency, "category": p.Category, "sku": p.SKU,
		"first_account": p.FirstAccount, "limit": uint64(p.Limit) + 1,
	}
	for name, t := range map[string]time.Time{"from": p.From, "to": p.To, "as_of": p.moment()} {
		a[name] = t.UnixMicro()
	}
	for name, v := range map[string]*int64{"min_amount": p.MinAmount, "max_amount": p.MaxAmount} {
		if v != nil {
			a[name] = *v
		}
	}
	if c := p.Cursor; c != nil {
		a["after_net"], a["after_at"], a["after_key"], a["after_identity"] = c.Net, c.At, c.Key, c.Identity
	}
	return a
}

// args are query parameters by name. They travel beside the statement, never in it.
type args map[string]any

func (a args) named() []any {
	out := make([]any, 0, len(a))
	for name, value := range a {
		out = append(out, clickhouse.Named(name, value))
	}
	return out
}

// list is never nil, since a nil slice would travel as NULL, and holds no NUL and no control character that an array
// parameter cannot carry: an account with one does not exist.
func list(values []string) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		if !strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			out = append(out, v)
		}
	}
	return out
}
