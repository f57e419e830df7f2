package query

import "context"

// Health is how well identities are linked.
type Health struct {
	Identities       uint64 `json:"identities"`
	LinkedIdentities uint64 `json:"linked_identities"`
	// LinkShare is linked_identities/identities, nil where there are none.
	LinkShare *float64 `json:"link_share"`
	Persons   uint64   `json:"persons"`
	// Conflicts is how many spaces of an identity have more than one value that stands.
	Conflicts  uint64          `json:"conflicts"`
	Overloaded []OverloadedKey `json:"overloaded"`
	Biggest    []BigPerson     `json:"biggest"`
	Revenue    []Unlinked      `json:"revenue"`
	LateLinks  LateLinks       `json:"late_links"`
}

// OverloadedKey is a key that links nobody, since more identities hold it than a key may join.
type OverloadedKey struct {
	Space      string `json:"space" ch:"space"`
	Value      string `json:"value" ch:"value"`
	Identities uint64 `json:"identities" ch:"identities"`
}

// BigPerson is a person of many identities.
type BigPerson struct {
	PersonID   string `json:"person_id" ch:"person_id"`
	Identities uint64 `json:"identities" ch:"identities"`
}

// Unlinked is the net of the period and what of it came from identities that nothing links. Share is nil where the net is 0.
type Unlinked struct {
	Currency string   `json:"currency"`
	Net      int64    `json:"net"`
	Unlinked int64    `json:"unlinked_net"`
	Share    *float64 `json:"unlinked_share"`
}

// LateLinks are the identities that were first linked in the period and had been seen before. The lags are from their
// first event to the link, in seconds of stream time, 0 where there are none.
type LateLinks struct {
	Count         uint64  `json:"count"`
	MedianSeconds float64 `json:"median_seconds"`
	P95Seconds    float64 `json:"p95_seconds"`
}

// biggest is how many persons Health names.
const biggest = 10

// IdentityHealth answers for the accounts asked for. The period narrows Revenue, by when orders occurred, and LateLinks, by when links were
// learnt; everything else is of now, or of AsOf. maxIdentities is how many identities a key may join.
func (r *Reports) IdentityHealth(ctx context.Context, p Params, maxIdentities int) (Health, error) {
	p.Cursor = nil
	if err := p.Validate(); err != nil {
		return Health{}, err
	}
	h := Health{Revenue: []Unlinked{}}
	for _, part := range []func(context.Context, Params, int, *Health) error{r.linked, r.disputed, r.revenue, r.late} {
		if err := part(ctx, p, maxIdentities, &h); err != nil {
			return Health{}, err
		}
	}
	return h, nil
}

func (r *Reports) linked(ctx context.Context, p Params, _ int, h *Health) error {
	counts, err := ask[struct {
		Identities uint64 `ch:"identities"`
		Linked     uint64 `ch:"linked"`
		Persons    uint64 `ch:"persons"`
	}](ctx, r, "health_identities", p.shape(), p.args())
	if err != nil {
		return err
	}
	h.Identities, h.LinkedIdentities, h.Persons = counts[0].Identities, counts[0].Linked, counts[0].Persons
	h.LinkShare = share(h.LinkedIdentities, h.Identities)
	a := p.args()
	a["top"] = uint64(biggest)
	h.Biggest, err = ask[BigPerson](ctx, r, "health_biggest", p.shape(), a)
	return err
}

func (r *Reports) disputed(ctx context.Context, p Params, maxIdentities int, h *Health) error {
	conflicts, err := ask[struct {
		Conflicts uint64 `ch:"conflicts"`
	}](ctx, r, "health_conflicts", p.shape(), p.args())
	if err != nil {
		return err
	}
	h.Conflicts = conflicts[0].Conflicts
	a := p.args()
	a["max_identities"] = uint64(maxIdentities)
	h.Overloaded, err = ask[OverloadedKey](ctx, r, "health_overloaded", p.shape(), a)
	return err
}

func (r *Reports) revenue(ctx context.Context, p Params, _ int, h *Health) error {
	return r.byCurrency(ctx, &p, p.shape(), func(e extent, s shape, a args) error {
		return each(ctx, r, question{"health_revenue", s, a}, func(row struct {
			Net      int64  `ch:"net"`
			Unlinked int64  `ch:"unlinked"`
			Rows     uint64 `ch:"rows"`
		}) error {
			if row.Rows > 0 {
				h.Revenue = append(h.Revenue, Unlinked{Currency: e.Currency, Net: row.Net, Unlinked: row.Unlinked, Share: share(row.Unlinked, row.Net)})
			}
			return nil
		})
	})
}

func (r *Reports) late(ctx context.Context, p Params, _ int, h *Health) error {
	rows, err := ask[struct {
		Links uint64  `ch:"links"`
		Lags  []int64 `ch:"lags"`
	}](ctx, r, "health_late", p.shape(), p.args())
	if err == nil && rows[0].Links > 0 {
		h.LateLinks = LateLinks{Count: rows[0].Links, MedianSeconds: float64(rows[0].Lags[0]) / 1000, P95Seconds: float64(rows[0].Lags[1]) / 1000}
	}
	return err
}
