// Package access decides who may do what: bearer tokens, the console's sessions,
// roles and the one table of rights they have.
//
// It keeps no token: only SHA-256 hashes, compared in constant time. Sessions are
// signed cookies without a store, so that any number of api processes with the same
// secret know them; they end after their time, when their token or issuer leaves the
// configuration, or when the browser forgets the cookie.
package access

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Errors that callers test for.
var (
	// ErrUnauthenticated is returned where no known token or session is given.
	ErrUnauthenticated = errors.New("no known token or session")
	// ErrCSRF is returned for a change that rests on a cookie without its X-CSRF-Token.
	ErrCSRF = errors.New("the header X-CSRF-Token is not the session's")
)

// User is who asks.
type User struct {
	// Name is the token's, for the audit.
	Name string
	Role Role
	// Accounts are the appids the user may see; nil means all.
	Accounts []string
}

// May tells whether the user has a right.
func (u User) May(r Right) bool { return u.Role.May(r) }

// Sees tells whether the user may see an account.
func (u User) Sees(appid string) bool {
	return u.Accounts == nil || slices.Contains(u.Accounts, appid)
}

// Gate knows the tokens and the sessions made from them.
type Gate struct {
	tokens   []known
	issuer   string
	signing  []byte
	lifetime time.Duration
	now      func() time.Time
}

// Config is what a Gate is made from.
type Config struct {
	// Tokens are all that are known.
	Tokens []Token
	// Issuer names who vouches for the users of Admit; empty: nobody does.
	Issuer string
	// Secret signs sessions; at least 32 bytes, the same in every api process.
	Secret []byte
	// Lifetime is how long a session lasts; 12 hours unless set.
	Lifetime time.Duration
	// Now is the clock.
	Now func() time.Time
}

// New makes a Gate. The error tells every fault of the configuration at once.
func New(cfg Config) (*Gate, error) {
	var faults []error
	if len(cfg.Secret) < 32 {
		faults = append(faults, errors.New("secret: is under 32 bytes"))
	}
	if cfg.Now == nil {
		faults = append(faults, errors.New("now: a clock is required"))
	}
	if cfg.Lifetime < 0 {
		faults = append(faults, errors.New("lifetime: is negative"))
	}
	tokens, err := readTokens(cfg.Tokens)
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, fmt.Errorf("configure access: %w", err)
	}
	signing, err := hkdf.Key(sha256.New, cfg.Secret, nil, "unionlink.session.v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the session key: %w", err)
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = 12 * time.Hour
	}
	return &Gate{tokens: tokens, issuer: cfg.Issuer, signing: signing, lifetime: cfg.Lifetime, now: cfg.Now}, nil
}

// User tells who asks: the bearer token's owner, else the session's. A change that
// rests on a session needs its header X-CSRF-Token. Errors: ErrUnauthenticated, ErrCSRF.
func (g *Gate) User(r *http.Request) (User, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return User{}, ErrUnauthenticated
		}
		k, err := g.byToken(strings.TrimSpace(token))
		if err != nil {
			return User{}, err
		}
		return k.user, nil
	}
	s, err := g.Session(r)
	if err != nil {
		return User{}, err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && !same(r.Header.Get("X-CSRF-Token"), s.CSRF) {
		return User{}, ErrCSRF
	}
	return s.User, nil
}
