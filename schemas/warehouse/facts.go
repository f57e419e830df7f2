package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unionlink/unionlink/schemas/identity"
)

// Crowd is from how many identities on, stated ever, a key's identities are no longer
// read one by one: such a key is overloaded whatever they hold now.
const Crowd = 10_000

// WithIDs gives a query the external table ids (id UInt64), for lists of any length.
func WithIDs(ctx context.Context, ids []uint64) (context.Context, error) {
	table, err := ext.NewTable("ids", ext.Column("id", "UInt64"))
	if err != nil {
		return nil, fmt.Errorf("make the table of ids: %w", err)
	}
	for _, id := range ids {
		if err := table.Append(id); err != nil {
			return nil, fmt.Errorf("make the table of ids: %w", err)
		}
	}
	return clickhouse.Context(ctx, clickhouse.WithExternalTable(table)), nil
}

// Neighbourhood reads the facts of identities and of everyone who is reachable from
// them over keys that were ever stated. It is what the rule needs to say who these
// identities are, before and after any of their facts. Reads go by primary key only:
// a few granules for each identity and key.
func Neighbourhood(ctx context.Context, conn driver.Conn, identities []uint64) (identity.Facts, error) {
	n := neighbourhood{conn: conn, seen: map[uint64]bool{}, keys: map[uint64]bool{}}
	n.facts.Crowded = map[uint64]bool{}
	for frontier := n.fresh(identities); len(frontier) > 0; {
		keys, err := n.statements(ctx, frontier)
		if err != nil {
			return n.facts, err
		}
		if err := n.erasures(ctx, frontier); err != nil {
			return n.facts, err
		}
		next, err := n.holders(ctx, keys)
		if err != nil {
			return n.facts, err
		}
		frontier = n.fresh(next)
	}
	return n.facts, nil
}

type neighbourhood struct {
	conn  driver.Conn
	seen  map[uint64]bool
	keys  map[uint64]bool
	facts identity.Facts
}

// fresh returns what of ids was not seen, and marks it seen.
func (n *neighbourhood) fresh(ids []uint64) []uint64 {
	var out []uint64
	for _, id := range ids {
		if !n.seen[id] {
			n.seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

var actions = map[string]identity.Action{"hold": identity.ActionHold, "unlink": identity.ActionUnlink, "edge": identity.ActionEdge}

// statements reads the frontier's statements and returns keys that were not met before.
func (n *neighbourhood) statements(ctx context.Context, frontier []uint64) ([]uint64, error) {
	const query = `SELECT identity, toString(space), occurred_at, digest, toString(action), key, value, event_id, toString(source), stream_time
		FROM statements WHERE identity IN (SELECT id FROM ids)`
	var keys []uint64
	err := n.read(ctx, query, frontier, func(rows driver.Rows) error {
		var s identity.Statement
		var occurred, learnt time.Time
		var action string
		if err := rows.Scan(&s.Identity, &s.Space, &occurred, &s.Digest, &action, &s.Key, &s.Value, &s.EventID, &s.Source, &learnt); err != nil {
			return err
		}
		s.Occurred, s.Learnt, s.Action = occurred.UnixMicro(), learnt.UnixMilli(), actions[action]
		n.facts.Statements = append(n.facts.Statements, s)
		if s.Action != identity.ActionUnlink && !n.keys[s.Key] {
			n.keys[s.Key] = true
			keys = append(keys, s.Key)
		}
		return nil
	})
	return keys, err
}

func (n *neighbourhood) erasures(ctx context.Context, frontier []uint64) error {
	const query = "SELECT identity, occurred_at, event_id, stream_time FROM erasures WHERE identity IN (SELECT id FROM ids)"
	return n.read(ctx, query, frontier, func(rows driver.Rows) error {
		var e identity.Erasure
		var occurred, learnt time.Time
		if err := rows.Scan(&e.Identity, &occurred, &e.EventID, &learnt); err != nil {
			return err
		}
		e.Occurred, e.Learnt = occurred.UnixMicro(), learnt.UnixMilli()
		n.facts.Erasures = append(n.facts.Erasures, e)
		return nil
	})
}

func (n *neighbourhood) holders(ctx context.Context, keys []uint64) ([]uint64, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	query := fmt.Sprintf("SELECT key, groupUniqArray(%d)(identity) FROM key_identities WHERE key IN (SELECT id FROM ids) GROUP BY key", Crowd)
	var out []uint64
	err := n.read(ctx, query, keys, func(rows driver.Rows) error {
		var key uint64
		var identities []uint64
		if err := rows.Scan(&key, &identities); err != nil {
			return err
		}
		if len(identities) >= Crowd {
			n.facts.Crowded[key] = true
			return nil
		}
		out = append(out, identities...)
		return nil
	})
	return out, err
}

func (n *neighbourhood) read(ctx context.Context, query string, ids []uint64, row func(driver.Rows) error) error {
	return ReadByIDs(ctx, n.conn, query, ids, row)
}

// ReadByIDs runs a query over the external table ids and calls row for each row.
func ReadByIDs(ctx context.Context, conn driver.Conn, query string, ids []uint64, row func(driver.Rows) error) error {
	if len(ids) == 0 {
		return nil
	}
	with, err := WithIDs(ctx, ids)
	if err != nil {
		return err
	}
	rows, err := conn.Query(with, query)
	if err != nil {
		return fmt.Errorf("read facts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return fmt.Errorf("read facts: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read facts: %w", err)
	}
	return nil
}
