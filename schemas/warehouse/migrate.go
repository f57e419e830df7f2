package warehouse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"text/template"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed migrations/*.sql objects/*.sql
var files embed.FS

// MigrateOptions tell where the tables go and as whom dictionaries read them.
type MigrateOptions struct {
	// DSN is of a user that may create the database and everything in it.
	DSN string
	// DictionaryUser and DictionaryPassword may read the tables; empty: the DSN's.
	DictionaryUser, DictionaryPassword string
}

// ErrChanged says that a migration that was applied is not the one in this program.
type ErrChanged struct{ Name, Applied, Here string }

// Error tells the way out.
func (e *ErrChanged) Error() string {
	return fmt.Sprintf("migration %s was applied with checksum %s, this program has %s: run the program that applied it, or one newer than it", e.Name, e.Applied, e.Here)
}

// Migrate brings the database to the present schema and returns the names of what
// it applied, none if it was there already. It is safe to run twice and from
// several processes at once: every statement is idempotent, and is recorded after it ran.
func Migrate(ctx context.Context, o MigrateOptions) ([]string, error) {
	return migrate(ctx, o, files)
}

func migrate(ctx context.Context, o MigrateOptions, from fs.FS) ([]string, error) {
	opt, err := Options(o.DSN)
	if err != nil {
		return nil, err
	}
	if o.DictionaryUser == "" {
		o.DictionaryUser, o.DictionaryPassword = opt.Auth.Username, opt.Auth.Password
	}
	database := opt.Auth.Database
	if err := createDatabase(ctx, *opt, database); err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(opt)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	defer conn.Close()
	const ledger = `CREATE TABLE IF NOT EXISTS schema_changes (name String, checksum String, at DateTime64(3, 'UTC') DEFAULT now64(3))
		ENGINE = ReplacingMergeTree(at) ORDER BY (name, checksum) COMMENT 'which migrations and objects were applied'`
	if err := conn.Exec(ctx, ledger); err != nil {
		return nil, fmt.Errorf("create table schema_changes: %w", err)
	}
	m := migration{conn: conn, data: map[string]string{"Database": database, "User": quote(o.DictionaryUser), "Password": quote(o.DictionaryPassword)}}
	if m.applied, err = appliedChanges(ctx, conn); err != nil {
		return nil, err
	}
	if err := m.tables(ctx, from); err != nil {
		return m.done, err
	}
	return m.done, m.objects(ctx, from)
}

func createDatabase(ctx context.Context, opt clickhouse.Options, database string) error {
	if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(database) {
		return fmt.Errorf("create database %q: the name may hold letters, digits and _ only", database)
	}
	opt.Auth.Database = "default"
	conn, err := clickhouse.Open(&opt)
	if err != nil {
		return fmt.Errorf("open clickhouse: %w", err)
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+database); err != nil {
		return fmt.Errorf("create database %s: %w", database, err)
	}
	return nil
}

// quote makes s safe within a single-quoted SQL literal.
func quote(s string) string {
	return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s)
}

func appliedChanges(ctx context.Context, conn driver.Conn) (map[string]string, error) {
	rows, err := conn.Query(ctx, "SELECT name, argMax(checksum, at) FROM schema_changes GROUP BY name")
	if err != nil {
		return nil, fmt.Errorf("read schema_changes: %w", err)
	}
	defer rows.Close()
	applied := map[string]string{}
	for rows.Next() {
		var name, sum string
		if err := rows.Scan(&name, &sum); err != nil {
			return nil, fmt.Errorf("read schema_changes: %w", err)
		}
		applied[name] = sum
	}
	return applied, rows.Err()
}

type migration struct {
	conn    driver.Conn
	applied map[string]string
	data    map[string]string
	done    []string
}

// tables applies what was not applied yet, in the order of names.
func (m *migration) tables(ctx context.Context, from fs.FS) error {
	return each(from, "migrations", func(name, text string) error {
		sum := checksum(text)
		if was, ok := m.applied[name]; ok {
			if was != sum {
				return &ErrChanged{Name: name, Applied: was, Here: sum}
			}
			return nil
		}
		return m.apply(ctx, name, text, sum)
	})
}

// objects makes views and dictionaries whose text or credentials changed.
func (m *migration) objects(ctx context.Context, from fs.FS) error {
	return each(from, "objects", func(name, text string) error {
		t, err := template.New(name).Parse(text)
		if err != nil {
			return fmt.Errorf("parse %s: %w", name, err)
		}
		var out bytes.Buffer
		if err := t.Execute(&out, m.data); err != nil {
			return fmt.Errorf("fill in %s: %w", name, err)
		}
		sum := checksum(out.String())
		if m.applied[name] == sum {
			return nil
		}
		return m.apply(ctx, name, out.String(), sum)
	})
}

func (m *migration) apply(ctx context.Context, name, text, sum string) error {
	for _, statement := range split(text) {
		if err := m.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("apply %s (what ran of it stays, and running it again is safe): %w", name, err)
		}
	}
	if err := m.conn.Exec(ctx, "INSERT INTO schema_changes (name, checksum) VALUES ($1, $2)", name, sum); err != nil {
		return fmt.Errorf("record %s: %w", name, err)
	}
	m.done = append(m.done, name)
	return nil
}

func each(from fs.FS, dir string, do func(name, text string) error) error {
	entries, err := fs.ReadDir(from, dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		text, err := fs.ReadFile(from, dir+"/"+e.Name())
		if err != nil {
			return fmt.Errorf("read %s: %w", e.Name(), err)
		}
		if err := do(strings.TrimSuffix(e.Name(), ".sql"), string(text)); err != nil {
			return err
		}
	}
	return nil
}

func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

var comment = regexp.MustCompile(`(?m)^--.*\n`)

// split cuts a file into its statements, which end with a semicolon at the end of a
// line, and leaves out lines that are comments.
func split(text string) []string {
	var out []string
	for s := range strings.SplitSeq(comment.ReplaceAllString(text+"\n", ""), ";\n") {
		if strings.TrimSpace(s) != "" {
			out = append(out, s)
		}
	}
	return out
}
