package api

import (
	"net/http"
	"strings"

	"github.com/unionlink/unionlink/api/access"
)

type signIn struct {
	Token string `json:"token"`
}

type sessionAnswer struct {
	Name string      `json:"name"`
	Role access.Role `json:"role"`
	CSRF string      `json:"csrf" doc:"what changes carry in X-CSRF-Token"`
	// Accounts is null where the user may see all.
	Accounts *[]string `json:"accounts" doc:"appids the user may see; null: all"`
}

func answerOf(s access.Session) sessionAnswer {
	out := sessionAnswer{Name: s.User.Name, Role: s.User.Role, CSRF: s.CSRF}
	if s.User.Accounts != nil {
		out.Accounts = &s.User.Accounts
	}
	return out
}

func (c *call) signIn() error {
	var in signIn
	if err := c.body(&in); err != nil {
		return err
	}
	s, cookie, err := c.gate.SignIn(strings.TrimSpace(in.Token), c.secure())
	if err != nil {
		return err
	}
	http.SetCookie(c.w, cookie)
	return c.answer(http.StatusOK, answerOf(s))
}

// session tells the session of the cookie; a token is none.
func (c *call) session() error {
	s, err := c.gate.Session(c.r)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, answerOf(s))
}

// signOut makes the browser forget the session, known or not.
func (c *call) signOut() error {
	if _, err := c.gate.Session(c.r); err == nil {
		if _, err := c.gate.User(c.r); err != nil {
			return err // without its CSRF token
		}
	}
	http.SetCookie(c.w, c.gate.SignOut(c.secure()))
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// secure tells whether the browser came by HTTPS, here or at a proxy.
func (c *call) secure() bool {
	return c.r.TLS != nil || strings.EqualFold(c.r.Header.Get("X-Forwarded-Proto"), "https")
}
