package api

import (
	"context"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unionlink/unionlink/api/access"
)

// limitSetting is the setting from which the row filters of the limited ClickHouse user
// take the accounts to show, one a line: no appid has a line break.
const limitSetting = "log_comment"

// limited is a connection of that user on behalf of somebody who may see some accounts
// only. ClickHouse itself leaves out the rows of the others, whatever a query asks for;
// what goes past these methods has no accounts and sees no rows.
type limited struct {
	driver.Conn
	accounts string
}

func (l limited) within(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{limitSetting: l.accounts}))
}

// Query asks within the accounts.
func (l limited) Query(ctx context.Context, query string, args ...any) (driver.Rows, error) {
	return l.Conn.Query(l.within(ctx), query, args...)
}

// QueryRow asks within the accounts.
func (l limited) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	return l.Conn.QueryRow(l.within(ctx), query, args...)
}

// reader is the connection to answer a user from: with a lock of its own for who may not
// see everything, where the installation has one.
func (a *API) reader(u access.User) driver.Conn {
	if u.Accounts == nil || a.deps.Limited == nil {
		return a.deps.Reader
	}
	return limited{a.deps.Limited, strings.Join(u.Accounts, "\n")}
}
