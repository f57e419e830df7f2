package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"time"
)

// CookieName is the name of the session's cookie.
const CookieName = "unionlink_session"

// Session is a signed-in browser.
type Session struct {
	User User
	// CSRF is what changes must carry in X-CSRF-Token.
	CSRF string
	// Ends is when the session is over.
	Ends time.Time
}

// A session's cookie is base64url of: end in Unix seconds (8 bytes), a nonce (16),
// which token (the hash of its hash, 32), the HMAC-SHA256 of all that (32).
const (
	nonceAt  = 8
	tokenAt  = nonceAt + 16
	macAt    = tokenAt + sha256.Size
	cookieAt = macAt + sha256.Size
)

// SignIn turns a token into a session's cookie. The cookie is for HTTPS only where the
// request came by it. Errors: ErrUnauthenticated.
func (g *Gate) SignIn(token string, secure bool) (Session, *http.Cookie, error) {
	k, err := g.byToken(token)
	if err != nil {
		return Session{}, nil, err
	}
	ends := g.now().Add(g.lifetime).Truncate(time.Second)
	b := make([]byte, macAt, cookieAt)
	binary.BigEndian.PutUint64(b, uint64(ends.Unix()))
	if _, err := rand.Read(b[nonceAt:tokenAt]); err != nil {
		return Session{}, nil, fmt.Errorf("make a session: %w", err)
	}
	id := sha256.Sum256(k.hash[:])
	copy(b[tokenAt:], id[:])
	cookie := g.cookie(base64.RawURLEncoding.EncodeToString(append(b, g.mac("cookie", b)...)), secure)
	cookie.MaxAge = int(g.lifetime / time.Second)
	return Session{User: k.user, CSRF: g.csrf(b), Ends: ends}, cookie, nil
}

// SignOut is the cookie that makes a browser forget its session.
func (g *Gate) SignOut(secure bool) *http.Cookie {
	cookie := g.cookie("", secure)
	cookie.MaxAge = -1
	return cookie
}

// Session reads the session of a request. Errors: ErrUnauthenticated.
func (g *Gate) Session(r *http.Request) (Session, error) {
	cookie, err := r.Cookie(CookieName)
	if err != nil {
		return Session{}, ErrUnauthenticated
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cookie.Value)
	if err != nil || len(b) != cookieAt || !hmac.Equal(b[macAt:], g.mac("cookie", b[:macAt])) {
		return Session{}, ErrUnauthenticated
	}
	ends := time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC()
	if !g.now().Before(ends) {
		return Session{}, ErrUnauthenticated
	}
	for _, k := range g.tokens {
		if id := sha256.Sum256(k.hash[:]); hmac.Equal(id[:], b[tokenAt:macAt]) {
			return Session{User: k.user, CSRF: g.csrf(b[:macAt]), Ends: ends}, nil
		}
	}
	return Session{}, ErrUnauthenticated
}

func (g *Gate) cookie(value string, secure bool) *http.Cookie {
	return &http.Cookie{
		Name: CookieName, Value: value, Path: "/",
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	}
}

func (g *Gate) csrf(b []byte) string {
	return base64.RawURLEncoding.EncodeToString(g.mac("csrf", b))
}

func (g *Gate) mac(purpose string, b []byte) []byte {
	h := hmac.New(sha256.New, g.signing)
	h.Write([]byte(purpose))
	h.Write(b)
	return h.Sum(nil)
}
