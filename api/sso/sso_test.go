package sso

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/sso/ssotest"
)

// bench is a SignOn before a real provider, with a clock that the test moves.
type bench struct {
	issuer *ssotest.Issuer
	signOn *SignOn
	now    time.Time
}

func start(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	b := &bench{now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return b.now }
	b.issuer = ssotest.Start(t, clock)
	cfg := Config{
		Issuer: b.issuer.URL, ClientID: ssotest.ClientID, ClientSecret: ssotest.ClientSecret, RedirectURL: "https://unionlink.example.com" + CallbackPath,
		RoleClaim: "groups", Roles: map[string]access.Role{"crm": access.RoleMarketer, "ops": access.RoleOperator},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if b.signOn, err = New(cfg, Deps{Secret: []byte(strings.Repeat("s", 32)), Now: clock}); err != nil {
		t.Fatal(err)
	}
	return b
}

// visit begins a sign-in and lets the provider lead back, without following.
func (b *bench) visit(t *testing.T, next string) (*http.Cookie, url.Values) {
	t.Helper()
	to, cookie, err := b.signOn.Begin(t.Context(), next, true)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	back, err := resp.Location()
	if err != nil || back.Path != CallbackPath {
		t.Fatalf("%s leads to %v, %v", to, back, err)
	}
	return cookie, back.Query()
}

func (b *bench) finish(t *testing.T, cookie *http.Cookie, back url.Values) (access.User, string, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, CallbackPath, nil)
	if cookie != nil {
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	return b.signOn.Finish(r, Callback{Code: back.Get("code"), State: back.Get("state"), Fault: back.Get("error")})
}

func TestSignOn(t *testing.T) {
	b := start(t, nil)
	b.issuer.Say(map[string]any{"groups": []string{"staff", "crm", "ops"}})
	cookie, back := b.visit(t, "/persons?tz=UTC")
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 600 {
		t.Errorf("the cookie is %v", cookie)
	}
	user, next, err := b.finish(t, cookie, back)
	if err != nil || user.Name != "oidc:ann@example.com" || user.Role != access.RoleOperator || user.Accounts != nil || next != "/persons?tz=UTC" {
		t.Fatal(user, next, err)
	}
	if _, _, err = b.finish(t, cookie, back); !errors.Is(err, ErrRefused) {
		t.Errorf("a code is taken twice: %v", err)
	}
	for address, want := range map[string]string{
		"": "/", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example": "/", "persons": "/", "/a\nb": "/", "/" + strings.Repeat("a", 2000): "/", "/rfm": "/rfm",
	} {
		if got := page(address); got != want {
			t.Errorf("%q opens %q", address, got)
		}
	}
}

func TestSignOn_refuses(t *testing.T) {
	for name, c := range map[string]struct {
		claims map[string]any
		change func(b *bench, cookie **http.Cookie, back url.Values)
		want   error
	}{
		"a wrong nonce":           {claims: map[string]any{"nonce": "another"}, want: ErrRefused},
		"no nonce":                {claims: map[string]any{"nonce": nil}, want: ErrRefused},
		"an expired token":        {claims: map[string]any{"exp": time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC).Unix()}, want: ErrRefused},
		"another's audience":      {claims: map[string]any{"aud": "somebody"}, want: ErrRefused},
		"another's issuer":        {claims: map[string]any{"iss": "https://evil.example"}, want: ErrRefused},
		"another party":           {claims: map[string]any{"aud": []string{"somebody", ssotest.ClientID}, "azp": "somebody"}, want: ErrRefused},
		"nobody's group":          {claims: map[string]any{"groups": []string{"staff"}}, want: ErrNoRole},
		"no group":                {claims: map[string]any{"groups": nil}, want: ErrNoRole},
		"a foreign domain":        {claims: map[string]any{"email": "ann@example.org"}, want: ErrNoRole},
		"a hidden domain":         {claims: map[string]any{"email": "ann@example.org@example.com"}, want: ErrNoRole},
		"an unverified address":   {claims: map[string]any{"email_verified": false}, want: ErrNoRole},
		"a wrong state":           {change: func(_ *bench, _ **http.Cookie, back url.Values) { back.Set("state", "x") }, want: ErrRefused},
		"no code":                 {change: func(_ *bench, _ **http.Cookie, back url.Values) { back.Del("code") }, want: ErrRefused},
		"a made-up code":          {change: func(_ *bench, _ **http.Cookie, back url.Values) { back.Set("code", "x") }, want: ErrRefused},
		"a refusal of the issuer": {change: func(_ *bench, _ **http.Cookie, back url.Values) { back.Set("error", "access_denied") }, want: ErrRefused},
		"another browser":         {change: func(_ *bench, cookie **http.Cookie, _ url.Values) { *cookie = nil }, want: ErrRefused},
		"a changed cookie":        {change: func(_ *bench, cookie **http.Cookie, _ url.Values) { (*cookie).Value = "A" + (*cookie).Value[1:] + "A" }, want: ErrRefused},
		"a late return":           {change: func(b *bench, _ **http.Cookie, _ url.Values) { b.now = b.now.Add(patience) }, want: ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, func(cfg *Config) { cfg.AllowedDomains = []string{"Example.com"} })
			claims := map[string]any{"groups": "crm"}
			for k, v := range c.claims {
				claims[k] = v
			}
			b.issuer.Say(claims)
			cookie, back := b.visit(t, "/")
			if c.change != nil {
				c.change(b, &cookie, back)
			}
			if user, _, err := b.finish(t, cookie, back); !errors.Is(err, c.want) {
				t.Errorf("%v, %v", user, err)
			}
		})
	}
	t.Run("a forged signature", func(t *testing.T) {
		b := start(t, nil)
		b.issuer.Say(map[string]any{"groups": "crm"})
		b.issuer.Forge(t)
		cookie, back := b.visit(t, "/")
		if user, _, err := b.finish(t, cookie, back); !errors.Is(err, ErrRefused) {
			t.Errorf("%v, %v", user, err)
		}
	})
	t.Run("the code of another sign-in", func(t *testing.T) {
		b := start(t, nil)
		b.issuer.Say(map[string]any{"groups": "crm"})
		_, stolen := b.visit(t, "/")
		cookie, back := b.visit(t, "/")
		back.Set("code", stolen.Get("code"))
		if user, _, err := b.finish(t, cookie, back); !errors.Is(err, ErrRefused) {
			t.Errorf("%v, %v", user, err)
		}
	})
}

