package linker

import (
	"context"
	"fmt"
	"strings"
	"time"

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
	open, err := e.open(ctx)
	if err != nil || !open {
		return err
	}
	for id, until := range known {
		if err := e.pseudonymise(ctx, id, until); err != nil {
			return err
		}
	}
	if err := e.deleteFacts(ctx); err != nil {
		return err
	}
	// With its facts gone the identity is its own person, at every moment.
	if err := l.settle(ctx, e.ids); err != nil {
		return err
	}
	if err := e.deleteMap(ctx); err != nil {
		return err
	}
	l.metrics.erased.Add(float64(len(e.ids)))
	return nil
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

// facts are the tables whose rows are void up to an erasure.
var facts = []string{"purchases", "purchases_log", "statements", "profiles", "identities"}

// open tells whether anything of the identities is in the open.
func (e *erasing) open(ctx context.Context) (bool, error) {
	var parts []string
	for _, table := range facts {
		parts = append(parts, "(SELECT count() FROM "+table+" WHERE "+e.void()+")")
	}
	parts = append(parts, "(SELECT count() FROM key_identities WHERE "+e.in()+" AND (key, identity) NOT IN (SELECT key, identity FROM statements WHERE "+e.in()+"))")
	var n uint64
	if err := e.linker.deps.Warehouse.QueryRow(ctx, "SELECT toUInt64("+strings.Join(parts, " + ")+")").Scan(&n); err != nil {
		return false, fmt.Errorf("look for facts of erased identities: %w", err)
	}
	return n > 0, nil
}

const purchaseColumns = `order_key, appid, order_id, refund_id, kind, amount, currency, occurred_at, revision, digest, event_id,
	sku, name, category, quantity, item_amount, stream_time`

// pseudonymise copies an identity's purchases, with all their versions, to its pseudonym.
func (e *erasing) pseudonymise(ctx context.Context, id uint64, until time.Time) error {
	alias := schemas.Pseudonym(id)
	micros := until.UnixMicro()
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

// deleteFacts rewrites the parts that hold the identities' facts, without them.
func (e *erasing) deleteFacts(ctx context.Context) error {
	for _, table := range facts {
		if err := e.exec(ctx, "ALTER TABLE "+table+" DELETE WHERE "+e.void()); err != nil {
			return err
		}
	}
	return e.exec(ctx, "ALTER TABLE key_identities DELETE WHERE "+e.in()+" AND (key, identity) NOT IN (SELECT key, identity FROM statements WHERE "+e.in()+")")
}

// deleteMap removes what the map said of the identities before.
func (e *erasing) deleteMap(ctx context.Context) error {
	last := "(identity, learnt, written) NOT IN (SELECT identity, learnt, max(written) FROM persons WHERE " + e.in() + " GROUP BY identity, learnt)"
	for _, table := range []string{"persons", "persons_recent"} {
		if err := e.exec(ctx, "ALTER TABLE "+table+" DELETE WHERE "+e.in()+" AND "+last); err != nil {
			return err
		}
	}
	return e.exec(ctx, "ALTER TABLE person_identities DELETE WHERE "+e.in()+" AND (person, identity) NOT IN (SELECT person, identity FROM persons WHERE "+e.in()+")")
}
