package api

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

//go:embed sql/members.sql
var membersSQL string

// member is an identity of an audience's person.
type member struct {
	AppID    string `json:"appid"`
	OpenID   string `json:"openid"`
	PersonID string `json:"person_id"`
}

// members answers with the identities in one account of a page of the audience's persons.
// A person who spent in several currencies may come again on a later page.
func members(ctx context.Context, c *call, p query.Params) (page[member], error) {
	if len(p.AppIDs) != 1 {
		return page[member]{}, badParameter("appid", "name the one account in which the members are wanted")
	}
	audience, err := c.named(ctx)
	if err != nil {
		return page[member]{}, err
	}
	asked, err := c.defined(audience.Definition)
	if err != nil {
		return page[member]{}, err
	}
	asked.AsOf, asked.Limit, asked.Cursor, asked.Asked = p.AsOf, p.Limit, p.Cursor, p.Asked
	top, next, err := c.reports.TopPersons(ctx, asked)
	if err != nil {
		return page[member]{}, err
	}
	rows, err := c.membersOf(ctx, top, p)
	return page[member]{rows, next}, err
}

// membersOf finds persons' identities in the account of p.
func (c *call) membersOf(ctx context.Context, top []query.TopPerson, p query.Params) ([]member, error) {
	var ids []uint64
	for _, t := range top {
		id, err := schemas.ParsePersonID(t.PersonID)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return []member{}, nil
	}
	at := latest
	if p.AsOf != nil {
		at = *p.AsOf
	}
	with, err := warehouse.WithIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	rows, err := c.reader(c.user).Query(with, membersSQL, clickhouse.DateNamed("as_of", at, clickhouse.MilliSeconds), clickhouse.Named("appid", p.AppIDs[0]))
	if err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	defer rows.Close()
	out := []member{}
	for rows.Next() {
		m := member{AppID: p.AppIDs[0]}
		var person uint64
		if err := rows.Scan(&m.OpenID, &person); err != nil {
			return nil, fmt.Errorf("read the members: %w", err)
		}
		m.PersonID = schemas.PersonID(person)
		out = append(out, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	return out, nil
}
