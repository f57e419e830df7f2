package access

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	analystToken = "analyst-token-0123456789"
	adminToken   = "admin-token-0123456789"
)

type clock struct{ now time.Time }

func gate(t *testing.T, c *clock, tokens ...Token) *Gate {
	t.Helper()
	if tokens == nil {
		sum := sha256.Sum256([]byte(adminToken))
		tokens = []Token{
			{Name: "ann", Token: analystToken, Accounts: []string{"wx1"}},
			{Name: "root", Token: "sha256:" + hex.EncodeToString(sum[:]), Role: RoleAdmin},
		}
	}
	g, err := New(Config{Tokens: tokens, Secret: []byte(strings.Repeat("s", 32)), Now: func() time.Time { return c.now }})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func at(t *testing.T) *clock {
	t.Helper()
	return &clock{time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
}

func request(method, header, value string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	if header != "" {
		r.Header.Set(header, value)
	}
	return r
}

func TestBearer(t *testing.T) {
	g := gate(t, at(t))
	for name, c := range map[string]struct {
		header string
		user   string
	}{
		"a plain token":         {"Bearer " + analystToken, "ann"},
		"a hashed token":        {"bearer " + adminToken, "root"},
		"no header":             {"", ""},
		"a wrong token":         {"Bearer " + analystToken + "x", ""},
		"an empty token":        {"Bearer ", ""},
		"another scheme":        {"Basic " + analystToken, ""},
		"the hash is no token":  {"Bearer sha256:" + hex.EncodeToString(make([]byte, 32)), ""},
		"a token with a prefix": {"Bearer x" + analystToken, ""},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := g.User(request("GET", "Authorization", c.header))
			if u.Name != c.user || (c.user == "") != errors.Is(err, ErrUnauthenticated) {
				t.Error(u, err)
			}
		})
	}
	u, err := g.User(request("POST", "Authorization", "Bearer "+analystToken))
	if err != nil || u.Role != RoleAnalyst || !u.Sees("wx1") || u.Sees("wx2") {
		t.Error("a token without a role is an analyst's, limited to its accounts", u, err)
	}
}

func TestSession(t *testing.T) {
	c := at(t)
	g := gate(t, c)
	s, cookie, err := g.SignIn(adminToken, true)
	if err != nil {
		t.Fatal(err)
	}
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, adminToken) {
		t.Error("the cookie is not guarded", cookie)
	}
	with := func(method, value, csrf string) (User, error) {
		r := request(method, "X-CSRF-Token", csrf)
		r.AddCookie(&http.Cookie{Name: CookieName, Value: value})
		return g.User(r)
	}
	if u, err := with("GET", cookie.Value, ""); err != nil || u.Name != "root" {
		t.Error(u, err)
	}
	t.Run("a change needs its csrf token", func(t *testing.T) {
		for _, csrf := range []string{"", "x", s.CSRF + "x", cookie.Value} {
			if _, err := with("POST", cookie.Value, csrf); !errors.Is(err, ErrCSRF) {
				t.Errorf("%q: %v", csrf, err)
			}
		}
		if _, err := with("POST", cookie.Value, s.CSRF); err != nil {
			t.Error(err)
		}
		other, _, err := g.SignIn(adminToken, true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := with("DELETE", cookie.Value, other.CSRF); !errors.Is(err, ErrCSRF) {
			t.Error("another session's csrf token went through")
		}
	})
	t.Run("no changed byte is taken", func(t *testing.T) {
		b, err := base64.RawURLEncoding.DecodeString(cookie.Value)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] ^= 1
			if _, err := with("GET", base64.RawURLEncoding.EncodeToString(b), ""); !errors.Is(err, ErrUnauthenticated) {
				t.Fatalf("byte %d can be changed", i)
			}
			b[i] ^= 1
		}
		for _, v := range []string{"", "x", cookie.Value[1:], cookie.Value + "A", cookie.Value + "="} {
			if _, err := with("GET", v, ""); !errors.Is(err, ErrUnauthenticated) {
				t.Errorf("%q went through", v)
			}
		}
	})
	t.Run("ends when its token goes", func(t *testing.T) {
		g := gate(t, c, Token{Name: "root", Token: "another-admin-token", Role: RoleAdmin})
		r := request("GET", "", "")
		r.AddCookie(cookie)
		if _, err := g.User(r); !errors.Is(err, ErrUnauthenticated) {
			t.Error("a removed token's session lives on")
		}
	})
	t.Run("ends with its time", func(t *testing.T) {
		c.now = c.now.Add(12 * time.Hour)
		if _, err := with("GET", cookie.Value, ""); !errors.Is(err, ErrUnauthenticated) {
			t.Error("it lives on")
		}
	})
	if _, _, err := g.SignIn("wrong", false); !errors.Is(err, ErrUnauthenticated) {
		t.Error(err)
	}
}

