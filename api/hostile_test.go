package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func (r *rig) testParameters(t *testing.T) {
	for query, parameter := range map[string]string{
		"tz=Mars/Olympus": "tz", "from=yesterday": "from", "to=2026-13-01": "to", "from=2026-02-01&to=2026-01-01": "to", "appid=": "appid",
		"appid=undefined": "appid", "currency=cny": "currency", "currency=": "currency", "as_of=x": "as_of", "limit=0": "limit", "limit=1001": "limit",
		"limit=1e3": "limit", "limit=": "limit", "format=xml": "format", "meanings=yes": "meanings", "buyers=old": "buyers", "linked=maybe": "linked",
		"min_amount=-1": "min_amount", "max_amount=99999999999999999999": "max_amount", "min_amount=2&max_amount=1": "max_amount",
		"segment=rich": "segment", "tz=UTC&tz=UTC": "tz", "sku=": "sku", "appids=": "appids", "appids=wx1,": "appids",
	} {
		got := r.get(t, "admin", "/v1/reports/top-persons?"+query)
		problem := got.object(t)
		if got.status != http.StatusBadRequest || problem["type"] != "invalid-parameter" || problem["parameter"] != parameter {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
		if got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", query, got.header.Get("Content-Type"))
		}
	}
	for path, parameter := range map[string]string{
		"/v1/reports/summary?Appid=wx1": "Appid", "/v1/reports/summary?appids=wx1": "appids", "/v1/reports/overlap?interval=day": "interval",
		"/v1/accounts?x": "x", personPath(personP, "?limit=1"): "limit",
	} {
		got := r.get(t, "admin", path)
		if p := got.object(t); p["type"] != "unknown-parameter" || p["parameter"] != parameter || got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/v1/persons/x", "/v1/persons/p_", "/v1/persons/p_00C0FFEE00C0FFEE", "/v1/persons/p_00c0ffee00c0ffee1/explain", "/v1/identities/wx1/undefined"} {
		if got := r.get(t, "admin", path); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/v1/persons/p_00c0ffee00c0ffee", "/v1/persons/p_00c0ffee00c0ffee/explain", "/v1/persons/p_00c0ffee00c0ffee/purchases", "/v1/identities/wx1/o-nobody", "/v1/keys/plat/nobody", "/v1/audiences/nobody"} {
		if got := r.get(t, "admin", path); got.status != http.StatusNotFound || got.object(t)["type"] != "not-found" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

// payloads try to leave the place that they are put in.
var payloads = []string{
	"' OR 1=1 --", "'; DROP TABLE purchases; --", "\\'; DROP TABLE purchases; --", "\" OR \"\"=\"", ") UNION ALL SELECT 1 --", "{x:String}", "${x}", "{{.}}",
	"\x00", "\xff\xfe", "%00", "../../etc/passwd", "1;SELECT 1", "[1,2]", "null", "NaN", "-1", "1e308", "9223372036854775808", "=cmd|' /C calc'!A0",
	"<script>alert(1)</script>", "\r\nX-Injected: 1", "张三', '李四", strings.Repeat("a", 3000), "`purchases`", "/*", "*/", "toString(1)", "p_0000000000000000",
	"'||sleepEachRow(1)||'", "\\", "'", "\t", " ", ",", ",,,", "\u202e",
}

// testHostile puts payloads and mixtures of them into every parameter, path and body.
func (r *rig) testHostile(t *testing.T) {
	before := r.count(t)
	check := func(method, path, body string) asked {
		got := r.ask(t, "admin", method, path, body)
		if got.status >= 500 || got.header.Get("X-Injected") != "" {
			t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
		}
		if got.status >= 400 && got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d without a problem", method, path, got.status)
		}
		return got
	}
	random := rand.New(rand.NewPCG(1, 2))
	for name := range parameters {
		for range 5 {
			payload := payloads[random.IntN(len(payloads))]
			if random.IntN(3) == 0 {
				payload += payloads[random.IntN(len(payloads))]
			}
			for i := range r.api.routes {
				rt := &r.api.routes[i]
				if rt.method != http.MethodGet || !strings.HasPrefix(rt.path, "/v1/reports/") || random.IntN(5) > 0 {
					continue
				}
				if !rt.has(name) {
					continue
				}
				got := check(http.MethodGet, rt.path+"?"+url.Values{name: {payload}}.Encode(), "")
				// Nothing in the world has such a name, so an answer with rows would be another question's.
				if narrows := strings.Contains("sku category appid first_appid appids", name); narrows && got.status == http.StatusOK {
					var answered rows
					must(t, json.Unmarshal(got.body, &answered))
					if len(answered.Rows) > 0 {
						t.Errorf("%s with %s=%q answers %s", rt.path, name, payload, got.body)
					}
				}
			}
		}
	}
	for _, payload := range payloads {
		p := url.PathEscape(payload)
		for _, path := range []string{"/v1/persons/" + p, "/v1/identities/wx1/" + p, "/v1/identities/" + p + "/x", "/v1/keys/plat/" + p, "/v1/keys/" + p + "/x", "/v1/audiences/" + p} {
			check(http.MethodGet, path, "")
		}
		check(http.MethodPut, "/v1/audiences/x", fmt.Sprintf(`{"definition":%q}`, payload))
		check(http.MethodPost, personPath(personP, "/unlink?dry_run=1"), fmt.Sprintf(`{"space":%q,"value":%q}`, payload, payload))
		check(http.MethodPost, personPath(personP, "/unlink?dry_run=1"), payload)
		check(http.MethodPost, "/v1/session", fmt.Sprintf(`{"token":%q}`, payload))
		check(http.MethodGet, "/v1/reports/summary?"+url.QueryEscape(payload)+"=1;%zz", "")
	}
	if after := r.count(t); after != before {
		t.Errorf("the tables held %d rows and hold %d", before, after)
	}
}

// count is how many rows the facts have.
func (r *rig) count(t *testing.T) (n uint64) {
	t.Helper()
	must(t, r.loader.QueryRow(t.Context(), `SELECT (SELECT count() FROM purchases) + (SELECT count() FROM statements) + (SELECT count() FROM persons)
		+ (SELECT count() FROM identities)`).Scan(&n))
	return n
}
