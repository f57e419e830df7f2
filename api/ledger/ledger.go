// Package ledger keeps what the api itself writes: who exported or undid what, and
// audiences. An entry that was appended is on disk.
package ledger

import (
	"context"
	"embed"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed sql/*.sql
var files embed.FS

// statement reads the SQL of a method.
func statement(name string) string {
	text, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(text)
}

// Ledger reads with one connection and writes with another.
type Ledger struct {
	// Reader is the read-only user's, Writer one that may insert into audit and audiences.
	Reader, Writer driver.Conn
}

// Entry is one line of the audit. It holds no openid and no key: those must be
// erasable, and an audit is not.
type Entry struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor" doc:"the name of the token"`
	Role   string    `json:"role"`
	Action string    `json:"action" doc:"export, export-done, unlink, unlink-done, erase, erase-done, audience-put, audience-delete"`
	Target string    `json:"target" doc:"what it was done to: a route, a person or an audience"`
	Detail string    `json:"detail" doc:"JSON"`
}

// Append writes an entry.
func (l Ledger) Append(ctx context.Context, e Entry) error {
	err := l.Writer.Exec(ctx, statement("append"), clickhouse.DateNamed("at", e.At.UTC(), clickhouse.MilliSeconds),
		clickhouse.Named("actor", e.Actor), clickhouse.Named("role", e.Role), clickhouse.Named("action", e.Action),
		clickhouse.Named("target", e.Target), clickhouse.Named("detail", e.Detail))
	if err != nil {
		return fmt.Errorf("append %s to the audit: %w", e.Action, err)
	}
	return nil
}

// Position is where a page of the audit ended.
type Position struct {
	At   time.Time `json:"at"`
	Hash uint64    `json:"hash,string"`
}

// Entries reads the audit from the latest entry, or from after a position, and returns
// the position of the last; nil where the page is not full.
func (l Ledger) Entries(ctx context.Context, after *Position, limit int) ([]Entry, *Position, error) {
	from := Position{At: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}
	if after != nil {
		from = *after
	}
	rows, err := l.Reader.Query(ctx, statement("entries"), clickhouse.DateNamed("at", from.At.UTC(), clickhouse.MilliSeconds),
		clickhouse.Named("hash", fmt.Sprint(from.Hash)), clickhouse.Named("limit", fmt.Sprint(limit)))
	if err != nil {
		return nil, nil, fmt.Errorf("read the audit: %w", err)
	}
	defer rows.Close()
	entries, last := []Entry{}, Position{}
	for rows.Next() {
		var e Entry
		if err := rows.Scan(&e.At, &e.Actor, &e.Role, &e.Action, &e.Target, &e.Detail, &last.Hash); err != nil {
			return nil, nil, fmt.Errorf("read the audit: %w", err)
		}
		e.At = e.At.UTC()
		last.At = e.At
		entries = append(entries, e)
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("read the audit: %w", err)
	}
	if len(entries) < limit {
		return entries, nil, nil
	}
	return entries, &last, nil
}
