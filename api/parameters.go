package api

import (
	"github.com/unionlink/unionlink/api/openapi"
	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
)

func option(doc string, options ...string) openapi.Param {
	return openapi.Param{Doc: doc, Schema: openapi.Schema{"type": "string", "enum": options}}
}

func text(doc string) openapi.Param {
	return openapi.Param{Doc: doc, Schema: openapi.Schema{"type": "string", "minLength": 1, "maxLength": schemas.MaxTextBytes}}
}

func number(doc string, least, most int64) openapi.Param {
	return openapi.Param{Doc: doc, Schema: openapi.Schema{"type": "integer", "minimum": least, "maximum": most}}
}

func repeated(p openapi.Param) openapi.Param {
	p.Repeat = true
	return p
}

// maxLimit bounds a page of JSON, maxExport what limit may ask of an export.
const (
	defaultLimit = 100
	maxLimit     = 1000
	maxExport    = 100_000_000
)

// parameters are all query parameters, by name; routes choose from them. The Name of
// each is its key.
var parameters = map[string]openapi.Param{
	"from":        text("first day (its midnight in tz) or RFC 3339 time; all time unless given"),
	"to":          text("the day or time before which the period ends; not included itself"),
	"tz":          text("IANA time zone in which days begin; " + defaultZone + " unless given"),
	"appid":       repeated(text("an account; all that the token may see unless given")),
	"currency":    {Doc: "ISO 4217 code; each currency by itself unless given", Schema: openapi.Schema{"type": "string", "pattern": "^[A-Z]{3}$"}},
	"as_of":       text("RFC 3339 time or day: the answer as it was known then"),
	"category":    text("orders with an item of this category only"),
	"sku":         text("orders with this item only"),
	"buyers":      option("persons whose first purchase lies in the period, or before it", "new", "returning"),
	"linked":      option("persons who rest on a key, or identities that nothing links", "true", "false"),
	"min_amount":  number("least amount of one order, in minor units", 0, schemas.MaxAmount),
	"max_amount":  number("greatest amount of one order, in minor units", 0, schemas.MaxAmount),
	"first_appid": text("persons whose first purchase was in this account"),
	"limit":       number("rows a page, at most 1000 in JSON; an export has all rows unless given", 1, maxExport),
	"cursor":      {Doc: "next_cursor of the page before", Schema: openapi.Schema{"type": "string", "minLength": 1}},
	"format":      option("how the answer is written; Accept tells it too", "json", "csv", "ndjson", "parquet", "arrow"),
	"bom":         option("1: CSV begins with a byte order mark", "0", "1"),
	"meanings":    option("1: the answer says what its fields mean", "0", "1"),
	"interval":    option("length of an interval", "day", "week", "month"),
	"by":          option("account: one series an account", "account"),
	"kind":        option("exact: bought in exactly these accounts; pairs: in both of two", "exact", "pairs"),
	"appids":      {Doc: "appids joined by commas: persons who bought in exactly this set", Schema: openapi.Schema{"type": "string", "minLength": 1}},
	"segment":     option("persons of this RFM segment only", segments()...),
	"dry_run":     option("1: tell what would move and do nothing", "0", "1"),
	"next":        text("the console's page to open once signed in"),

	"code":              given("what the session is exchanged for"),
	"state":             given("binds the answer to the browser that asked"),
	"error":             given("why the provider signs nobody in"),
	"error_description": given("not read"),
	"error_uri":         given("not read"),
	"iss":               given("not read; the token itself says who issued it"),
	"session_state":     given("not read"),
	"scope":             given("not read"),
	"authuser":          given("not read"),
	"hd":                given("not read"),
	"prompt":            given("not read"),
}

// given is a parameter that an OpenID Connect provider adds.
func given(doc string) openapi.Param {
	return openapi.Param{Doc: doc, Schema: openapi.Schema{"type": "string"}}
}

func segments() []string {
	out := make([]string, 0, len(query.Segments))
	for _, s := range query.Segments {
		out = append(out, string(s))
	}
	return out
}

// Groups of parameters that routes share.
var (
	outputParams = []string{"format", "bom", "meanings"}
	periodParams = []string{"from", "to", "tz", "appid", "currency", "as_of"}
	filterParams = []string{"category", "sku", "buyers", "linked", "min_amount", "max_amount", "first_appid"}
	pageParams   = []string{"limit", "cursor"}
)
