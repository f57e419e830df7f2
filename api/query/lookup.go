package query

import (
	"context"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// Look-ups read Params.Allowed and AsOf; Totals and Purchases read what narrows orders too. They answer ErrNotFound where there is
// nothing that the asker may see, and expect Params that Validate accepts.

// Present is who a person is now.
type Present struct {
	// Person is the present person, PersonID its name.
	Person   uint64
	PersonID string
	// Former says that the person asked for is no more: its identities, or most of them, are Person's now.
	Former bool
}

// Present answers a person's id with the present person. Where the identities of a former person went different ways,
// it is the person that most of them are, the smallest id among equals.
func (r *Reports) Present(ctx context.Context, personID string, p Params) (Present, error) {
	person, err := schemas.ParsePersonID(personID)
	if err != nil {
		return Present{}, err
	}
	rows, err := ask[struct {
		Person     uint64 `ch:"person"`
		Same       uint8  `ch:"same"`
		Identities uint64 `ch:"identities"`
	}](ctx, r, "present", p.shape(), p.of(person))
	if err != nil {
		return Present{}, err
	}
	if len(rows) == 0 {
		return Present{}, ErrNotFound
	}
	return Present{Person: rows[0].Person, PersonID: schemas.PersonID(rows[0].Person), Former: rows[0].Same == 0}, nil
}

// of are the parameters of a question about one person.
func (p *Params) of(person uint64) args {
	a := p.args()
	a["person"] = person
	return a
}

// Identity is one identity. FirstSeen is the stream time of its first event.
type Identity struct {
	AppID     string    `json:"appid" ch:"appid"`
	OpenID    string    `json:"openid" ch:"openid"`
	FirstSeen time.Time `json:"first_seen" ch:"first_seen"`
}

// PersonIdentity is an identity and its person.
type PersonIdentity struct {
	AppID     string    `json:"appid" ch:"appid"`
	OpenID    string    `json:"openid" ch:"openid"`
	FirstSeen time.Time `json:"first_seen" ch:"first_seen"`
	PersonID  string    `json:"person_id" ch:"person_id"`
}

// PersonOf answers an identity with its person.
func (r *Reports) PersonOf(ctx context.Context, appid, openid string, p Params) (PersonIdentity, error) {
	a := p.args()
	identity := schemas.IdentityHash(appid, openid)
	a["identity"] = identity
	rows, err := ask[struct {
		Identity
		Person   uint64 `ch:"person_of"`
		PersonID string `ch:"person_id"`
	}](ctx, r, "identity", p.shape(), a)
	if err != nil {
		return PersonIdentity{}, err
	}
	for _, row := range rows {
		if row.AppID == appid && row.OpenID == openid {
			return PersonIdentity{AppID: appid, OpenID: openid, FirstSeen: row.FirstSeen, PersonID: row.PersonID}, nil
		}
	}
	return PersonIdentity{}, ErrNotFound
}

// Identities are those of a present person, by account and openid.
func (r *Reports) Identities(ctx context.Context, person uint64, p Params) ([]Identity, error) {
	return ask[Identity](ctx, r, "identities", p.shape(), p.of(person))
}

// Keys are those that a present person's identities hold, overloaded ones too, by space and value.
func (r *Reports) Keys(ctx context.Context, person uint64, p Params) ([]schemas.Key, error) {
	rows, err := ask[struct {
		Space string `ch:"space"`
		Value string `ch:"value"`
	}](ctx, r, "keys", p.shape(), p.of(person))
	out := make([]schemas.Key, len(rows))
	for i, row := range rows {
		out[i] = schemas.Key{Space: row.Space, Value: row.Value}
	}
	return out, err
}

// The fields of profiles, as the table has them.
const (
	fieldNickname   = "nickname"
	fieldHeadImgURL = "headimgurl"
)

// Profile is what was last said of a present person, field by field; empty where nothing was.
func (r *Reports) Profile(ctx context.Context, person uint64, p Params) (schemas.Profile, error) {
	rows, err := ask[struct {
		Field string `ch:"field"`
		Value string `ch:"value"`
	}](ctx, r, "profile", p.shape(), p.of(person))
	var out schemas.Profile
	for _, row := range rows {
		switch row.Field {
		case fieldNickname:
			out.Nickname = row.Value
		case fieldHeadImgURL:
			out.HeadImgURL = row.Value
		}
	}
	return out, err
}

// Total is what a person bought in one account and currency. Items is the quantity of all items of the purchases.
type Total struct {
	AppID    string `json:"appid"`
	Currency string `json:"currency"`
	Money
	Items int64 `json:"items"`
}

// Totals are what a present person bought, by account and currency.
func (r *Reports) Totals(ctx context.Context, person uint64, p Params) ([]Total, error) {
	rows, err := ask[struct {
		AppID    string `ch:"appid"`
		Currency string `ch:"currency"`
		Orders   uint64 `ch:"orders"`
		Gross    int64  `ch:"gross"`
		Net      int64  `ch:"net"`
		Items    int64  `ch:"items"`
	}](ctx, r, "totals", p.own(), p.of(person))
	out := make([]Total, len(rows))
	for i, row := range rows {
		out[i] = Total{AppID: row.AppID, Currency: row.Currency, Items: row.Items,
			Money: Money{Orders: row.Orders, Gross: row.Gross, Refunds: row.Gross - row.Net, Net: row.Net}}
	}
	return out, err
}

// own is the shape of a question about one person's rows.
func (p *Params) own() shape {
	s := p.shape()
	s.Member = true
	s.Linked, s.Unlinked, s.New, s.Returning, s.FirstAccount = false, false, false, false, false
	return s
}
