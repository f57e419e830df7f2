package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// rows are what a batch of events puts into each table, as the linker writes them.
type rows struct {
	identities []warehouse.IdentityRow
	statements []warehouse.StatementRow
	purchases  []warehouse.PurchaseRow
	persons    []warehouse.PersonRow
	messages   []warehouse.MessageRow
}

// rowsOf translates events. at is their stream time, first the sequence of the first one.
func rowsOf(events []schemas.Event, at time.Time, first int) rows {
	var r rows
	seen := map[uint64]bool{}
	for i, e := range events {
		h := e.Head()
		who := h.Identity()
		if !seen[who] {
			seen[who] = true
			r.identities = append(r.identities, warehouse.IdentityRow{Identity: who, AppID: h.AppID, OpenID: h.OpenID, FirstSeen: at})
		}
		r.messages = append(r.messages, warehouse.MessageRow{Epoch: 1, Seq: uint64(first + i), Identity: who, Outcome: "counted", StreamTime: at})
		switch e := e.(type) {
		case *schemas.Purchase:
			r.purchases = append(r.purchases, purchaseRow(e, who, at))
		case *schemas.Login:
			if e.UnionID != "" {
				r.link(e, who, at)
			}
		}
	}
	return r
}

func (r *rows) link(e *schemas.Login, who uint64, at time.Time) {
	key := schemas.KeyHash(platform, e.UnionID)
	r.statements = append(r.statements, warehouse.StatementRow{
		Identity: who, Space: platform, OccurredAt: e.OccurredAt, Digest: e.Digest(), Action: "hold", Key: key,
		Value: e.UnionID, EventID: e.EventID, Source: string(e.Kind()), StreamTime: at,
	})
	r.persons = append(r.persons, warehouse.PersonRow{Identity: who, Learnt: at, Person: key, Cause: e.EventID, Written: uint64(at.UnixNano())})
}

func purchaseRow(e *schemas.Purchase, who uint64, at time.Time) warehouse.PurchaseRow {
	p := warehouse.PurchaseRow{
		Identity: who, OrderKey: e.OrderKey(), AppID: e.AppID, OrderID: e.OrderID, Kind: string(e.PurchaseKind), Amount: e.Amount,
		Currency: e.Currency, OccurredAt: e.OccurredAt, Digest: e.Digest(), EventID: e.EventID, StreamTime: at,
	}
	for _, it := range e.Items {
		p.SKU, p.Name, p.Category = append(p.SKU, it.SKU), append(p.Name, it.Name), append(p.Category, it.Category)
		p.Quantity, p.ItemAmount = append(p.Quantity, it.Quantity), append(p.ItemAmount, it.Amount)
	}
	return p
}

// tableTime is what inserting into one table took.
type tableTime struct {
	name string
	rows int
	took time.Duration
}

// insertInto times the insertion of rows into one table.
func insertInto[R any](ctx context.Context, conn driver.Conn, t *tableTime, insert func(context.Context, driver.Conn, []R) error, rows []R) error {
	began := time.Now()
	err := insert(ctx, conn, rows)
	t.took += time.Since(began)
	t.rows += len(rows)
	return err
}

// rawBatchEvents is how many events' rows are inserted together: the linker's default.
const rawBatchEvents = 10_000

// rawInsert inserts the rows of so many events into tables of their own, one table
// after the other. The rows are made while the clock stands.
func (s *session) rawInsert(ctx context.Context, st *store, next func(n int) []schemas.Event, events int) (perSecond float64, tables []tableTime, err error) {
	const database = warehouse.DefaultDatabase + "_bench_raw"
	conn, err := st.database(ctx, database)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	tables = []tableTime{{name: "identities"}, {name: "statements"}, {name: "purchases"}, {name: "persons"}, {name: "messages"}}
	m := s.meter("insert the same rows", events)
	defer m.end()
	for done := 0; done < events; {
		n := min(rawBatchEvents, events-done)
		r := rowsOf(next(n), time.Now().UTC().Truncate(time.Millisecond), done+1)
		if err := r.insert(ctx, conn, tables); err != nil {
			return 0, nil, err
		}
		done += n
		m.to(done)
	}
	if err := conn.Exec(ctx, "DROP DATABASE "+database+" SYNC"); err != nil {
		return 0, nil, fmt.Errorf("drop the tables of the comparison: %w", err)
	}
	var took time.Duration
	for _, t := range tables {
		took += t.took
	}
	return rate(events, took), tables, nil
}

func (r *rows) insert(ctx context.Context, conn driver.Conn, tables []tableTime) error {
	return errors.Join(
		insertInto(ctx, conn, &tables[0], warehouse.Identities.Insert, r.identities),
		insertInto(ctx, conn, &tables[1], warehouse.Statements.Insert, r.statements),
		insertInto(ctx, conn, &tables[2], warehouse.Purchases.Insert, r.purchases),
		insertInto(ctx, conn, &tables[3], warehouse.InsertPersons, r.persons),
		insertInto(ctx, conn, &tables[4], warehouse.Messages.Insert, r.messages),
	)
}
