package query

import (
	"context"
	"slices"

	"github.com/unionlink/unionlink/schemas"
)

// KeyHolders are who holds a key now, as far as the asker may see.
type KeyHolders struct {
	Identities []KeyHolder
	// PersonIDs are their persons, each once, sorted.
	PersonIDs []string
	// Overloaded says that more identities hold the key, seen or not, than a key may join.
	Overloaded bool
}

// KeyHolder is an identity that holds a key, and its person.
type KeyHolder struct {
	AppID    string `json:"appid"`
	OpenID   string `json:"openid"`
	PersonID string `json:"person_id"`
}

// ByKey answers a key with the identities that hold it. limit is how many a key may join.
func (r *Reports) ByKey(ctx context.Context, key schemas.Key, limit int, p Params) (KeyHolders, error) {
	a := p.args()
	a["space"], a["key"] = key.Space, schemas.KeyHash(key.Space, key.Value)
	rows, err := ask[struct {
		AppID    string `ch:"appid"`
		OpenID   string `ch:"openid"`
		Identity uint64 `ch:"identity"`
		Person   uint64 `ch:"person_of"`
		PersonID string `ch:"person_id"`
		Visible  uint8  `ch:"visible"`
	}](ctx, r, "key", p.shape(), a)
	if err != nil {
		return KeyHolders{}, err
	}
	out := KeyHolders{Identities: []KeyHolder{}, PersonIDs: []string{}, Overloaded: len(rows) > limit}
	for _, row := range rows {
		if row.Visible == 1 {
			out.Identities = append(out.Identities, KeyHolder{AppID: row.AppID, OpenID: row.OpenID, PersonID: row.PersonID})
			out.PersonIDs = append(out.PersonIDs, row.PersonID)
		}
	}
	if len(out.Identities) == 0 {
		return KeyHolders{}, ErrNotFound
	}
	slices.Sort(out.PersonIDs)
	out.PersonIDs = slices.Compact(out.PersonIDs)
	return out, nil
}