func TestSignOn_by_domain_alone(t *testing.T) {
	b := start(t, func(cfg *Config) {
		cfg.RoleClaim, cfg.Roles, cfg.AllowedDomains, cfg.Name = "", nil, []string{"example.com"}, "Company"
	})
	b.issuer.Say(map[string]any{"email_verified": "true"})
	cookie, back := b.visit(t, "/")
	if user, _, err := b.finish(t, cookie, back); err != nil || user.Role != access.RoleAnalyst || b.signOn.Name() != "Company" {
		t.Error(user, err)
	}
}

func TestSignOn_provider_out_of_reach(t *testing.T) {
	s, err := New(Config{Issuer: "http://127.0.0.1:1", ClientID: "c", RedirectURL: "https://a.example" + CallbackPath, AllowedDomains: []string{"example.com"}},
		Deps{Secret: []byte(strings.Repeat("s", 32)), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = s.Begin(t.Context(), "/", true); err == nil || errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

func TestValuesAt(t *testing.T) {
	claims := map[string]any{"https://a.example/roles": "x", "realm_access": map[string]any{"roles": []any{"y", 1.0, "z"}}, "n": 1.0}
	for name, want := range map[string]string{"https://a.example/roles": "x", "realm_access.roles": "y z", "realm_access.none": "", "n": "", "none.at.all": ""} {
		if got := strings.Join(valuesAt(claims, name), " "); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestConfig(t *testing.T) {
	if s, err := New(Config{}, Deps{}); s != nil || err != nil {
		t.Error("nothing configured is no sign-in", s, err)
	}
	err := Config{Issuer: "http://id.example.com", RedirectURL: "https://a.example/other", Roles: map[string]access.Role{"x": "king"}}.Validate()
	for _, want := range []string{"issuer:", "redirect_url:", "client_id:", "role_claim, roles:", `roles["x"]:`, "role_claim: it"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
}

func FuzzBegun(f *testing.F) {
	s, err := New(Config{Issuer: "https://id.example", ClientID: "c", RedirectURL: "https://a.example" + CallbackPath, AllowedDomains: []string{"example.com"}},
		Deps{Secret: []byte(strings.Repeat("s", 32)), Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add("e30")
	f.Add(strings.Repeat("A", 60))
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, CallbackPath, nil)
		r.Header.Set("Cookie", cookieName+"="+value)
		if got, err := s.begun(r); !errors.Is(err, ErrRefused) {
			t.Errorf("%q is taken for %v", value, got)
		}
	})
}
