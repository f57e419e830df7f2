package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Audience is a saved question whose answer is a list of persons.
type Audience struct {
	Name string `json:"name"`
	// Definition is the query string of /v1/reports/top-persons.
	Definition string    `json:"definition" doc:"the query string of /v1/reports/top-persons"`
	Owner      string    `json:"owner" doc:"the name of the token that saved it last"`
	At         time.Time `json:"at" doc:"when it was saved last"`
}

// Audiences lists all, by name.
func (l Ledger) Audiences(ctx context.Context) ([]Audience, error) {
	rows, err := l.Reader.Query(ctx, statement("audiences"))
	if err != nil {
		return nil, fmt.Errorf("read audiences: %w", err)
	}
	defer rows.Close()
	out := []Audience{}
	for rows.Next() {
		var a Audience
		if err := rows.Scan(&a.Name, &a.Definition, &a.Owner, &a.At); err != nil {
			return nil, fmt.Errorf("read audiences: %w", err)
		}
		a.At = a.At.UTC()
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read audiences: %w", err)
	}
	return out, nil
}

// Keep saves an audience in place of one of its name.
func (l Ledger) Keep(ctx context.Context, a Audience) error { return l.put(ctx, a, 0) }

// Drop deletes an audience; it is no error if there is none.
func (l Ledger) Drop(ctx context.Context, a Audience) error { return l.put(ctx, a, 1) }

func (l Ledger) put(ctx context.Context, a Audience, deleted int) error {
	err := l.Writer.Exec(ctx, statement("put"), clickhouse.Named("name", a.Name), clickhouse.Named("definition", a.Definition),
		clickhouse.Named("owner", a.Owner), clickhouse.DateNamed("at", a.At.UTC(), clickhouse.MilliSeconds), clickhouse.Named("deleted", fmt.Sprint(deleted)))
	if err != nil {
		return fmt.Errorf("save the audience: %w", err)
	}
	return nil
}
