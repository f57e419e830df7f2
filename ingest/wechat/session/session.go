// Package session signs the tokens that a login answers with, and publishes the
// keys by which an account's back end checks them (JWKS, RFC 7517).
//
// Tokens are JWTs signed with ES256. The keys are made here and kept in a NATS
// bucket that all ingest processes share; nobody configures them. A new key is
// published an hour before it signs, and stays published until the last token that
// it signed has ended, so that neither a cache nor a rotation ever refuses a good
// token.
package session

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/ingest/wechat/bucket"
)

// Config sets how long tokens and keys live.
type Config struct {
	// Issuer is the iss claim. Default "unionlink".
	Issuer string `yaml:"issuer"`
	// Lifetime of a token. Default 24 h.
	Lifetime time.Duration `yaml:"lifetime"`
	// Rotate is how long a key signs. Default 30 days.
	Rotate time.Duration `yaml:"rotate"`
}

// WithDefaults fills what is not set.
func (c Config) WithDefaults() Config {
	if c.Issuer == "" {
		c.Issuer = "unionlink"
	}
	if c.Lifetime == 0 {
		c.Lifetime = 24 * time.Hour
	}
	if c.Rotate == 0 {
		c.Rotate = 30 * 24 * time.Hour
	}
	return c
}

// Validate returns every fault, joined.
func (c Config) Validate() error {
	var faults []error
	if c.Lifetime < time.Minute {
		faults = append(faults, errors.New("lifetime: is under a minute"))
	}
	if c.Rotate <= lead {
		faults = append(faults, fmt.Errorf("rotate: is not over %s", lead))
	}
	return errors.Join(faults...)
}

const (
	// lead is how long a key is published before it signs.
	lead = time.Hour
	// fresh is how long a process trusts its copy of the keys; far below lead.
	fresh = time.Minute
)

// Claims are what a token says beside issuer and times.
type Claims struct {
	// AppID is the audience: the account that the user logged in to.
	AppID string
	// PersonID is the subject. It is the person as far as this login tells, and may
	// change as links are learnt; OpenID does not.
	PersonID string
	OpenID   string
}

// key is one signing key as the bucket holds it.
type key struct {
	ID string `json:"id"`
	// Private is PKCS #8.
	Private []byte `json:"private"`
	// Signs is when it begins to sign.
	Signs time.Time `json:"signs"`
}

type ring struct {
	Keys []key `json:"keys"` // oldest first
}

// signing is the newest key that signs at now.
func (r ring) signing(now time.Time) (key, bool) {
	for i := len(r.Keys) - 1; i >= 0; i-- {
		if !r.Keys[i].Signs.After(now) {
			return r.Keys[i], true
		}
	}
	return key{}, false
}

// Signer is safe for concurrent use, by any number of processes.
type Signer struct {
	cfg Config
	kv  *bucket.Bucket
	now func() time.Time

	mu   sync.Mutex
	ring ring
	read time.Time
}

// New makes a signer; it talks to nobody. A nil clock is time.Now.
func New(cfg Config, js jetstream.JetStream, now func() time.Time) (*Signer, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if now == nil {
		now = time.Now
	}
	return &Signer{cfg: cfg, now: now, kv: bucket.New(js, bucket.Config{
		Name: "UNIONLINK_WECHAT_SESSION_KEYS", Description: "keys that sign session tokens",
	})}, nil
}

// Sign returns a token for the claims, good for the configured lifetime.
func (s *Signer) Sign(ctx context.Context, c Claims) (string, error) {
	r, err := s.keys(ctx)
	if err != nil {
		return "", err
	}
	now := s.now()
	k, ok := r.signing(now)
	if !ok {
		return "", errors.New("sign session token: no key signs yet")
	}
	private, err := k.private()
	if err != nil {
		return "", err
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": s.cfg.Issuer, "sub": c.PersonID, "aud": c.AppID, "openid": c.OpenID,
		"iat": now.Unix(), "exp": now.Add(s.cfg.Lifetime).Unix(), "jti": rand.Text(),
	})
	t.Header["kid"] = k.ID
	signed, err := t.SignedString(private)
	if err != nil {
		return "", fmt.Errorf("sign session token: %w", err)
	}
	return signed, nil
}

// JWKS serves the public keys at /.well-known/jwks.json.
func (s *Signer) JWKS(w http.ResponseWriter, r *http.Request) {
	body, err := s.publicKeys(r.Context())
	if err != nil {
		w.Header().Set("Retry-After", "2")
		http.Error(w, "the keys cannot be read now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age=600")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(body) // a reader that left needs no answer
}

func (s *Signer) publicKeys(ctx context.Context) ([]byte, error) {
	r, err := s.keys(ctx)
	if err != nil {
		return nil, err
	}
	set := jose.JSONWebKeySet{Keys: make([]jose.JSONWebKey, 0, len(r.Keys))}
	for _, k := range r.Keys {
		private, err := k.private()
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: private.Public(), KeyID: k.ID, Algorithm: "ES256", Use: "sig"})
	}
	return json.Marshal(set)
}

// keys returns the ring, rotated where that is due.
func (s *Signer) keys(ctx context.Context) (ring, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if age := now.Sub(s.read); age >= 0 && age < fresh && len(s.ring.Keys) > 0 {
		return s.ring, nil
	}
	for {
		var r ring
		revision, err := s.kv.Read(ctx, "keys", &r)
		if err != nil {
			return ring{}, err
		}
		next, changed, err := s.rotate(r, now)
		if err != nil {
			return ring{}, err
		}
		if changed {
			_, err = s.kv.Write(ctx, "keys", next, revision)
		}
		if errors.Is(err, bucket.ErrChanged) {
			continue // another process rotated: read its ring
		}
		if err != nil {
			return ring{}, err
		}
		s.ring, s.read = next, now
		return next, nil
	}
}

// rotate adds a key where the newest has signed long enough, and drops keys whose
// last token has ended.
func (s *Signer) rotate(r ring, now time.Time) (next ring, changed bool, err error) {
	for i, k := range r.Keys {
		successor := i + 1
		if successor < len(r.Keys) && now.After(r.Keys[successor].Signs.Add(s.cfg.Lifetime+lead)) {
			changed = true
			continue
		}
		next.Keys = append(next.Keys, k)
	}
	signs := now // the first key signs at once
	if n := len(next.Keys); n > 0 {
		if now.Before(next.Keys[n-1].Signs.Add(s.cfg.Rotate - lead)) {
			return next, changed, nil
		}
		signs = now.Add(lead)
	}
	k, err := newKey(signs)
	if err != nil {
		return ring{}, false, err
	}
	next.Keys = append(next.Keys, k)
	return next, true, nil
}

func newKey(signs time.Time) (key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return key{}, fmt.Errorf("make session key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return key{}, fmt.Errorf("encode session key: %w", err)
	}
	return key{ID: rand.Text()[:16], Private: der, Signs: signs}, nil
}

func (k key) private() (*ecdsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(k.Private)
	if err != nil {
		return nil, fmt.Errorf("decode session key %s: %w", k.ID, err)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("decode session key %s: it is not an ECDSA key", k.ID)
	}
	return private, nil
}