func TestRights(t *testing.T) {
	for right, need := range least {
		for i, role := range Roles {
			allowed := false
			for _, r := range Roles[:i+1] {
				allowed = allowed || r == need
			}
			if role.May(right) != allowed {
				t.Errorf("%s may %s: %v, want %v", role, right, !allowed, allowed)
			}
		}
	}
	for _, role := range append(Roles, "", "root") {
		if role.May("") || role.May("unheard of") {
			t.Errorf("%q may do what is in no table", role)
		}
	}
	if Role("root").May(RightRead) {
		t.Error("a role that is none may read")
	}
}

func TestConfig(t *testing.T) {
	_, err := New(Config{Tokens: []Token{
		{Name: "", Token: analystToken}, {Name: "a", Token: "short"}, {Name: "b", Token: analystToken, Role: "king"},
		{Name: "c", Token: "sha256:xyz"}, {Name: "d", Token: adminToken}, {Name: "d", Token: "one-more-token-0123"}, {Name: "e", Token: adminToken},
	}, Secret: []byte("short"), Lifetime: -1})
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for _, fault := range []string{
		"secret:", "now:", "lifetime:", "tokens[0].name", "tokens[1].token", "tokens[2].role", "tokens[3].token", "tokens[5].name", "tokens[6].token",
	} {
		if !strings.Contains(err.Error(), fault) {
			t.Errorf("the error does not tell of %s: %v", fault, err)
		}
	}
	if strings.Contains(err.Error(), analystToken) || strings.Contains(err.Error(), adminToken) {
		t.Error("the error shows a token")
	}
}

func FuzzSession(f *testing.F) {
	f.Add("")
	f.Add("AAAA")
	f.Add(strings.Repeat("A", 118))
	g, err := New(Config{
		Tokens: []Token{{Name: "a", Token: analystToken}}, Secret: make([]byte, 32), Now: time.Now,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", CookieName+"="+value)
		if _, err := g.Session(r); !errors.Is(err, ErrUnauthenticated) {
			t.Fatalf("%q: %v", value, err)
		}
	})
}

func TestAdmit(t *testing.T) {
	c := at(t)
	by := func(issuer string) *Gate {
		g, err := New(Config{Issuer: issuer, Secret: []byte(strings.Repeat("s", 32)), Now: func() time.Time { return c.now }})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g := by("https://id.example.com")
	s, cookie, err := g.Admit(User{Name: "oidc:ann@example.com", Role: RoleMarketer, Accounts: []string{"wx1"}}, true)
	if err != nil {
		t.Fatal(err)
	}
	with := func(g *Gate, value string) (Session, error) {
		r := request("GET", "", "")
		r.AddCookie(&http.Cookie{Name: CookieName, Value: value})
		return g.Session(r)
	}
	got, err := with(g, cookie.Value)
	if err != nil || got.User.Name != "oidc:ann@example.com" || got.User.Role != RoleMarketer || got.User.Sees("wx2") || got.CSRF != s.CSRF {
		t.Error(got, err)
	}
	for name, other := range map[string]*Gate{"another issuer": by("https://id.example.org"), "no issuer any more": by("")} {
		if _, err := with(other, cookie.Value); !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		t.Fatal(err)
	}
	higher := strings.Replace(string(raw), "marketer", "operator", 1)
	if _, err := with(g, base64.RawURLEncoding.EncodeToString([]byte(higher))); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("a raised role: %v", err)
	}
	c.now = s.Ends
	if _, err := with(g, cookie.Value); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("after its time: %v", err)
	}
}
