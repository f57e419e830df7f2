package api

import (
	"strings"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
)

// linkedness translates the parameter linked.
var linkedness = map[string]query.Linked{"": query.LinkedAll, "true": query.LinkedYes, "false": query.LinkedNo}

// params reads what narrows a question, without its page. What the caller may not see
// is excluded whatever is asked.
func (c *call) params() (query.Params, error) {
	v := c.values
	p := query.Params{Allowed: c.user.Accounts, Asked: c.deps.Now()}
	loc, err := v.zone()
	if err != nil {
		return p, err
	}
	p.TZ = loc.String()
	if p.From, err = v.moment("from", loc); err != nil {
		return p, err
	}
	if p.To, err = v.moment("to", loc); err != nil {
		return p, err
	}
	asOf, err := v.moment("as_of", loc)
	if err != nil {
		return p, err
	}
	if !asOf.IsZero() {
		p.AsOf = &asOf
	}
	if p.AppIDs, err = v.accounts("appid", c.user.Sees); err != nil {
		return p, err
	}
	if p.Currency, err = v.currency(); err != nil {
		return p, err
	}
	if err := c.filters(&p); err != nil {
		return p, err
	}
	return p, p.Validate()
}

func (c *call) filters(p *query.Params) error {
	v := c.values
	var err error
	if p.Category, err = v.text("category"); err != nil {
		return err
	}
	if p.SKU, err = v.text("sku"); err != nil {
		return err
	}
	if p.FirstAccount, err = v.text("first_appid"); err != nil {
		return err
	}
	if p.FirstAccount != "" && !c.user.Sees(p.FirstAccount) {
		return foreign("first_appid", p.FirstAccount)
	}
	buyers, err := v.choice("buyers", "")
	if err != nil {
		return err
	}
	p.Buyers = query.Buyers(buyers)
	linked, err := v.choice("linked", "")
	if err != nil {
		return err
	}
	p.Linked = linkedness[linked]
	if p.MinAmount, err = v.amount("min_amount"); err != nil {
		return err
	}
	if p.MaxAmount, err = v.amount("max_amount"); err != nil {
		return err
	}
	return c.personFilters(p)
}

// personFilters are those of lists of persons.
func (c *call) personFilters(p *query.Params) error {
	segment, err := c.values.choice("segment", "")
	if err != nil {
		return err
	}
	p.Segment = query.Segment(segment)
	if !c.values.Has("appids") {
		return nil
	}
	p.ExactAccounts = strings.Split(c.values.Get("appids"), ",")
	for _, appid := range p.ExactAccounts {
		if err := schemas.CheckIdentifier("appids", appid); err != nil {
			return badParameter("appids", "%v", err)
		}
		if !c.user.Sees(appid) {
			return foreign("appids", appid)
		}
	}
	return nil
}

func foreign(parameter, appid string) *Problem {
	p := problem("foreign-account", "%s is not among the token's accounts", appid)
	p.Parameter = parameter
	return p
}
