package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// json1 is an answer's JSON without the times of the answer, as Go values.
func json1(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	must(t, json.Unmarshal([]byte(text), &out))
	return out
}

func (r *rig) testPersons(t *testing.T) {
	seen := now.AddDate(0, 0, -90).Format(time.RFC3339)
	want := json1(t, `{"person_id":"`+schemas.PersonID(personP)+`","former":false,
		"identities":[{"appid":"wx1","openid":"o-p1","first_seen":"`+seen+`"},{"appid":"wx2","openid":"o-p2","first_seen":"`+seen+`"}],
		"keys":[{"space":"plat","value":"union-p"}],"profile":{"nickname":"=1+1"},
		"totals":[{"appid":"wx1","currency":"CNY","orders":1,"gross":1000,"refunds":0,"net":1000,"items":2},
			{"appid":"wx1","currency":"USD","orders":1,"gross":500,"refunds":0,"net":500,"items":2},
			{"appid":"wx2","currency":"CNY","orders":1,"gross":2000,"refunds":300,"net":1700,"items":2}],
		"as_of":"2026-11-22T10:00:00Z","fresh_through":"2026-11-22T09:59:58Z"}`)
	if d := cmp.Diff(want, r.get(t, "analyst", personPath(personP, "")).object(t)); d != "" {
		t.Error(d)
	}
	former := r.get(t, "analyst", personPath(schemas.KeyHash("plat", "union-old"), "")).object(t)
	if former["person_id"] != schemas.PersonID(personP) || former["former"] != true {
		t.Errorf("a former id answers %v", former)
	}
	identity := r.get(t, "analyst", "/v1/identities/wx2/o-q2").object(t)
	key := r.get(t, "analyst", "/v1/keys/crm/M-1").object(t)
	if identity["person_id"] != schemas.PersonID(personQ) || len(key["identities"].([]any)) != 2 || key["overloaded"] != false {
		t.Error(identity, key)
	}
	explained := r.get(t, "analyst", personPath(personP, "/explain")).object(t)
	for field, n := range map[string]int{"identities": 2, "keys": 1, "links": 2, "conflicts": 1, "overloaded": 0, "voided": 0, "migrations": 0} {
		if got := explained[field].([]any); len(got) != n {
			t.Errorf("%s: %v", field, got)
		}
	}
	if len(explained["history"].([]any)) != 3 {
		t.Errorf("history: %v", explained["history"])
	}
	old := schemas.KeyHash("plat", "union-old")
	then := r.get(t, "analyst", personPath(old, "/explain?as_of=2026-09-01")).object(t)
	for field, n := range map[string]int{"identities": 1, "keys": 1, "links": 1, "conflicts": 0, "history": 1} {
		if got, _ := then[field].([]any); len(got) != n {
			t.Errorf("as of a moment before the link, %s: %v", field, got)
		}
	}
	if then["person_id"] != schemas.PersonID(old) || then["former"] != false || then["as_of"] != "2026-08-31T16:00:00Z" {
		t.Errorf("as of a moment before the link: %v", then)
	}
}

// events reads the identity events that are durable.
func (r *rig) events(t *testing.T) []*schemas.Identity {
	t.Helper()
	s, err := r.js.Stream(t.Context(), stream.Events)
	must(t, err)
	info, err := s.Info(t.Context())
	must(t, err)
	var out []*schemas.Identity
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq && info.State.Msgs > 0; seq++ {
		var msg *jetstream.RawStreamMsg
		msg, err = s.GetMsg(t.Context(), seq)
		must(t, err)
		e, err := schemas.Decode(schemas.KindIdentity, msg.Data)
		must(t, err)
		out = append(out, e.(*schemas.Identity))
	}
	return out
}

