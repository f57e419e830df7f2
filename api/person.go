package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/evidence"
	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
)

func personRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/persons/{person_id}", id: "person", summary: "A person's identities, keys, profile and totals; a former id answers with the present one.",
			right: access.RightRead, params: periodParams, answer: reflect.TypeFor[personAnswer](), status: http.StatusOK, serve: (*call).onePerson,
		},
		reportOf("purchases", "/v1/persons/{person_id}/purchases", "A person's orders and refunds, latest first.",
			access.RightRead, slices.Concat(periodParams, []string{"category", "sku", "min_amount", "max_amount"}, pageParams, outputParams), purchases),
		{
			method: http.MethodGet, path: "/v1/persons/{person_id}/explain", id: "explain", summary: "Why the person is one: the evidence of each link, conflicts, what was undone, history.",
			right: access.RightRead, params: []string{"as_of"}, answer: reflect.TypeFor[explainAnswer](), status: http.StatusOK, serve: (*call).explain,
		},
		{
			method: http.MethodPost, path: "/v1/persons/{person_id}/unlink", id: "unlink", summary: "Undo links; dry_run=1 tells what would move.",
			right: access.RightUnlink, params: []string{"dry_run"}, body: reflect.TypeFor[unlinkBody](), answer: reflect.TypeFor[undoAnswer](),
			status: http.StatusAccepted, also: http.StatusOK, serve: (*call).unlink,
		},
		{
			method: http.MethodPost, path: "/v1/persons/{person_id}/erase", id: "erase", summary: "Erase a person; dry_run=1 tells what would go.",
			right: access.RightErase, params: []string{"dry_run"}, answer: reflect.TypeFor[undoAnswer](),
			status: http.StatusAccepted, also: http.StatusOK, serve: (*call).erase,
		},
		{
			method: http.MethodGet, path: "/v1/identities/{appid}/{openid}", id: "identity", summary: "An identity's person.",
			right: access.RightRead, params: []string{"as_of"}, answer: reflect.TypeFor[identityAnswer](), status: http.StatusOK, serve: (*call).identity,
		},
		{
			method: http.MethodGet, path: "/v1/keys/{space}/{value}", id: "key", summary: "Who holds a key.",
			right: access.RightRead, params: []string{"as_of"}, answer: reflect.TypeFor[keyAnswer](), status: http.StatusOK, serve: (*call).key,
		},
	}
}

// moments are the times that every answer carries.
type moments struct {
	AsOf         time.Time  `json:"as_of"`
	FreshThrough *time.Time `json:"fresh_through" doc:"all events up to this stream time are counted"`
}

func (c *call) moments(ctx context.Context, p query.Params) (moments, error) {
	fresh, err := c.freshThrough(ctx)
	return moments{AsOf: asOf(p), FreshThrough: fresh}, err
}

type personAnswer struct {
	PersonID   string           `json:"person_id"`
	Former     bool             `json:"former" doc:"the id asked for is no more; person_id is the present one"`
	Identities []query.Identity `json:"identities"`
	Keys       []schemas.Key    `json:"keys"`
	Profile    schemas.Profile  `json:"profile"`
	Totals     []query.Total    `json:"totals"`
	moments
}

// present finds the person of the path.
func (c *call) present(ctx context.Context, p query.Params) (query.Present, error) {
	id, err := c.person()
	if err != nil {
		return query.Present{}, err
	}
	return c.reports.Present(ctx, schemas.PersonID(id), p)
}

