// Package warehouse is the contract on ClickHouse: tables, their migrations, the
// rows that go into them, and the reading of what the linking rule needs.
//
// Migrations are append-only and checksummed; views and dictionaries, which hold
// no state of their own, are made anew whenever their text or the dictionaries'
// credentials change. Everything may run twice, and from several processes at once.
package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// DefaultDatabase is where unionlink's tables are unless the DSN names another.
const DefaultDatabase = "unionlink"

// Open prepares a connection pool for a DSN such as
// "clickhouse://user:password@127.0.0.1:9000/unionlink". It dials nothing.
func Open(dsn string) (driver.Conn, error) {
	opt, err := Options(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(opt)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	return conn, nil
}

// Options reads a DSN and adds what all of unionlink's connections want: block
// compression, bounded waiting, any number of partitions in one insert (a purchase
// history of years is loaded at once), and FINAL within partitions only, which is
// exact since an order never changes its month.
func Options(dsn string) (*clickhouse.Options, error) {
	opt, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the clickhouse dsn: %w", err)
	}
	if opt.Auth.Database == "" {
		opt.Auth.Database = DefaultDatabase
	}
	opt.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	opt.DialTimeout = 5 * time.Second
	opt.MaxOpenConns, opt.MaxIdleConns = 16, 4
	if opt.Settings == nil {
		opt.Settings = clickhouse.Settings{}
	}
	return opt, nil
}

// LoaderSettings are for connections that insert.
var LoaderSettings = clickhouse.Settings{
	"max_partitions_per_insert_block":             0,
	"do_not_merge_across_partitions_select_final": 1,
	"mutations_sync":                              1,
}

// OpenLoader is Open with LoaderSettings.
func OpenLoader(dsn string) (driver.Conn, error) {
	opt, err := Options(dsn)
	if err != nil {
		return nil, err
	}
	for k, v := range LoaderSettings {
		opt.Settings[k] = v
	}
	conn, err := clickhouse.Open(opt)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	return conn, nil
}

// Clock reads the server's clock in nanoseconds since 1970. A linker takes it after
// its facts are stored and before it reads its neighbourhood; see the persons table.
func Clock(ctx context.Context, conn driver.Conn) (uint64, error) {
	var now uint64
	if err := conn.QueryRow(ctx, "SELECT toUInt64(toUnixTimestamp64Nano(now64(9)))").Scan(&now); err != nil {
		return 0, fmt.Errorf("read the clickhouse clock: %w", err)
	}
	return now, nil
}

// PersonBaseLimit is how many recent rows person_recent may hold before the large
// dictionary is loaded again: at 200,000 it reloads in some tens of milliseconds.
const PersonBaseLimit = 200_000

// ReloadRecent makes the newest links visible, by loading the small dictionary anew.
func ReloadRecent(ctx context.Context, conn driver.Conn) error {
	if err := conn.Exec(ctx, "SYSTEM RELOAD DICTIONARY person_recent"); err != nil {
		return fmt.Errorf("reload dictionary person_recent: %w", err)
	}
	return nil
}

// BaseIsOld tells whether person_recent has grown past PersonBaseLimit.
func BaseIsOld(ctx context.Context, conn driver.Conn) (bool, error) {
	var recent uint64
	const count = "SELECT count() FROM persons_recent WHERE written >= (SELECT max(through) FROM person_base_loads)"
	if err := conn.QueryRow(ctx, count).Scan(&recent); err != nil {
		return false, fmt.Errorf("count recent links: %w", err)
	}
	return recent > PersonBaseLimit, nil
}

// baseMargin covers inserts that were under way when the clock was read: their
// written is older than the load by no more than an insert takes.
const baseMargin = uint64(5 * time.Minute)

// ReloadBase loads the large dictionary, notes how far it reaches, and loads the small one.
func ReloadBase(ctx context.Context, conn driver.Conn) error {
	now, err := Clock(ctx, conn)
	if err != nil {
		return err
	}
	if err := conn.Exec(ctx, "SYSTEM RELOAD DICTIONARY person_base"); err != nil {
		return fmt.Errorf("reload dictionary person_base: %w", err)
	}
	if err := conn.Exec(ctx, "INSERT INTO person_base_loads (through) VALUES ($1)", now-baseMargin); err != nil {
		return fmt.Errorf("note the load of person_base: %w", err)
	}
	return ReloadRecent(ctx, conn)
}
