package api

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/ledger"
	"github.com/unionlink/unionlink/api/query"
)

type audiencesAnswer struct {
	Audiences []ledger.Audience `json:"audiences"`
}

type audienceBody struct {
	Definition string `json:"definition" doc:"the query string of /v1/reports/top-persons, without its page and format"`
}

// definitionParams are what an audience's definition may hold. It is of now, hence no as_of.
var definitionParams = slices.Concat([]string{"from", "to", "tz", "appid", "currency"}, filterParams, []string{"appids", "segment"})

func audienceRoutes() []route {
	one := reflect.TypeFor[ledger.Audience]()
	return []route{
		{
			method: http.MethodGet, path: "/v1/audiences", id: "audiences", summary: "All audiences, by name.",
			right: access.RightAudience, answer: reflect.TypeFor[audiencesAnswer](), status: http.StatusOK, serve: (*call).audiences,
		},
		{
			method: http.MethodGet, path: "/v1/audiences/{name}", id: "audience", summary: "One audience.",
			right: access.RightAudience, answer: one, status: http.StatusOK, serve: (*call).audience,
		},
		{
			method: http.MethodPut, path: "/v1/audiences/{name}", id: "audience-put", summary: "Save an audience, in place of one of its name.",
			right: access.RightAudience, body: reflect.TypeFor[audienceBody](), answer: one, status: http.StatusOK, serve: (*call).putAudience,
		},
		{
			method: http.MethodDelete, path: "/v1/audiences/{name}", id: "audience-delete", summary: "Delete an audience.",
			right: access.RightAudience, status: http.StatusNoContent, serve: (*call).deleteAudience,
		},
		reportOf("audience-members", "/v1/audiences/{name}/members", "The identities of an audience's persons in one account.",
			access.RightAudience, slices.Concat([]string{"appid"}, pageParams, outputParams), members),
	}
}

func (c *call) audiences() error {
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	all, err := c.ledger.Audiences(ctx)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, audiencesAnswer{all})
}

// named finds the audience of the path.
func (c *call) named(ctx context.Context) (ledger.Audience, error) {
	name, err := c.identifier("name")
	if err != nil {
		return ledger.Audience{}, err
	}
	all, err := c.ledger.Audiences(ctx)
	if err != nil {
		return ledger.Audience{}, err
	}
	for _, a := range all {
		if a.Name == name {
			return a, nil
		}
	}
	return ledger.Audience{}, problem("not-found", "there is no audience of this name")
}

func (c *call) audience() error {
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	a, err := c.named(ctx)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, a)
}

func (c *call) putAudience() error {
	name, err := c.identifier("name")
	if err != nil {
		return err
	}
	var body audienceBody
	if err := c.body(&body); err != nil {
		return err
	}
	if _, err := c.defined(body.Definition); err != nil {
		return err
	}
	a := ledger.Audience{Name: name, Definition: body.Definition, Owner: c.user.Name, At: c.deps.Now().UTC().Truncate(time.Millisecond)}
	if err := c.audit("audience-put", name, body); err != nil {
		return err
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	if err := c.ledger.Keep(ctx, a); err != nil {
		return err
	}
	return c.answer(http.StatusOK, a)
}

func (c *call) deleteAudience() error {
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	a, err := c.named(ctx)
	if err != nil {
		return err
	}
	if err := c.audit("audience-delete", a.Name, struct{}{}); err != nil {
		return err
	}
	a.At = c.deps.Now()
	if err := c.ledger.Drop(ctx, a); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// defined reads a definition as the caller's own question, so that it never shows more
// than the caller may see.
func (c *call) defined(definition string) (query.Params, error) {
	given, err := url.ParseQuery(definition)
	if err != nil {
		p := problem("invalid-body", "it is no query string: %v", err)
		p.Parameter = "definition"
		return query.Params{}, p
	}
	asked := *c
	asked.values = values{given}
	if err := asked.values.known(&route{path: "an audience's definition", params: definitionParams}); err != nil {
		return query.Params{}, err
	}
	return asked.params()
}
