package linker

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/schemas"
)

// sweep carries out the erasures of those of the identities that are in the ledger:
// their facts up to the erasure leave the open, purchases stay under a pseudonym, and
// their messages are noted to be overwritten in the stream. It may be done again at
// any time, and does nothing where nothing is in the open.
func (l *Linker) sweep(ctx context.Context, who []uint64) error {
	known, err := l.ledger(ctx, who)
	if err != nil || len(known) == 0 {
		return err
	}
	e := erasing{linker: l, ledger: known}
	for id, until := range known {
		e.ids = append(e.ids, id)
		e.voids = append(e.voids, fmt.Sprintf("(identity = %d AND occurred_at <= fromUnixTimestamp64Micro(%d))", id, until.UnixMicro()))
	}
	if err := e.noteMessages(ctx); err != nil {
		return err
	}
	gone, err := e.remove(ctx, e.facts(), e.pseudonymise)
	if err != nil {
		return err
	}
	if gone {
		// With its facts gone the identity is its own person, at every moment.
		if err := l.settle(ctx, e.ids); err != nil {
			return err
		}
		l.metrics.erased.Add(float64(len(e.ids)))
	}
	_, err = e.remove(ctx, e.moves(), func(context.Context, uint64) error { return nil })
	return err
}

// erasing is one sweep. Its conditions are made of numbers only: mutations take no
// bound parameters.
type erasing struct {
	linker *Linker
	ledger ledger
	ids    []uint64
	voids  []string
}

func (e *erasing) in() string {
	return "identity IN (" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(e.ids)), ","), "[]") + ")"
}

func (e *erasing) void() string { return "(" + strings.Join(e.voids, " OR ") + ")" }

func (e *erasing) exec(ctx context.Context, query string, args ...any) error {
	if err := e.linker.deps.Warehouse.Exec(ctx, query, args...); err != nil {
		return fmt.Errorf("erase %d identities (done again until it succeeds): %w", len(e.ids), err)
	}
	return nil
}

// noteMessages lists the identities' messages up to their erasure for overwriting.
func (e *erasing) noteMessages(ctx context.Context) error {
	return e.exec(ctx, `INSERT INTO overwrites (epoch, seq, identity, done)
		SELECT epoch, seq, identity, 0 FROM messages AS m
		INNER JOIN (SELECT identity, epoch, max(seq) AS last FROM messages WHERE `+e.in()+` AND outcome = 'erased' GROUP BY identity, epoch) AS x
			ON m.identity = x.identity AND m.epoch = x.epoch
		WHERE m.`+e.in()+` AND m.seq <= x.last AND (m.epoch, m.seq) NOT IN (SELECT epoch, seq FROM overwrites)`)
}

// leavings are the rows of one table that an erasure removes.
type leavings struct{ table, where string }

// facts are what an erasure makes void, the ways to it included.
func (e *erasing) facts() []leavings {
	var out []leavings
	for _, table := range []string{"purchases", "purchases_log", "statements", "profiles", "identities"} {
		out = append(out, leavings{table, e.void()})
	}
	return append(out, leavings{"key_identities", e.in() + " AND (key, identity) NOT IN (SELECT key, identity FROM statements WHERE " +
		e.in() + " AND NOT " + e.void() + ")"})
}

// moves are what the map said of the identities before it was settled anew.
func (e *erasing) moves() []leavings {
	rows := func(which string) string { return "(SELECT " + which + " FROM persons WHERE " + e.in() }
	last := e.in() + " AND (identity, learnt, written) NOT IN " + rows("identity, learnt, max(written)") + " GROUP BY identity, learnt)"
	return []leavings{
		{"person_identities", e.in() + " AND (person, identity) NOT IN " + rows("argMax(person, written), identity") + " GROUP BY identity, learnt)"},
		{"persons_recent", last}, {"persons", last},
	}
}

// remove rewrites the parts that hold leavings, without them, tables side by side, after
// calling first for each identity that has some. It tells whether there were any; where
// there are none it costs one question.
func (e *erasing) remove(ctx context.Context, all []leavings, first func(context.Context, uint64) error) (bool, error) {
	var questions []string
	for i, l := range all {
		questions = append(questions, fmt.Sprintf("SELECT DISTINCT toUInt8(%d) AS n, identity FROM %s WHERE %s", i, l.table, l.where))
	}
	rows, err := e.linker.deps.Warehouse.Query(ctx, strings.Join(questions, " UNION ALL "))
	if err != nil {
		return false, fmt.Errorf("look for leavings of erased identities: %w", err)
	}
	defer rows.Close()
	tables, ids := map[uint8]bool{}, map[uint64]bool{}
	for rows.Next() {
		var table uint8
		var id uint64
		if err := rows.Scan(&table, &id); err != nil {
			return false, fmt.Errorf("look for leavings of erased identities: %w", err)
		}
		tables[table], ids[id] = true, true
	}
	if err := rows.Err(); err != nil {
		return false, fmt.Errorf("look for leavings of erased identities: %w", err)
	}
	for id := range ids {
		if err := first(ctx, id); err != nil {
			return false, err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for i := range tables {
		g.Go(func() error { return e.exec(ctx, "ALTER TABLE "+all[i].table+" DELETE WHERE "+all[i].where) })
	}
	return len(tables) > 0, g.Wait()
}

const purchaseColumns = `order_key, appid, order_id, refund_id, kind, amount, currency, occurred_at, revision, digest, event_id,
	sku, name, category, quantity, item_amount, stream_time`

// pseudonymise copies an identity's purchases, with all their versions, to its pseudonym.
func (e *erasing) pseudonymise(ctx context.Context, id uint64) error {
	alias := schemas.Pseudonym(id)
	micros := e.ledger[id].UnixMicro()
	const where = "WHERE identity = $2 AND occurred_at <= fromUnixTimestamp64Micro($3)"
	err := e.exec(ctx, "INSERT INTO identities (identity, appid, openid, first_seen, occurred_at) SELECT $1, appid, $4, min(stream_time), min(occurred_at) FROM purchases "+
		where+" GROUP BY appid", alias, id, micros, schemas.PseudonymOpenID(alias))
	if err != nil {
		return err
	}
	err = e.exec(ctx, "INSERT INTO purchases_log (identity, version, "+purchaseColumns+") SELECT $1, version, "+purchaseColumns+" FROM purchases_log "+where, alias, id, micros)
	if err != nil {
		return err
	}
	return e.exec(ctx, "INSERT INTO purchases (identity, "+purchaseColumns+") SELECT $1, "+purchaseColumns+" FROM purchases "+where, alias, id, micros)
}