func (c *call) onePerson() error {
	p, err := c.params()
	if err != nil {
		return err
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	who, err := c.present(ctx, p)
	if err != nil {
		return err
	}
	out := personAnswer{PersonID: who.PersonID, Former: who.Former}
	if out.moments, err = c.moments(ctx, p); err != nil {
		return err
	}
	if out.Identities, err = c.reports.Identities(ctx, who.Person, p); err != nil {
		return err
	}
	if out.Keys, err = c.reports.Keys(ctx, who.Person, p); err != nil {
		return err
	}
	if out.Profile, err = c.reports.Profile(ctx, who.Person, p); err != nil {
		return err
	}
	if out.Totals, err = c.reports.Totals(ctx, who.Person, p); err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

func purchases(ctx context.Context, c *call, p query.Params) (page[query.PurchaseRow], error) {
	who, err := c.present(ctx, p)
	if err != nil {
		return page[query.PurchaseRow]{}, err
	}
	rows, next, err := c.reports.Purchases(ctx, who.Person, p)
	return page[query.PurchaseRow]{rows, next}, err
}

// open reads the case of the path's person as of the moment of p.
func (c *call) open(ctx context.Context, p query.Params) (*evidence.Case, query.Present, error) {
	who, err := c.present(ctx, p)
	if err != nil {
		return nil, who, err
	}
	p.Allowed = nil // who may not be seen belongs to the case all the same; the case leaves it out
	identities, err := c.all.Identities(ctx, who.Person, p)
	if err != nil {
		return nil, who, err
	}
	ids := make([]uint64, len(identities))
	for i, id := range identities {
		ids[i] = schemas.IdentityHash(id.AppID, id.OpenID)
	}
	asked := evidence.Asked{Person: who.Person, Identities: ids, Sees: c.user.Sees}
	if p.AsOf != nil {
		asked.AsOf = *p.AsOf
	}
	kase, err := c.evidence.Open(ctx, asked)
	if err == nil && !kase.Known() {
		err = query.ErrNotFound
	}
	return kase, who, err
}

type explainAnswer struct {
	PersonID string `json:"person_id"`
	Former   bool   `json:"former" doc:"the id asked for is no more; person_id is the present one"`
	evidence.Explanation
	History []query.Change `json:"history" doc:"moves of all identities that ever were this person's, up to as_of"`
	moments
}

func (c *call) explain() error {
	p, err := c.params()
	if err != nil {
		return err
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	fresh, err := c.moments(ctx, p)
	if err != nil {
		return err
	}
	kase, who, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	out := explainAnswer{PersonID: who.PersonID, Former: who.Former, Explanation: kase.Explain(), moments: fresh}
	if out.History, err = c.reports.History(ctx, who.Person, p); err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

type identityAnswer struct {
	query.PersonIdentity
	moments
}

func (c *call) identity() error {
	appid, err := c.identifier("appid")
	if err != nil {
		return err
	}
	openid, err := c.identifier("openid")
	if err != nil {
		return err
	}
	if !c.user.Sees(appid) {
		return foreign("appid", appid)
	}
	p, err := c.params()
	if err != nil {
		return err
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	var out identityAnswer
	if out.moments, err = c.moments(ctx, p); err != nil {
		return err
	}
	if out.PersonIdentity, err = c.reports.PersonOf(ctx, appid, openid, p); err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

type keyAnswer struct {
	Space      string            `json:"space"`
	Value      string            `json:"value"`
	Identities []query.KeyHolder `json:"identities"`
	PersonIDs  []string          `json:"person_ids"`
	Overloaded bool              `json:"overloaded" doc:"so many hold it that it links none"`
	moments
}

func (c *call) key() error {
	space, err := c.identifier("space")
	if err != nil {
		return err
	}
	value, err := c.identifier("value")
	if err != nil {
		return err
	}
	p, err := c.params()
	if err != nil {
		return err
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	out := keyAnswer{Space: space, Value: value}
	if out.moments, err = c.moments(ctx, p); err != nil {
		return err
	}
	holders, err := c.reports.ByKey(ctx, schemas.Key{Space: space, Value: value}, c.cfg.MaxIdentitiesPerKey, p)
	if err != nil {
		return err
	}
	out.Identities, out.PersonIDs, out.Overloaded = holders.Identities, holders.PersonIDs, holders.Overloaded
	return c.answer(http.StatusOK, out)
}
