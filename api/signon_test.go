package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// browse asks for a path with cookies, as a browser that came by HTTPS.
func (r *rig) browse(t *testing.T, method, path string, cookies ...string) asked {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, nil)
	must(t, err)
	req.Header.Set("X-Forwarded-Proto", "https")
	for _, c := range cookies {
		pair, _, _ := strings.Cut(c, ";")
		req.Header.Add("Cookie", pair)
	}
	return r.do(t, req)
}

// visit begins a sign-in and returns its cookie and the path that the provider leads back to.
func (r *rig) visit(t *testing.T, next string) (cookie, back string) {
	t.Helper()
	begun := r.browse(t, http.MethodGet, "/v1/session/oidc?next="+url.QueryEscape(next))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, begun.header.Get("Location"), nil)
	must(t, err)
	led, err := url.Parse(r.do(t, req).header.Get("Location"))
	must(t, err)
	return begun.header.Get("Set-Cookie"), led.RequestURI()
}

func (r *rig) testSignOn(t *testing.T) {
	r.issuer.Say(map[string]any{"groups": []string{"ops"}})
	cookie, back := r.visit(t, "/products?tz=UTC")
	got := r.browse(t, http.MethodGet, back, cookie)
	if got.status != http.StatusFound || got.header.Get("Location") != "/products?tz=UTC" {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	set := got.header.Values("Set-Cookie")
	if len(set) != 2 || !strings.HasPrefix(set[0], "unionlink_oidc=;") || !strings.Contains(set[1], "SameSite=Strict") || !strings.Contains(set[1], "Secure") {
		t.Fatalf("the cookies are %q", set)
	}
	session := r.browse(t, http.MethodGet, "/v1/session", set[1]).object(t)
	if session["name"] != "oidc:ann@example.com" || session["role"] != "operator" || session["accounts"] != nil {
		t.Errorf("the session is of %v", session)
	}
	if got := r.browse(t, http.MethodGet, "/v1/reports/summary", set[1]); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := r.browse(t, http.MethodGet, "/v1/audit", set[1]); got.status != http.StatusForbidden {
		t.Errorf("an operator reads the audit: %d", got.status)
	}
	if ways := r.get(t, "", "/v1/session/ways"); strings.TrimSpace(string(ways.body)) != `{"token":true,"oidc":{"name":"Company"}}` {
		t.Errorf("%s", ways.body)
	}
	for name, c := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"without a role":       {map[string]any{"groups": "staff"}, "/sign-in?problem=forbidden"},
		"with a wrong nonce":   {map[string]any{"groups": "ops", "nonce": "x"}, "/sign-in?problem=unauthenticated"},
		"with an old token":    {map[string]any{"groups": "ops", "exp": now.Unix() - 60}, "/sign-in?problem=unauthenticated"},
		"for another audience": {map[string]any{"groups": "ops", "aud": "x"}, "/sign-in?problem=unauthenticated"},
	} {
		r.issuer.Say(c.claims)
		cookie, back := r.visit(t, "/")
		got := r.browse(t, http.MethodGet, back, cookie)
		if got.status != http.StatusFound || got.header.Get("Location") != c.want || strings.Contains(strings.Join(got.header.Values("Set-Cookie"), " "), "unionlink_session") {
			t.Errorf("%s: %d %v", name, got.status, got.header)
		}
	}
}
