package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// How a report's statement binds persons: see rows.sql of package api/query. Should it
// bind them otherwise one day, floor or ceiling are missing, and this package's test says so.
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

// naive reads purchases joined with strings. A person that is bound where s is something else than purchases,
// once for an identity, say, stays bound as it was, which is to the naive way's advantage.
// Statements that do not read purchases stay as they are.
func naive(statement string) (string, error) {
	if !strings.Contains(statement, boundSource) || !strings.Contains(statement, boundPerson) {
		return statement, nil
	}
	source, err := sql("naive_source")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	rest := statement
	for {
		before, after, found := strings.Cut(rest, boundPerson)
		out.WriteString(before)
		if !found {
			return strings.ReplaceAll(out.String(), boundSource, source), nil
		}
		if fromPurchases(after) {
			out.WriteString("s.bound")
		} else {
			out.WriteString(boundPerson)
		}
		rest = after
	}
}

// fromPurchases tells whether what a SELECT lists is read from purchases itself: the next FROM names it.
func fromPurchases(listed string) bool {
	_, source, _ := strings.Cut(listed, "FROM")
	return strings.HasPrefix(strings.TrimLeft(source, " \n"), boundSource)
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