func (r *rig) testUndo(t *testing.T) {
	path, body := personPath(personQ, "/unlink"), `{"appid":"wx3","openid":"o-q3","space":"crm"}`
	dry := r.ask(t, "operator", http.MethodPost, path+"?dry_run=1", body)
	want := json1(t, `{"dry_run":true,"action":"unlink","person_id":"`+schemas.PersonID(personQ)+`","unlinks":[{"appid":"wx3","openid":"o-q3","space":"crm"}],
		"identities":[{"appid":"wx3","openid":"o-q3","from":"`+schemas.PersonID(personQ)+`","to":"`+schemas.PersonID(q3.hash())+`"}],
		"persons_before":1,"persons_after":2,"money":[{"appid":"wx3","currency":"CNY","orders":1,"net":8000}]}`)
	if d := cmp.Diff(want, dry.object(t)); d != "" {
		t.Error(d)
	}
	if got := r.events(t); len(got) != 0 {
		t.Fatal("a dry run published", got)
	}
	done := r.ask(t, "operator", http.MethodPost, path, body)
	answer := done.object(t)
	if done.status != http.StatusAccepted || answer["events"] != 1.0 || !strings.HasPrefix(answer["receipt"].(string), "r_") || answer["occurred_at"] != "2026-11-22T10:00:00Z" {
		t.Fatalf("%d %s", done.status, done.body)
	}
	published := r.events(t)
	if len(published) != 1 || published[0].Action != schemas.ActionUnlink || published[0].OpenID != "o-q3" || published[0].Space != "crm" || !published[0].OccurredAt.Equal(now) {
		t.Errorf("%+v", published)
	}
	if got := r.ask(t, "admin", http.MethodPost, personPath(personP, "/erase"), ""); got.status != http.StatusAccepted || got.object(t)["events"] != 2.0 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if published = r.events(t); len(published) != 3 || published[2].Action != schemas.ActionErase {
		t.Errorf("%+v", published)
	}
	if n := r.metric(t, "unionlink_api_identity_events_total", "erase"); n != 2 {
		t.Errorf("%v erasures were counted", n)
	}
	for body, want := range map[string]string{
		`{}`: "invalid-body", `{"space":"crm"}`: "invalid-body", `{"value":"x"}`: "invalid-body", `{"appid":"wx3","openid":"o-q3"}`: "invalid-body",
		`{"from":"2026-01-01T00:00:00Z"}`: "invalid-body", `{"space":"crm","value":"M-1","source":"x"}`: "invalid-body", `{"no":1}`: "invalid-body", `[]`: "invalid-body",
		`{"space":"crm","value":"M-1"} {}`: "invalid-body", `{"source":"nobody"}`: "not-found", `{"appid":"wx1","openid":"o-p1","space":"plat"}`: "not-found",
		`{"appid":"wx3","openid":"o-q3","space":"vip"}`: "not-found", `{"source":"wx2","to":"2026-01-01T00:00:00Z"}`: "not-found",
	} {
		if got := r.ask(t, "operator", http.MethodPost, path+"?dry_run=1", body); got.object(t)["type"] != want {
			t.Errorf("%s: %d %s, want %s", body, got.status, got.body, want)
		}
	}
	for body, n := range map[string]int{`{"space":"crm","value":"M-1"}`: 2, `{"source":"wx2"}`: 1, `{"source":"wx3","from":"2026-01-01T00:00:00Z","to":"2027-01-01T00:00:00Z"}`: 1} {
		got := r.ask(t, "operator", http.MethodPost, path+"?dry_run=1", body).object(t)
		if unlinks, _ := got["unlinks"].([]any); len(unlinks) != n {
			t.Errorf("%s unlinks %v", body, got)
		}
	}
}

