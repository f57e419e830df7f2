// Package sso signs analysts in with the company's OpenID Connect provider.
//
// It is the authorization code flow with PKCE, a state bound to the browser and a nonce
// bound to the ID token: Begin sends the browser to the provider, Finish checks what it
// comes back with and says who it is. Between the two everything lies in one signed
// cookie of ten minutes, so any api process with the same secret can finish what another
// began. It keeps no token of the provider and asks it for nothing else.
package sso

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/unionlink/unionlink/api/access"
)

// Errors that callers test for. Every other error of Begin and Finish means that the
// provider cannot be asked now.
var (
	// ErrRefused is returned where the browser does not prove who it is.
	ErrRefused = errors.New("the sign-in does not hold")
	// ErrNoRole is returned for somebody who is known, but has no role here.
	ErrNoRole = errors.New("no role here")
)

// CallbackPath is where the provider sends the browser back to.
const CallbackPath = "/v1/session/oidc/callback"

// Config is the provider and whom of its users to let in.
type Config struct {
	// Issuer is the provider's URL, below which lies .well-known/openid-configuration. Empty: no such sign-in.
	Issuer string `yaml:"issuer"`
	// Name is shown on the button. Default: the issuer's host.
	Name         string `yaml:"name"`
	ClientID     string `yaml:"client_id"`
	ClientSecret string `yaml:"client_secret"`
	// RedirectURL is this installation's address with CallbackPath, as registered at the provider.
	RedirectURL string `yaml:"redirect_url"`
	// Scopes are asked for besides openid and email.
	Scopes []string `yaml:"scopes"`
	// RoleClaim is the claim of the ID token with the user's groups: a text or a list; dots go into objects.
	// Empty: everybody let in is an analyst.
	RoleClaim string `yaml:"role_claim"`
	// Roles are the roles of the claim's values. Of several the highest counts; who has none is not let in.
	Roles map[string]access.Role `yaml:"roles"`
	// AllowedDomains are those of the verified e-mail addresses to let in. Empty: any, also none.
	AllowedDomains []string `yaml:"allowed_domains"`
}

// Validate returns every fault at once.
func (c Config) Validate() error {
	if c.Issuer == "" {
		return nil
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !guarded(c.Issuer) {
		fault("issuer: is no https URL")
	}
	if back, err := url.Parse(c.RedirectURL); err != nil || !guarded(c.RedirectURL) || back.Path != CallbackPath {
		fault("redirect_url: is no https URL that ends with %s", CallbackPath)
	}
	if c.ClientID == "" {
		fault("client_id: is required")
	}
	if (c.RoleClaim == "") != (len(c.Roles) == 0) {
		fault("role_claim, roles: one needs the other")
	}
	for value, role := range c.Roles {
		if !role.Valid() {
			fault("roles[%q]: %q is none of %v", value, role, access.Roles)
		}
	}
	if c.RoleClaim == "" && len(c.AllowedDomains) == 0 {
		fault("role_claim: it or allowed_domains is required, else everybody the issuer knows is let in")
	}
	return errors.Join(faults...)
}

// guarded tells whether an address is of HTTPS, or of this machine.
func guarded(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && local
}

// Deps are what a SignOn works with.
type Deps struct {
	// Secret signs the cookie: at least 32 bytes, the same in every api process.
	Secret []byte
	Now    func() time.Time
	// Client asks the provider; a client with a timeout of ten seconds unless set.
	Client *http.Client
}

// SignOn signs users of one provider in.
type SignOn struct {
	cfg    Config
	client *http.Client
	now    func() time.Time
	key    []byte

	mu       sync.Mutex
	provider *oidc.Provider // nil until it was asked for the first time
}

// New checks the configuration; it asks the provider nothing. An empty Issuer is a nil
// SignOn, which offers nothing.
func New(cfg Config, deps Deps) (*SignOn, error) {
	if cfg.Issuer == "" {
		return nil, nil
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure the sign-in by oidc: %w", err)
	}
	key, err := hkdf.Key(sha256.New, deps.Secret, nil, "unionlink.oidc.v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of sign-ins: %w", err)
	}
	if deps.Client == nil {
		deps.Client = &http.Client{Timeout: 10 * time.Second}
	}
	return &SignOn{cfg: cfg, client: deps.Client, now: deps.Now, key: key}, nil
}

// Name is what the provider is called on a button.
func (s *SignOn) Name() string {
	if s.cfg.Name != "" {
		return s.cfg.Name
	}
	u, _ := url.Parse(s.cfg.Issuer) // validated
	return strings.TrimPrefix(u.Hostname(), "www.")
}

// discover reads the provider's configuration, once it can be read.
func (s *SignOn) discover(ctx context.Context) (*oidc.Provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.provider == nil {
		p, err := oidc.NewProvider(ctx, s.cfg.Issuer)
		if err != nil {
			return nil, fmt.Errorf("read the configuration of the oidc issuer: %w", err)
		}
		s.provider = p
	}
	return s.provider, nil
}

// within makes requests to the provider use the client.
func (s *SignOn) within(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, s.client)
}

func (s *SignOn) oauth(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: s.cfg.ClientID, ClientSecret: s.cfg.ClientSecret, RedirectURL: s.cfg.RedirectURL, Endpoint: p.Endpoint(),
		Scopes: append([]string{oidc.ScopeOpenID, oidc.ScopeEmail}, s.cfg.Scopes...),
	}
}
