package query

import (
	"context"
	"errors"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// Change is an identity that went from one person to another. Learnt is the stream time of the event that moved it, Cause
// the event's id.
type Change struct {
	AppID  string    `json:"appid"`
	OpenID string    `json:"openid"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Learnt time.Time `json:"learnt"`
	Cause  string    `json:"cause"`
}

type changeRow struct {
	AppID    string    `ch:"appid"`
	OpenID   string    `ch:"openid"`
	Identity uint64    `ch:"identity"`
	Was      uint64    `ch:"was"`
	Person   uint64    `ch:"person"`
	Learnt   time.Time `ch:"learnt"`
	Cause    string    `ch:"cause"`
}

func (row *changeRow) open() Change {
	return Change{AppID: row.AppID, OpenID: row.OpenID, From: schemas.PersonID(row.Was), To: schemas.PersonID(row.Person), Learnt: row.Learnt.UTC(), Cause: row.Cause}
}

// History is every change of the identities that ever were a person's, oldest first.
func (r *Reports) History(ctx context.Context, person uint64, p Params) ([]Change, error) {
	s := p.shape()
	s.Member, s.After, s.Limit = true, false, false
	out := []Change{}
	err := each(ctx, r, question{"changes", s, p.of(person)}, func(row changeRow) error {
		out = append(out, row.open())
		return nil
	})
	return out, err
}

// Changes answers with a page of the changes of all identities learnt since a stream time, oldest first, and with the cursor
// of the next page, nil on the last.
func (r *Reports) Changes(ctx context.Context, since time.Time, p Params) ([]Change, *Cursor, error) {
	a := p.args()
	a["since"] = since.UnixMicro()
	out := []Change{}
	var next, last *Cursor
	err := each(ctx, r, question{"changes", p.shape(), a}, func(row changeRow) error {
		if p.Limit > 0 && len(out) == p.Limit {
			next = last
			return errEnough
		}
		out, last = append(out, row.open()), &Cursor{At: row.Learnt.UnixMilli(), Identity: row.Identity}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, nil, err
	}
	return out, next, nil
}