func (r *rig) testAudiences(t *testing.T) {
	put := func(who, name, definition string) asked {
		body, err := json.Marshal(audienceBody{definition})
		must(t, err)
		return r.ask(t, who, http.MethodPut, "/v1/audiences/"+name, string(body))
	}
	if got := put("marketer", "cross", "appids=wx1%2Cwx2&currency=CNY"); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for definition, want := range map[string]string{"limit=1": "unknown-parameter", "appid=wx1&tz=x": "invalid-parameter", "%zz": "invalid-body", "format=csv": "unknown-parameter"} {
		if got := put("marketer", "bad", definition); got.object(t)["type"] != want {
			t.Errorf("%s: %d %s, want %s", definition, got.status, got.body, want)
		}
	}
	if got := put("marketer-1", "foreign", "appid=wx2"); got.object(t)["type"] != "foreign-account" {
		t.Errorf("a foreign account is asked for: %d %s", got.status, got.body)
	}
	var got rows
	must(t, json.Unmarshal(r.get(t, "marketer", "/v1/audiences/cross/members?appid=wx2").body, &got))
	if len(got.Rows) != 1 || string(got.Rows[0]) != `{"appid":"wx2","openid":"o-p2","person_id":"`+schemas.PersonID(personP)+`"}` {
		t.Errorf("%s", got.Rows)
	}
	if csv := r.get(t, "marketer", "/v1/audiences/cross/members?appid=wx1&format=csv"); !strings.Contains(string(csv.body), "wx1,o-p1,p_") {
		t.Errorf("%d %s", csv.status, csv.body)
	}
	for path, want := range map[string]string{
		"/v1/audiences/cross/members": "invalid-parameter", "/v1/audiences/cross/members?appid=wx1&appid=wx2": "invalid-parameter",
		"/v1/audiences/nobody/members?appid=wx1": "not-found",
	} {
		if got := r.get(t, "marketer", path).object(t)["type"]; got != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	for _, path := range []string{"/v1/audiences/cross/members?appid=wx2", "/v1/audiences/cross/members?appid=wx1"} {
		if got := r.get(t, "marketer-1", path); got.object(t)["type"] != "foreign-account" {
			t.Errorf("%s with a token for wx1: %d %s", path, got.status, got.body)
		}
	}
	if got := r.ask(t, "marketer", http.MethodDelete, "/v1/audiences/cross", ""); got.status != http.StatusNoContent {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := r.get(t, "marketer", "/v1/audiences/cross"); got.status != http.StatusNotFound {
		t.Errorf("it is still there: %d", got.status)
	}
}

func (r *rig) testSessions(t *testing.T) {
	session := r.ask(t, "", http.MethodPost, "/v1/session", `{"token":"`+tokens["operator"]+`"}`)
	rt := r.api.routes
	for i := range rt {
		if rt[i].id == "session" {
			valid(t, r.schemaOf(t, &rt[i], http.StatusOK, "application/json"), session.body)
		}
	}
	cookie := session.header.Get("Set-Cookie")
	if session.status != http.StatusOK || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") {
		t.Fatalf("%d %s %s", session.status, cookie, session.body)
	}
	csrf, _ := session.object(t)["csrf"].(string)
	with := func(method, path, csrf string) asked {
		req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(`{"space":"crm","value":"M-1"}`))
		must(t, err)
		req.Header.Set("Cookie", strings.Split(cookie, ";")[0])
		req.Header.Set("Content-Type", "application/json")
		if csrf != "" {
			req.Header.Set("X-CSRF-Token", csrf)
		}
		return r.do(t, req)
	}
	unlink := personPath(personQ, "/unlink?dry_run=1")
	for _, c := range []struct {
		method, path, csrf string
		want               int
	}{
		{"GET", "/v1/session", "", 200}, {"GET", "/v1/reports/summary", "", 200}, {"GET", "/v1/audit", "", 403},
		{"POST", unlink, "", 403}, {"POST", unlink, "x", 403}, {"POST", unlink, csrf, 200}, {"DELETE", "/v1/session", "", 403}, {"DELETE", "/v1/session", csrf, 204},
	} {
		if got := with(c.method, c.path, c.csrf); got.status != c.want {
			t.Errorf("%s %s with %q: %d %s, want %d", c.method, c.path, c.csrf, got.status, got.body, c.want)
		}
	}
	if got := r.ask(t, "", http.MethodPost, "/v1/session", `{"token":"wrong"}`); got.status != http.StatusUnauthorized || got.header.Get("Set-Cookie") != "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := r.get(t, "", "/v1/session"); got.status != http.StatusUnauthorized {
		t.Errorf("%d", got.status)
	}
}

// testAudit comes after the others: what they did must be there.
func (r *rig) testAudit(t *testing.T) {
	found, cursor := map[string]int{}, ""
	for {
		var page struct {
			Rows []struct {
				Actor, Role, Action, Target, Detail string
			}
			NextCursor string `json:"next_cursor"`
		}
		got := r.get(t, "admin", "/v1/audit?limit=50"+cursor)
		must(t, json.Unmarshal(got.body, &page))
		for _, row := range page.Rows {
			found[row.Action+" "+row.Actor]++
			if strings.Contains(row.Detail+row.Target, "o-p") || strings.Contains(row.Detail, "o-q") || !access.Role(row.Role).Valid() {
				t.Errorf("the audit has %+v", row)
			}
		}
		if page.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	for _, want := range []string{"unlink operator", "unlink-done operator", "erase admin", "erase-done admin", "audience-put marketer", "audience-delete marketer"} {
		if found[want] == 0 {
			t.Errorf("%s is not in the audit: %v", want, found)
		}
	}
	if exports := found["export marketer"]; exports < 3*len(r.exporting()) || exports != found["export-done marketer"] {
		t.Errorf("%d exports began, %d ended", exports, found["export-done marketer"])
	}
}

// testLog looks for what must not be logged.
func (r *rig) testLog(t *testing.T) {
	if t.Failed() || strings.Contains(r.log.String(), "clickhouse_code") {
		t.Errorf("questions failed: %s", r.log)
	}
	for _, word := range []string{"o-p1", "union-p", "M-1", "token-0123"} {
		if strings.Contains(r.log.String(), word) {
			t.Errorf("the log has %s: %s", word, r.log)
		}
	}
}
