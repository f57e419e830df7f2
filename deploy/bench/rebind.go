package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The two places of a report's statement that bind persons: see rows.sql of package
// api/query. Where they read otherwise one day, no floor or ceiling is found and the test of this package says so.
const (
	boundPerson = "dictGetOrDefault('person_recent', 'person', s.identity, dictGetOrDefault('person_base', 'person', s.identity, s.identity))"
	boundSource = "purchases AS s FINAL"
)

// rebinding is a connection whose reports bind persons otherwise.
type rebinding struct {
	driver.Conn
	bind func(statement string) (string, error)
	// rebound counts the statements that were changed.
	rebound int
}

// Query changes the statement and asks it.
func (r *rebinding) Query(ctx context.Context, statement string, args ...any) (driver.Rows, error) {
	changed, err := r.bind(statement)
	if err != nil {
		return nil, err
	}
	if changed != statement {
		r.rebound++
	}
	return r.Conn.Query(ctx, changed, args...)
}

// alone makes each identity its own person.
func alone(statement string) (string, error) {
	return strings.ReplaceAll(statement, boundPerson, "s.identity"), nil
}

// naive joins strings. Statements that do not read purchases stay as they are.
func naive(statement string) (string, error) {
	if !strings.Contains(statement, boundSource) || !strings.Contains(statement, boundPerson) {
		return statement, nil
	}
	source, err := sql("naive_source")
	if err != nil {
		return "", err
	}
	return strings.NewReplacer(boundPerson, "s.bound", boundSource, source).Replace(statement), nil
}

// fillNaive makes and fills the tables of the naive way.
func (q *querying) fillNaive(ctx context.Context) error {
	conn := q.store.loader
	tables, err := sql("naive_tables")
	if err != nil {
		return err
	}
	for statement := range strings.SplitSeq(tables, ";\n") {
		if err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("make the naive tables: %w", err)
		}
	}
	if err := q.fill(ctx, conn, q.size, "naive_links", q.identities); err != nil {
		return err
	}
	copied, err := sql("naive_purchases")
	if err != nil {
		return err
	}
	m := q.meter("naive purchases", 12)
	defer m.end()
	for month := range 12 { // one at a time, so that the join of each is small
		if err := conn.Exec(ctx, copied, clickhouse.Named("month", uint32(100*epoch.Year()+month+1))); err != nil {
			return fmt.Errorf("fill the naive purchases: %w", err)
		}
		m.add(1)
	}
	naive, err := q.store.count(ctx, "SELECT count() FROM naive_purchases")
	if err == nil && naive != uint64(q.purchases) {
		err = errors.New("the naive purchases are not all")
	}
	return err
}
