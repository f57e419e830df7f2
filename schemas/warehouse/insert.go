package warehouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// col gathers one column of rows and appends it whole.
func col[R, T any](name string, value func(*R) T) columnOf[R] {
	return columnOf[R]{name: name, add: func(c driver.BatchColumn, rows []R) error {
		values := make([]T, len(rows))
		for i := range rows {
			values[i] = value(&rows[i])
		}
		return c.Append(values)
	}}
}

type columnOf[R any] struct {
	name string
	add  func(driver.BatchColumn, []R) error
}

// Table is where rows of type R go; Insert writes them by columns.
type Table[R any] struct {
	name    string
	columns []columnOf[R]
}

// Insert stores rows as one block, none if there are none. On an error none, some
// or all of them may be stored; inserting them again changes nothing.
func (t Table[R]) Insert(ctx context.Context, conn driver.Conn, rows []R) error {
	if len(rows) == 0 {
		return nil
	}
	batch, err := conn.PrepareBatch(ctx, t.statement())
	if err != nil {
		return fmt.Errorf("insert %d rows into %s: %w", len(rows), t.name, err)
	}
	defer batch.Close()
	for i, c := range t.columns {
		if err := c.add(batch.Column(i), rows); err != nil {
			return fmt.Errorf("insert %d rows into %s: column %s: %w", len(rows), t.name, c.name, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert %d rows into %s: %w", len(rows), t.name, err)
	}
	return nil
}

func (t Table[R]) statement() string {
	s := "INSERT INTO " + t.name + " ("
	for i, c := range t.columns {
		if i > 0 {
			s += ", "
		}
		s += c.name
	}
	return s + ")"
}
