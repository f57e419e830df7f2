package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/schemas"
)

// TestAPI asks one world everything; each part is in a file of its own.
func TestAPI(t *testing.T) {
	r := start(t)
	t.Run("every route answers as documented", r.testDocument)
	t.Run("roles may do what the table says", r.testRoles)
	t.Run("foreign accounts are in no answer", r.testForeign)
	t.Run("row filters are a second lock", r.testSecondLock)
	t.Run("parameters are checked", r.testParameters)
	t.Run("hostile values do nothing", r.testHostile)
	t.Run("injections do nothing", r.testInjections)
	t.Run("tampered cursors are refused", r.testCursors)
	t.Run("pages fit together", r.testPages)
	t.Run("exports are whole", r.testExports)
	t.Run("persons are found", r.testPersons)
	t.Run("sessions need their csrf token", r.testSessions)
	t.Run("the company's sign-in opens a session", r.testSignOn)
	t.Run("audiences are evaluated anew", r.testAudiences)
	t.Run("links are undone", r.testUndo)
	t.Run("dead letters are listed", r.testLetters)
	t.Run("what is done is in the audit", r.testAudit)
	t.Run("servers that are gone are a 503", r.testGone)
	t.Run("nothing personal is logged", r.testLog)
}

func personPath(person uint64, rest string) string {
	return "/v1/persons/" + schemas.PersonID(person) + rest
}

// examples are requests that succeed as an admin, by route. The body is behind a blank.
func examples() map[string][]string {
	filters := "?from=2026-01-01&to=2026-12-01&tz=Europe/Berlin&currency=CNY&as_of=2026-11-22&category=books&buyers=new&linked=true&min_amount=1&max_amount=100000&first_appid=wx1&appid=wx1&appid=wx2&meanings=1"
	return map[string][]string{
		"summary":          {"/v1/reports/summary", "/v1/reports/summary" + filters, "/v1/reports/summary?from=2030-01-01&sku=none"},
		"by-account":       {"/v1/reports/accounts", "/v1/reports/accounts" + filters},
		"timeseries":       {"/v1/reports/timeseries", "/v1/reports/timeseries?interval=week&by=account", "/v1/reports/timeseries" + filters + "&interval=month"},
		"overlap":          {"/v1/reports/overlap", "/v1/reports/overlap?kind=pairs", "/v1/reports/overlap" + filters},
		"top-persons":      {"/v1/reports/top-persons", "/v1/reports/top-persons?limit=1", "/v1/reports/top-persons" + filters, "/v1/reports/top-persons?appids=wx1,wx2", "/v1/reports/top-persons?segment=champions"},
		"cohorts":          {"/v1/reports/cohorts", "/v1/reports/cohorts" + filters},
		"rfm":              {"/v1/reports/rfm", "/v1/reports/rfm" + filters},
		"journeys":         {"/v1/reports/journeys", "/v1/reports/journeys" + filters},
		"products":         {"/v1/reports/products", "/v1/reports/products" + filters},
		"refunds":          {"/v1/reports/refunds", "/v1/reports/refunds" + filters},
		"person":           {personPath(personP, ""), personPath(p1.hash(), ""), personPath(lone.hash(), ""), personPath(personQ, "?as_of=2026-11-01")},
		"purchases":        {personPath(personP, "/purchases"), personPath(personQ, "/purchases?limit=1&currency=CNY&from=2026-01-01")},
		"explain":          {personPath(personP, "/explain"), personPath(personP, "/explain?as_of=2026-09-04"), personPath(lone.hash(), "/explain")},
		"identity":         {"/v1/identities/wx1/o-p1", "/v1/identities/wx1/o-lone"},
		"key":              {"/v1/keys/plat/union-p", "/v1/keys/crm/M-1"},
		"unlink":           {personPath(personQ, "/unlink?dry_run=1") + ` {"space":"crm","value":"M-1"}`},
		"erase":            {personPath(personQ, "/erase?dry_run=1")},
		"sign-in":          {`/v1/session {"token":"` + tokens["admin"] + `"}`},
		"sign-out":         {"/v1/session"},
		"accounts":         {"/v1/accounts"},
		"identity-health":  {"/v1/health/identity", "/v1/health/identity?from=2026-01-01&appid=wx1&currency=CNY"},
		"dead-letters":     {"/v1/dead-letters", "/v1/dead-letters?limit=1"},
		"audit":            {"/v1/audit", "/v1/audit?limit=1"},
		"audience-put":     {`/v1/audiences/vip {"definition":"appid=wx1&min_amount=100"}`},
		"audiences":        {"/v1/audiences"},
		"audience":         {"/v1/audiences/vip"},
		"audience-members": {"/v1/audiences/vip/members?appid=wx2"},
		"audience-delete":  {"/v1/audiences/vip"},
		"openapi":          {"/openapi.json"},
		"livez":            {"/livez"},
		"sign-in-ways":     {"/v1/session/ways"},
		"sign-in-oidc":     {"/v1/session/oidc?next=/products"},
		// Signs in nobody: see testSignOn.
		"sign-in-oidc-callback": {"/v1/session/oidc/callback?code=x&state=y&iss=z"},

		"session": nil, // needs a cookie: see testSessions
	}
}

