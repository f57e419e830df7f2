package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/unionlink/unionlink/ingest/wechat/bucket"
)

// state is one authorization from its beginning to its code. Its key is the digest
// of the text that travels through WeChat.
type state struct {
	AppID string `json:"appid"`
	// Browser is the digest of the cookie of the browser that began.
	Browser  string `json:"browser"`
	ReturnTo string `json:"return_to,omitempty"`
	// Code is the digest of the one code that this state came back with.
	Code string `json:"code,omitempty"`
}

func stateKey(text string) string { return bucket.Key("state", bucket.Digest(text)) }

// issue stores a new state and returns its text: letters and digits, as WeChat
// wants, far below its limit of 128 bytes.
func (l *Login) issue(ctx context.Context, s state) (text string, err error) {
	text = rand.Text()
	if _, err := l.kv.Write(ctx, stateKey(text), s, 0); err != nil {
		return "", fmt.Errorf("store state: %w", err)
	}
	return text, nil
}

// look returns the state if it is this browser's and this account's; errState otherwise.
func (l *Login) look(ctx context.Context, appid, text, browser string) (s state, revision uint64, err error) {
	if text == "" || len(text) > 128 || browser == "" {
		return state{}, 0, errState
	}
	revision, err = l.kv.Read(ctx, stateKey(text), &s)
	switch {
	case err != nil:
		return state{}, 0, fmt.Errorf("read state: %w", err)
	case revision == 0 || s.AppID != appid || s.Browser != browser:
		return state{}, 0, errState
	}
	return s, revision, nil
}

// spend binds the state to a code, for ever: a second code with it is refused, the
// same one may come again.
func (l *Login) spend(ctx context.Context, appid, text, browser, code string) error {
	digest := bucket.Digest(code)
	for {
		s, revision, err := l.look(ctx, appid, text, browser)
		switch {
		case err != nil:
			return err
		case s.Code == digest:
			return nil
		case s.Code != "":
			return errState
		}
		s.Code = digest
		_, err = l.kv.Write(ctx, stateKey(text), s, revision)
		if errors.Is(err, bucket.ErrChanged) {
			continue // the same browser's other request was first
		}
		return err
	}
}

// cookieName has the __Host- prefix where it can, so that no other host of the
// domain may set the cookie.
func cookieName(secure bool) string {
	if secure {
		return "__Host-unionlink_browser"
	}
	return "unionlink_browser"
}

func (l *Login) secure(r *http.Request) bool {
	return r.TLS != nil || strings.HasPrefix(l.cfg.PublicURL, "https://")
}

// browser returns the digest of the browser's cookie, empty without one.
func (l *Login) browser(r *http.Request) string {
	c, err := r.Cookie(cookieName(l.secure(r)))
	if err != nil || len(c.Value) < 20 || len(c.Value) > 64 {
		return ""
	}
	return bucket.Digest(c.Value)
}

// mark gives the browser its cookie, or keeps the one it has, and returns its digest.
// It ends with the browser's session: it binds logins, it does not follow people.
func (l *Login) mark(w http.ResponseWriter, r *http.Request) string {
	if digest := l.browser(r); digest != "" {
		return digest
	}
	secure := l.secure(r)
	c := &http.Cookie{Name: cookieName(secure), Value: rand.Text(), Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode}
	if l.cfg.CrossSite {
		c.SameSite = http.SameSiteNoneMode
	}
	http.SetCookie(w, c)
	return bucket.Digest(c.Value)
}

// public is the origin that browsers reach ingest by.
func (l *Login) public(r *http.Request) string {
	if l.cfg.PublicURL != "" {
		return l.cfg.PublicURL
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// returnTo checks where a browser asks to return to. A path is one of ingest's own origin.
func (l *Login) returnTo(r *http.Request, wanted string) (string, bool) {
	allowed := l.cfg.ReturnTo
	if len(allowed) == 0 {
		allowed = []string{l.public(r) + "/"}
	}
	if wanted == "" {
		return allowed[0], true
	}
	if strings.HasPrefix(wanted, "/") && !strings.HasPrefix(wanted, "//") {
		wanted = l.public(r) + wanted
	}
	u, err := parseReturn(wanted)
	if err != nil {
		return "", false
	}
	for _, a := range allowed {
		base, err := parseReturn(a)
		if err == nil && base.Scheme == u.Scheme && base.Host == u.Host && under(u.Path, base.Path) {
			return u.String(), true
		}
	}
	return "", false
}

// under tells whether p is base or below it, segment by segment.
func under(p, base string) bool {
	base = strings.TrimSuffix(base, "/")
	return p == base || strings.HasPrefix(p, base+"/") || (base == "" && p == "")
}

// parseReturn takes an absolute http or https address that every browser reads alike.
func parseReturn(s string) (*url.URL, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' || r > '~' }) {
		return nil, errors.New("has characters that browsers read in different ways")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("is not an address")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, errors.New("is not an http or https address")
	case u.User != nil, u.Opaque != "":
		return nil, errors.New("has more than host, path and query before its fragment")
	case u.Path != "" && path.Clean(u.Path) != strings.TrimSuffix(u.Path, "/") && path.Clean(u.Path) != u.Path:
		return nil, errors.New("has . or .. or // in its path")
	}
	return u, nil
}
