package sso

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/unionlink/unionlink/api/access"
)

const (
	cookieName = "unionlink_oidc"
	cookiePath = "/v1/session/oidc"
	// patience is how long a user may take at the provider.
	patience = 10 * time.Minute
)

// flow is a sign-in under way.
type flow struct {
	State, Nonce, Verifier, Next string
	Ends                         int64 // Unix seconds
}

// Begin returns the provider's address to send a browser to, and the cookie that binds
// the sign-in to it. next is the page of this console to open afterwards.
func (s *SignOn) Begin(ctx context.Context, next string, secure bool) (string, *http.Cookie, error) {
	p, err := s.discover(s.within(ctx))
	if err != nil {
		return "", nil, err
	}
	f := flow{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: page(next), Ends: s.now().Add(patience).Unix()}
	sealed, err := s.seal(f)
	if err != nil {
		return "", nil, err
	}
	cookie := s.cookie(sealed, secure)
	cookie.MaxAge = int(patience / time.Second)
	return s.oauth(p).AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), cookie, nil
}

// cookie is sent along when the provider leads the browser back, hence not strict.
func (s *SignOn) cookie(value string, secure bool) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: cookiePath, HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode}
}

// Forget is the cookie that ends a sign-in, come what may.
func (s *SignOn) Forget(secure bool) *http.Cookie {
	c := s.cookie("", secure)
	c.MaxAge = -1
	return c
}

// Callback is what the browser comes back with.
type Callback struct {
	Code, State string
	// Fault is the provider's error, such as access_denied.
	Fault string
}

// Finish checks a callback and returns who signs in and the page to open. The request is
// for its cookie. Errors: ErrRefused, ErrNoRole.
func (s *SignOn) Finish(r *http.Request, back Callback) (access.User, string, error) {
	f, err := s.begun(r)
	if err != nil {
		return access.User{}, "", err
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(f.State), []byte(back.State)) != 1:
		return access.User{}, "", fmt.Errorf("%w: the state is another's", ErrRefused)
	case back.Fault != "":
		return access.User{}, "", fmt.Errorf("%w: the provider says %.64q", ErrRefused, back.Fault)
	case back.Code == "":
		return access.User{}, "", fmt.Errorf("%w: there is no code", ErrRefused)
	}
	token, err := s.exchange(s.within(r.Context()), back.Code, f)
	if err != nil {
		return access.User{}, "", err
	}
	user, err := s.user(token)
	return user, f.Next, err
}

// begun reads the cookie of the sign-in under way.
func (s *SignOn) begun(r *http.Request) (flow, error) {
	var f flow
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return f, fmt.Errorf("%w: it was not begun in this browser", ErrRefused)
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cookie.Value)
	if err != nil || len(raw) < sha256.Size || !hmac.Equal(raw[:sha256.Size], s.mac(raw[sha256.Size:])) {
		return f, fmt.Errorf("%w: its cookie is not ours", ErrRefused)
	}
	if err := json.Unmarshal(raw[sha256.Size:], &f); err != nil {
		return f, fmt.Errorf("%w: its cookie cannot be read", ErrRefused)
	}
	if s.now().Unix() >= f.Ends {
		return f, fmt.Errorf("%w: it took longer than %s", ErrRefused, patience)
	}
	return f, nil
}

// exchange turns the code into a verified ID token of this sign-in.
func (s *SignOn) exchange(ctx context.Context, code string, f flow) (*oidc.IDToken, error) {
	p, err := s.discover(ctx)
	if err != nil {
		return nil, err
	}
	got, err := s.oauth(p).Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	var refusal *oauth2.RetrieveError
	if errors.As(err, &refusal) && refusal.Response.StatusCode < http.StatusInternalServerError {
		return nil, fmt.Errorf("%w: the provider does not take the code: %.64q", ErrRefused, refusal.ErrorCode)
	}
	if err != nil {
		return nil, fmt.Errorf("exchange the code of the oidc issuer: %w", err)
	}
	raw, _ := got.Extra("id_token").(string)
	token, err := p.VerifierContext(ctx, &oidc.Config{ClientID: s.cfg.ClientID, Now: s.now}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(f.Nonce)) != 1 {
		return nil, fmt.Errorf("%w: the nonce is another's", ErrRefused)
	}
	return token, nil
}

func (s *SignOn) seal(f flow) (string, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("write the cookie of a sign-in: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(s.mac(text), text...)), nil
}

func (s *SignOn) mac(text []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(text)
	return h.Sum(nil)
}

// ownPage is a path of this host: neither another host's nor what browsers take for one.
var ownPage = regexp.MustCompile(`^/([^/\\\x00-\x1f][^\\\x00-\x1f]*)?$`)

// page is next where it is a page of this host, else the first one.
func page(next string) string {
	if len(next) > 1024 || !ownPage.MatchString(next) {
		return "/"
	}
	return next
}