// schemaOf compiles the schema of an answer in the served document.
func (r *rig) schemaOf(t *testing.T, rt *route, status int, media string) *jsonschema.Schema {
	t.Helper()
	if r.schemas == nil {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(r.get(t, "", "/openapi.json").body))
		must(t, err)
		r.schemas = jsonschema.NewCompiler()
		r.schemas.AssertFormat()
		must(t, r.schemas.AddResource("openapi.json", doc))
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1").Replace
	code := strconv.Itoa(status)
	if media != "application/json" {
		code = "default"
	}
	s, err := r.schemas.Compile("openapi.json#/paths/" + escape(rt.path) + "/" + strings.ToLower(rt.method) + "/responses/" + code + "/content/" + escape(media) + "/schema")
	must(t, err)
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, body []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, body)
	}
}

func (r *rig) testDocument(t *testing.T) {
	all := examples()
	// In the order of the document's life: an audience is put before it is read, and deleted last.
	routes := slices.Clone(r.api.routes)
	slices.SortStableFunc(routes, func(a, b route) int { return lifetime(a.id) - lifetime(b.id) })
	for i := range routes {
		rt := &routes[i]
		t.Run(rt.id, func(t *testing.T) {
			for _, name := range rt.params {
				if parameters[name].Doc == "" || len(parameters[name].Schema) == 0 {
					t.Errorf("the parameter %s is not documented", name)
				}
			}
			paths, known := all[rt.id]
			if !known {
				t.Fatal("the route has no example")
			}
			for _, example := range paths {
				path, body, _ := strings.Cut(example, " ")
				got := r.ask(t, "admin", rt.method, path, body)
				if got.status != rt.status && got.status != rt.also {
					t.Fatalf("%s: %d %s", example, got.status, got.body)
				}
				if got.header.Get("X-Content-Type-Options") != "nosniff" {
					t.Error("the answer may be sniffed")
				}
				if rt.answer != nil {
					valid(t, r.schemaOf(t, rt, got.status, "application/json"), got.body)
				}
			}
			if rt.right != access.RightAnyone {
				got := r.ask(t, "", rt.method, strings.ReplaceAll(rt.path, "{person_id}", "p_0"), "")
				if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
					t.Errorf("without a token: %d", got.status)
				}
				valid(t, r.schemaOf(t, rt, got.status, "application/problem+json"), got.body)
			}
		})
	}
	if n := r.metric(t, "unionlink_api_requests_total", "summary"); n == 0 {
		t.Error("no request was counted")
	}
	if got := r.get(t, "", "/somewhere"); string(got.body) != "the console" {
		t.Error("what is no route of the api is not the console's")
	}
	for path, want := range map[string]string{"GET /v1/nothing": "not-found", "PATCH /v1/accounts": "method-not-allowed", "GET /v1/": "not-found"} {
		method, path, _ := strings.Cut(path, " ")
		if got := r.ask(t, "admin", method, path, "").object(t)["type"]; got != want {
			t.Errorf("%s %s: %v, want %s", method, path, got, want)
		}
	}
}

