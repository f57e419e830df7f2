package embedded_test

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
)

func TestRights_of_the_limited_analyst(t *testing.T) {
	server := embeddedtest.StartClickHouse(t)
	outset := open(t, server.DSNFor(embedded.UserLoader, "default"))
	run(t, outset, "CREATE DATABASE unionlink")
	loader, limited := open(t, server.DSN(embedded.UserLoader)), open(t, server.DSN(embedded.UserLimited))
	for _, query := range []string{
		"CREATE TABLE purchases (identity UInt64, appid LowCardinality(String), version UInt64) ENGINE = ReplacingMergeTree(version) ORDER BY identity",
		"CREATE TABLE identities (identity UInt64, appid LowCardinality(String)) ENGINE = ReplacingMergeTree ORDER BY identity",
		"CREATE TABLE persons (identity UInt64, person UInt64) ENGINE = ReplacingMergeTree ORDER BY identity",
		"CREATE TABLE purchases_log AS purchases",
		"CREATE VIEW v_purchases AS SELECT * FROM purchases FINAL",
		"CREATE MATERIALIZED VIEW to_log TO purchases_log AS SELECT * FROM purchases",
		"INSERT INTO purchases VALUES (1, 'wx1', 1), (1, 'wx1', 2), (2, 'wx2', 1), (3, 'wx3', 1)",
		"INSERT INTO purchases VALUES (1, 'wx1', 3)",
		"INSERT INTO identities VALUES (1, 'wx1'), (2, 'wx2'), (3, 'wx3')",
		"INSERT INTO persons VALUES (1, 7), (2, 7), (3, 7)",
	} {
		run(t, loader, query)
	}
	rows := func(query, accounts string) (n uint64) {
		t.Helper()
		ctx := t.Context()
		if accounts != "" {
			ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"log_comment": accounts}))
		}
		if err := limited.QueryRow(ctx, query).Scan(&n); err != nil {
			t.Errorf("%s: %v", query, err)
		}
		return n
	}
	for query, each := range map[string]uint64{
		"SELECT count() FROM purchases FINAL":           1,
		"SELECT uniqExact(identity) FROM purchases":     1,
		"SELECT count() FROM v_purchases":               1,
		"SELECT uniqExact(identity) FROM purchases_log": 1,
		"SELECT count() FROM identities AS t WHERE t.identity IN (SELECT identity FROM persons WHERE person = 7)": 1,
		"SELECT count() FROM persons AS p INNER JOIN identities AS i ON i.identity = p.identity":                  1,
		"WITH s AS (SELECT * FROM purchases AS x FINAL) SELECT count() FROM s":                                    1,
		"SELECT count() FROM (SELECT * FROM purchases_log ORDER BY identity DESC LIMIT 1 BY identity)":            1,
		"SELECT count() FROM purchases AS s FINAL SETTINGS do_not_merge_across_partitions_select_final = 1":       1,
		"SELECT count() FROM unionlink.purchases FINAL PREWHERE identity > 0":                                     1,
		"SELECT count() FROM merge('unionlink', '^identities$')":                                                  1,
	} {
		for accounts, want := range map[string]uint64{"": 0, "wx1": each, "wx1\nwx3": 2 * each, "wx9": 0, "wx1\nwx2\nwx3": 3 * each, "wx1,wx2": 0} {
			if got := rows(query, accounts); got != want {
				t.Errorf("%s for %q: %d, want %d", query, accounts, got, want)
			}
		}
	}
	refused(t, limited, "INSERT INTO purchases VALUES (4, 'wx1', 1)", accessDenied, readOnly)
}
