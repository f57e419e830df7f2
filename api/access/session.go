package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
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

// A session's cookie is base64url of: end in Unix seconds (8 bytes), a nonce (16), of
// whom it is, the HMAC-SHA256 of all that (32). Of whom is either which token (the hash
// of its hash, 32) or, admitted by the issuer, the user as JSON; the HMACs of the two
// differ in their purpose.
const (
	nonceAt = 8
	whoAt   = nonceAt + 16
)

const (
	purposeToken = "cookie"
	purposeUser  = "user of "
)

// SignIn turns a token into a session's cookie. The cookie is for HTTPS only where the
// request came by it. Errors: ErrUnauthenticated.
func (g *Gate) SignIn(token string, secure bool) (Session, *http.Cookie, error) {
	k, err := g.byToken(token)
	if err != nil {
		return Session{}, nil, err
	}
	id := sha256.Sum256(k.hash[:])
	return g.open(k.user, purposeToken, id[:], secure)
}

// Admit makes a session's cookie for a user whom the issuer vouches for. It ends after
// its time, or when the issuer leaves the configuration.
func (g *Gate) Admit(u User, secure bool) (Session, *http.Cookie, error) {
	who, err := json.Marshal(u)
	if err != nil {
		return Session{}, nil, fmt.Errorf("make a session: %w", err)
	}
	return g.open(u, purposeUser+g.issuer, who, secure)
}

func (g *Gate) open(u User, purpose string, who []byte, secure bool) (Session, *http.Cookie, error) {
	ends := g.now().Add(g.lifetime).Truncate(time.Second)
	b := make([]byte, whoAt, whoAt+len(who)+sha256.Size)
	binary.BigEndian.PutUint64(b, uint64(ends.Unix()))
	if _, err := rand.Read(b[nonceAt:whoAt]); err != nil {
		return Session{}, nil, fmt.Errorf("make a session: %w", err)
	}
	b = append(b, who...)
	s := Session{User: u, CSRF: g.csrf(b), Ends: ends}
	cookie := g.cookie(base64.RawURLEncoding.EncodeToString(append(b, g.mac(purpose, b)...)), secure)
	cookie.MaxAge = int(g.lifetime / time.Second)
	return s, cookie, nil
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
	if err != nil || len(b) < whoAt+sha256.Size {
		return Session{}, ErrUnauthenticated
	}
	b, mac := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	ends := time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC()
	if !g.now().Before(ends) {
		return Session{}, ErrUnauthenticated
	}
	s := Session{CSRF: g.csrf(b), Ends: ends}
	switch {
	case hmac.Equal(mac, g.mac(purposeToken, b)):
		s.User, err = g.byID(b[whoAt:])
	case g.issuer != "" && hmac.Equal(mac, g.mac(purposeUser+g.issuer, b)):
		err = json.Unmarshal(b[whoAt:], &s.User)
	default:
		err = ErrUnauthenticated
	}
	if err != nil {
		return Session{}, ErrUnauthenticated
	}
	return s, nil
}

// byID finds the owner of the token that a cookie names.
func (g *Gate) byID(who []byte) (User, error) {
	for _, k := range g.tokens {
		if id := sha256.Sum256(k.hash[:]); hmac.Equal(id[:], who) {
			return k.user, nil
		}
	}
	return User{}, ErrUnauthenticated
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