func lifetime(id string) int {
	switch id {
	case "audience-put":
		return 0
	case "audience-delete":
		return 2
	}
	return 1
}

// testRoles drives every route with every role.
func (r *rig) testRoles(t *testing.T) {
	for i := range r.api.routes {
		rt := &r.api.routes[i]
		if rt.right == "" {
			t.Errorf("%s is nobody's", rt.id)
		}
		path := strings.NewReplacer("{person_id}", "p_0", "{appid}", "undefined", "{openid}", "x", "{space}", "null", "{value}", "x", "{name}", "null").Replace(rt.path)
		for _, role := range access.Roles {
			// Each of these requests is refused: for want of a right, or, with it, for a parameter that no route has.
			got := r.ask(t, string(role), rt.method, path+"?no_such_parameter=1", "")
			want := "forbidden"
			if role.May(rt.right) {
				want = "unknown-parameter"
			}
			if kind := got.object(t)["type"]; kind != want {
				t.Errorf("%s as %s: %v, want %s", rt.id, role, kind, want)
			}
		}
	}
	for _, format := range []string{"csv", "ndjson", "parquet", "arrow"} {
		for role, want := range map[string]int{"analyst": 403, "marketer": 200, "operator": 200, "admin": 200} {
			if got := r.get(t, role, "/v1/reports/summary?format="+format); got.status != want {
				t.Errorf("%s as %s: %d, want %d", format, role, got.status, want)
			}
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/v1/reports/summary", nil)
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+tokens["analyst"])
	req.Header.Set("Accept", "text/csv")
	if got := r.do(t, req); got.status != http.StatusForbidden {
		t.Errorf("an analyst exports by Accept: %d", got.status)
	}
}

// testForeign asks everything with tokens that may see wx1 only.
func (r *rig) testForeign(t *testing.T) {
	foreign := []string{"wx2", "wx3", "o-p2", "o-q2", "o-q3", "B-1", "B-2", "C-1", "M-1", "example.com", "Shop 2"}
	for i := range r.api.routes {
		rt := &r.api.routes[i]
		for _, example := range examples()[rt.id] {
			path, body, _ := strings.Cut(example, " ")
			if rt.id == "openapi" || rt.id == "sign-in" || strings.HasPrefix(rt.id, "audience") || rt.id == "audit" {
				continue // of nobody's account; audiences are in testAudiences
			}
			got := r.ask(t, "admin-1", rt.method, path, body)
			for _, word := range foreign {
				asked := strings.Contains(path, word) || strings.Contains(body, word)
				if bytes.Contains(got.body, []byte(word)) && !(got.status >= 400 && asked) {
					t.Errorf("%s tells of %s: %d %s", example, word, got.status, got.body)
				}
			}
		}
	}
	for path, want := range map[string]string{
		"/v1/reports/summary?appid=wx1&appid=wx2": "foreign-account",
		"/v1/reports/top-persons?appids=wx1,wx2":  "foreign-account",
		"/v1/reports/summary?first_appid=wx3":     "foreign-account",
		"/v1/identities/wx2/o-p2":                 "foreign-account",
		"/v1/keys/crm/M-1":                        "not-found",
		personPath(personQ, ""):                   "not-found",
		personPath(personQ, "/purchases"):         "not-found",
		personPath(personQ, "/explain"):           "not-found",
	} {
		if got := r.get(t, "admin-1", path); got.status < 400 || got.object(t)["type"] != want {
			t.Errorf("%s: %d %s, want %s", path, got.status, got.body, want)
		}
	}
	if got := r.ask(t, "admin-1", http.MethodPost, personPath(personP, "/erase?dry_run=1"), ""); got.object(t)["type"] != "foreign-account" {
		t.Errorf("a person is erased in accounts that may not be seen: %d %s", got.status, got.body)
	}
	var rows struct {
		Rows []struct {
			Net int64 `json:"net"`
		} `json:"rows"`
	}
	must(t, json.Unmarshal(r.get(t, "analyst-1", "/v1/reports/summary?currency=CNY").body, &rows))
	if len(rows.Rows) != 1 || rows.Rows[0].Net != 17001 {
		t.Errorf("the money of wx1 is %+v, want 17001", rows)
	}
}
