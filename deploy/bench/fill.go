package bench

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed sql/*.sql
var files embed.FS

// statements are the files of sql, by their names.
var statements = template.Must(template.ParseFS(files, "sql/*.sql"))

// sql renders a file of sql.
func sql(name string) (string, error) {
	var text strings.Builder
	if err := statements.ExecuteTemplate(&text, name+".sql", nil); err != nil {
		return "", fmt.Errorf("render %s.sql: %w", name, err)
	}
	return text.String(), nil
}

// filling is a population that is put into tables directly, as if the linker had
// written it long ago.
type filling struct {
	seed                  uint64
	identities, purchases int
}

// persons is how many there are: one of two and a half identities.
func (f filling) persons() int { return max(f.identities*2/5, 1) }

// linked is how many identities a key links: the first nine tenths.
func (f filling) linked() int { return f.identities - f.identities/10 }

// fillChunk is how many rows one statement makes.
const fillChunk = 1_000_000

func (f filling) args(from, count int) []any {
	named := map[string]any{
		"from": uint64(from), "count": uint64(count), "persons": uint64(f.persons()), "linked": uint64(f.linked()),
		"identities": uint64(f.identities), "seed": f.seed, "millis": epoch.UnixMilli(),
		// Long enough ago to be of the large dictionary alone: see warehouse.ReloadBase.
		"written": uint64(time.Now().Add(-time.Hour).UnixNano()),
	}
	args := make([]any, 0, len(named))
	for name, value := range named {
		args = append(args, clickhouse.Named(name, value))
	}
	return args
}

// fill runs a file of sql for rows 0 to n, some at a time.
func (s *session) fill(ctx context.Context, conn driver.Conn, f filling, name string, n int) error {
	text, err := sql(name)
	if err != nil {
		return err
	}
	m := s.meter(strings.ReplaceAll(name, "_", " "), n)
	defer m.end()
	for from := 0; from < n; from += fillChunk {
		if err := conn.Exec(ctx, text, f.args(from, min(fillChunk, n-from))...); err != nil {
			return fmt.Errorf("%s from row %d: %w", name, from, err)
		}
		m.to(from + fillChunk)
	}
	return nil
}

// populate fills identities, statements and the map of persons.
func (s *session) populate(ctx context.Context, conn driver.Conn, f filling) error {
	for _, name := range []string{"fill_identities", "fill_statements", "fill_person_identities", "fill_persons"} {
		if err := s.fill(ctx, conn, f, name, f.identities); err != nil {
			return err
		}
	}
	return nil
}
