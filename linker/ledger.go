package linker

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Missing counts the messages after sequence from, up to sequence to, that have no
// row in the ledger of messages.
func Missing(ctx context.Context, conn driver.Conn, epoch, from, to uint64) (uint64, error) {
	var rows uint64
	const query = "SELECT uniqExact(seq) FROM messages WHERE epoch = $1 AND seq > $2 AND seq <= $3"
	if err := conn.QueryRow(ctx, query, epoch, from, to).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count the messages %d to %d: %w", from+1, to, err)
	}
	return to - from - rows, nil
}

// overwriting is a message that an erasure wants out of the stream.
type overwriting struct{ seq, identity uint64 }

func dueOverwrites(ctx context.Context, conn driver.Conn, epoch, floor uint64) ([]overwriting, error) {
	const query = `SELECT seq, any(identity) FROM overwrites WHERE epoch = $1 AND seq <= $2
		GROUP BY seq HAVING max(done) = 0 ORDER BY seq LIMIT 5000`
	rows, err := conn.Query(ctx, query, epoch, floor)
	if err != nil {
		return nil, fmt.Errorf("list erased messages: %w", err)
	}
	defer rows.Close()
	var out []overwriting
	for rows.Next() {
		var o overwriting
		if err := rows.Scan(&o.seq, &o.identity); err != nil {
			return nil, fmt.Errorf("list erased messages: %w", err)
		}
		out = append(out, o)
	}
	return out, rows.Err()
}
