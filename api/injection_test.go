package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// injections are more than 500 texts that try to leave a string, a parameter, an array, a
// template or a header: every way out with every deed and every way to swallow the rest.
func injections() []string {
	outs := []string{"", "'", `"`, "`", `\'`, "')", "']", "'}", "%27", "\u02bc"}
	deeds := []string{
		" OR 1=1", "; DROP TABLE purchases", " UNION ALL SELECT 1", "||toString(sleep(3))||", " {x:String}", " SETTINGS readonly=0", " FORMAT Null",
		" INTO OUTFILE 'x'", ") OR (1=1", `{{template "rows" .}}`, "\r\nX-Injected: 1", "; SYSTEM SHUTDOWN",
	}
	ends := []string{"", " --", " #", "/*", `\`}
	var all []string
	for _, out := range outs {
		for _, deed := range deeds {
			for _, end := range ends {
				all = append(all, out+deed+end)
			}
		}
	}
	return all
}

// testInjections puts each into every parameter of a report at once, and then into those
// that take any text, or into a place in a path or a body.
func (r *rig) testInjections(t *testing.T) {
	before, answered := r.count(t), 0
	var reports []*route
	for i := range r.api.routes {
		if rt := &r.api.routes[i]; rt.has("sku") && strings.HasPrefix(rt.path, "/v1/reports/") {
			reports = append(reports, rt)
		}
	}
	all := injections()
	if len(all) < 500 || len(reports) < 8 {
		t.Fatalf("%d payloads for %d reports", len(all), len(reports))
	}
	for i, payload := range all {
		rt := reports[i/2%len(reports)]
		every := url.Values{}
		for _, name := range rt.params {
			every.Set(name, payload)
		}
		if got := r.innocent(t, http.MethodGet, rt.path+"?"+every.Encode(), ""); got.status != http.StatusBadRequest {
			t.Errorf("%s takes %q everywhere: %d %s", rt.path, payload, got.status, got.body)
		}
		if i%2 == 1 {
			r.injectPlace(t, i/2, payload)
			continue
		}
		texts := url.Values{"category": {payload}, "sku": {payload}, "first_appid": {payload}}
		if i%24 != 0 { // of an unknown account a report reads nothing, which is quick; some are to read all the same
			texts.Set("appid", payload)
		}
		got := r.innocent(t, http.MethodGet, rt.path+"?"+texts.Encode(), "")
		if got.status == http.StatusOK {
			var found rows
			must(t, json.Unmarshal(got.body, &found))
			if answered++; len(found.Rows) > 0 {
				t.Errorf("%s for %q answers another question: %s", rt.path, payload, got.body)
			}
		}
	}
	if answered < len(all)/4 {
		t.Errorf("%d of %d reached ClickHouse", answered, len(all))
	}
	if after := r.count(t); after != before {
		t.Errorf("the tables held %d rows and hold %d", before, after)
	}
}

// injectPlace puts a payload into the nth of the places that are no report's parameter.
func (r *rig) injectPlace(t *testing.T, n int, payload string) {
	t.Helper()
	p, quoted := url.PathEscape(payload), fmt.Sprintf("%q", payload)
	places := []struct{ method, path, body string }{
		{"GET", "/v1/persons/" + p, ""}, {"GET", "/v1/persons/" + p + "/explain?as_of=" + url.QueryEscape(payload), ""},
		{"GET", "/v1/identities/wx1/" + p, ""}, {"GET", "/v1/identities/" + p + "/x", ""}, {"GET", "/v1/keys/plat/" + p, ""}, {"GET", "/v1/keys/" + p + "/x", ""},
		{"GET", "/v1/audiences/" + p, ""}, {"GET", "/v1/session/oidc/callback?" + url.Values{"code": {payload}, "state": {payload}}.Encode(), ""},
		{"PUT", "/v1/audiences/x", `{"definition":` + quoted + `}`}, {"POST", personPath(personP, "/unlink?dry_run=1"), `{"space":` + quoted + `,"value":` + quoted + `}`},
	}
	at := places[n%len(places)]
	if got := r.innocent(t, at.method, at.path, at.body); got.status == http.StatusOK || got.status == http.StatusAccepted {
		t.Errorf("%s %s %s: %d %s", at.method, at.path, at.body, got.status, got.body)
	}
}

// innocent asks as an admin; whatever was asked, the api must not be at fault.
func (r *rig) innocent(t *testing.T, method, path, body string) asked {
	t.Helper()
	got := r.ask(t, "admin", method, path, body)
	if got.status >= http.StatusInternalServerError || got.header.Get("X-Injected") != "" {
		t.Errorf("%s %s: %d %s", method, path, got.status, got.body)
	}
	return got
}

// testCursors changes a cursor at each of its characters, cuts and lengthens it, and
// gives what is none.
func (r *rig) testCursors(t *testing.T) {
	const path = "/v1/reports/top-persons?tz=UTC&limit=1"
	var first rows
	must(t, json.Unmarshal(r.get(t, "admin", path).body, &first))
	good := first.NextCursor
	if got := r.get(t, "admin", path+"&cursor="+good); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	bad := injections()
	for i := range good {
		for _, c := range []string{"A", "-", "="} {
			if changed := good[:i] + c + good[i+1:]; changed != good {
				bad = append(bad, changed)
			}
		}
		bad = append(bad, good[:i], good[i+1:], good[:i]+good)
	}
	bad = append(bad, good+"A", good+"=", good+good, strings.ToLower(good), "")
	for _, cursor := range bad {
		if cursor == good {
			continue
		}
		got := r.innocent(t, http.MethodGet, path+"&cursor="+url.QueryEscape(cursor), "")
		if got.status != http.StatusBadRequest || got.object(t)["type"] != "invalid-cursor" {
			t.Errorf("the cursor %q: %d %s", cursor, got.status, got.body)
		}
	}
}
