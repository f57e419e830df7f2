package linker

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// RefusedByStore is the reason of a dead letter whose row ClickHouse does not take.
const RefusedByStore = "refused-by-store"

// store brings a batch to where its messages may be acknowledged. Every step may be
// done twice. A batch with a row that ClickHouse refuses is cut in halves until the
// row is alone and becomes a dead letter; the other rows are stored.
func (l *Linker) store(ctx context.Context, b *batch) error {
	err := l.storeWhole(ctx, b)
	if err == nil || classify(err) != classData {
		return err
	}
	if len(b.deliveries) == 1 {
		if b.deliveries[0].refusal != nil {
			return err // a dead letter has no rows of its own: something else is wrong
		}
		b.deliveries[0].refusal = &schemas.Refusal{Type: RefusedByStore, Detail: err.Error()}
		return l.storeWhole(ctx, b)
	}
	half := len(b.deliveries) / 2
	for _, part := range [][]delivery{b.deliveries[:half], b.deliveries[half:]} {
		if err := l.store(ctx, &batch{epoch: b.epoch, deliveries: part}); err != nil {
			return err
		}
	}
	return nil
}

// storeWhole is the way of facts from messages to answers: ledger, dead letters,
// facts, map, the ledger of messages, erasures.
func (l *Linker) storeWhole(ctx context.Context, b *batch) error {
	who := b.identities()
	known, err := l.ledger(ctx, who)
	if err != nil {
		return err
	}
	r := l.rows(b, known)
	if err := l.bury(ctx, b); err != nil {
		return err
	}
	if err := insert(ctx, l, "erasures", warehouse.Erasures, r.erasures); err != nil {
		return err
	}
	if err := l.insertFacts(ctx, r); err != nil {
		return err
	}
	touched := r.touched()
	if err := traced(ctx, "settle map", len(touched), func(ctx context.Context) error { return l.settle(ctx, touched) }); err != nil {
		return err
	}
	if err := insert(ctx, l, "messages", warehouse.Messages, r.messages); err != nil {
		return err
	}
	// Another linker may have written the ledger since it was read, or one that died may
	// have stored facts before it did: what stands in the open now is swept away.
	return l.sweep(ctx, who)
}

// insertFacts stores the facts side by side: they do not need one another.
func (l *Linker) insertFacts(ctx context.Context, r *rows) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return insert(ctx, l, "identities", warehouse.Identities, r.identities) })
	g.Go(func() error { return insert(ctx, l, "statements", warehouse.Statements, r.statements) })
	g.Go(func() error { return insert(ctx, l, "profiles", warehouse.Profiles, r.profiles) })
	g.Go(func() error { return insert(ctx, l, "purchases", warehouse.Purchases, r.purchases) })
	return g.Wait()
}

// identities are those that the batch's events are about, each once.
func (b *batch) identities() []uint64 {
	seen := map[uint64]bool{}
	var out []uint64
	add := func(who uint64) {
		if !seen[who] {
			seen[who] = true
			out = append(out, who)
		}
	}
	for i := range b.deliveries {
		if e := b.deliveries[i].event; e != nil {
			add(e.Head().Identity())
			if m, ok := e.(*schemas.Identity); ok && m.Action == schemas.ActionMigrate {
				add(m.From())
			}
		}
	}
	return out
}

// touched are the identities whose person may have changed.
func (r *rows) touched() []uint64 {
	seen := map[uint64]bool{}
	var out []uint64
	add := func(who uint64) {
		if !seen[who] {
			seen[who] = true
			out = append(out, who)
		}
	}
	for _, s := range r.statements {
		add(s.Identity)
	}
	for _, e := range r.erasures {
		add(e.Identity)
	}
	return out
}

// ledger has, for identities that were erased, the moment up to which their facts are void.
type ledger map[uint64]time.Time

func (l ledger) covers(who uint64, occurred time.Time) bool {
	until, ok := l[who]
	return ok && !occurred.After(until)
}

func (l *Linker) ledger(ctx context.Context, who []uint64) (ledger, error) {
	out := ledger{}
	const query = "SELECT identity, max(occurred_at) FROM erasures WHERE identity IN (SELECT id FROM ids) GROUP BY identity"
	err := warehouse.ReadByIDs(ctx, l.deps.Warehouse, query, who, func(rows driver.Rows) error {
		var identity uint64
		var until time.Time
		if err := rows.Scan(&identity, &until); err != nil {
			return err
		}
		out[identity] = until
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask the ledger of erasures: %w", err)
	}
	return out, nil
}
