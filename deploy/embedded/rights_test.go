package embedded_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
)

// ClickHouse's codes of the refusals that the users' rights rest on.
const (
	accessDenied      = 497
	readOnly          = 164
	settingConstraint = 452
	quotaExceeded     = 201
)

func TestRights_of_the_loader(t *testing.T) {
	dsn := embeddedtest.Database(t)
	loader := open(t, dsn)
	server := embeddedtest.Shared(t)
	name := dsn[strings.LastIndex(dsn, "/")+1:]
	for _, query := range []string{
		"CREATE DATABASE " + name + "_more",
		"DROP DATABASE " + name + "_more",
		"CREATE TABLE rows (k UInt64, v UInt64) ENGINE = ReplacingMergeTree ORDER BY k",
		"INSERT INTO rows SELECT number, number FROM numbers(10)",
		"CREATE VIEW seen AS SELECT * FROM rows FINAL",
		"CREATE TEMPORARY TABLE passing (k UInt64)",
		"CREATE DICTIONARY lookup (k UInt64, v UInt64) PRIMARY KEY k SOURCE(CLICKHOUSE(DB '" + name + "' TABLE 'rows' USER 'loader' PASSWORD '" +
			server.Password(embedded.UserLoader) + "')) LAYOUT(HASHED_ARRAY()) LIFETIME(0)",
		"SYSTEM RELOAD DICTIONARY lookup",
		"SELECT throwIf(dictGet('" + name + ".lookup', 'v', toUInt64(3)) != 3)",
		"ALTER TABLE rows DELETE WHERE k = 3 SETTINGS mutations_sync = 1",
		"OPTIMIZE TABLE rows FINAL",
		"SELECT count() FROM system.parts",
		"EXCHANGE TABLES rows AND rows_new",
		"TRUNCATE TABLE rows",
	} {
		if strings.HasPrefix(query, "EXCHANGE") {
			run(t, loader, "CREATE TABLE rows_new AS rows")
		}
		run(t, loader, query)
	}
	refused(t, loader, "CREATE DATABASE elsewhere", accessDenied)
	refused(t, loader, "SELECT * FROM file('/etc/hostname', 'LineAsString', 'l String')", accessDenied)
}

func TestRights_of_the_analyst(t *testing.T) {
	dsn := embeddedtest.Database(t)
	loader, analyst := open(t, dsn), open(t, embeddedtest.AnalystDSN(t, dsn))
	run(t, loader, "CREATE TABLE rows (k UInt64) ENGINE = MergeTree ORDER BY k")

	t.Run("reads", func(t *testing.T) {
		run(t, analyst, "SELECT * FROM rows")
		run(t, analyst, "SELECT * FROM system.one")
		run(t, analyst, "SELECT sum(number) FROM numbers(10)")
	})
	t.Run("writes nothing", func(t *testing.T) {
		refused(t, analyst, "INSERT INTO rows VALUES (1)", accessDenied, readOnly)
		refused(t, analyst, "CREATE TABLE more (k UInt64) ENGINE = Memory", accessDenied, readOnly)
		refused(t, analyst, "ALTER TABLE rows DELETE WHERE 1", accessDenied, readOnly)
		refused(t, analyst, "DROP TABLE rows", accessDenied, readOnly)
		refused(t, analyst, "TRUNCATE TABLE rows", accessDenied, readOnly)
		refused(t, analyst, "SYSTEM RELOAD DICTIONARIES", accessDenied, readOnly)
		refused(t, analyst, "SET readonly = 0", readOnly)
	})
	t.Run("reads nothing of others", func(t *testing.T) {
		refused(t, analyst, "SELECT * FROM system.users", accessDenied)
		refused(t, analyst, "SELECT * FROM file('/etc/hostname', 'LineAsString', 'l String')", accessDenied, readOnly)
		refused(t, analyst, "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'l String')", accessDenied, readOnly)
		refused(t, analyst, "SELECT * FROM remote('127.0.0.1', 'system', 'one')", accessDenied, readOnly)
	})
	t.Run("lowers limits but does not raise them", func(t *testing.T) {
		run(t, analyst, "SELECT 1 SETTINGS max_execution_time = 5, max_memory_usage = 1000000000, max_result_rows = 10")
		for _, setting := range []string{
			"max_execution_time = 31", "max_execution_time = 0",
			"max_memory_usage = 2000000001", "max_memory_usage = 0",
			"max_result_rows = 10000001", "max_result_rows = 0",
			"timeout_overflow_mode = 'break'",
		} {
			refused(t, analyst, "SELECT 1 SETTINGS "+setting, settingConstraint)
		}
	})
}

func TestRights_of_the_passwordless_default_user(t *testing.T) {
	dsn := embeddedtest.Database(t)
	run(t, open(t, dsn), "CREATE TABLE rows (k UInt64) ENGINE = MergeTree ORDER BY k")
	name := dsn[strings.LastIndex(dsn, "/")+1:]
	anybody := open(t, "clickhouse://"+embeddedtest.Shared(t).NativeAddr()+"/default")
	for _, query := range []string{
		"SELECT * FROM file('/etc/hostname', 'LineAsString', 'l String')",
		"SELECT * FROM " + name + ".rows",
		"CREATE TEMPORARY TABLE mine (k UInt64) ENGINE = File(CSV)",
		"SYSTEM STOP LISTEN HTTP",
	} {
		refused(t, anybody, query, accessDenied, quotaExceeded)
	}
	refused(t, anybody, "SELECT 1 SETTINGS max_execution_time = 0", settingConstraint)
}

// refused runs a query that must fail with one of the codes.
func refused(t *testing.T, conn clickhouse.Conn, query string, codes ...int32) {
	t.Helper()
	err := conn.Exec(t.Context(), query)
	var exception *clickhouse.Exception
	if !errors.As(err, &exception) {
		t.Errorf("%s: %v; want a refusal", query, err)
		return
	}
	for _, code := range codes {
		if exception.Code == code {
			return
		}
	}
	t.Errorf("%s: code %d, %s; want a code of %v", query, exception.Code, exception.Message, codes)
}
