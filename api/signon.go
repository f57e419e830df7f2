package api

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/sso"
)

func signOnRoutes() []route {
	return []route{
		{
			method: http.MethodGet, path: "/v1/session/ways", id: "sign-in-ways", summary: "How one may sign in here.",
			right: access.RightAnyone, answer: reflect.TypeFor[waysAnswer](), status: http.StatusOK, serve: (*call).ways,
		},
		{
			method: http.MethodGet, path: "/v1/session/oidc", id: "sign-in-oidc", summary: "Send the browser to the company's sign-in.",
			right: access.RightAnyone, params: []string{"next"}, status: http.StatusFound, serve: (*call).beginSignOn,
		},
		{
			method: http.MethodGet, path: sso.CallbackPath, id: "sign-in-oidc-callback", summary: "Where the company's sign-in sends the browser back to.",
			right: access.RightAnyone, params: callbackParams, status: http.StatusFound, serve: (*call).finishSignOn,
		},
	}
}

// callbackParams are what providers come back with: of RFC 6749, OpenID Connect and RFC
// 9207, and what Google adds. Only code, state and error are read.
var callbackParams = []string{"code", "state", "error", "error_description", "error_uri", "iss", "session_state", "scope", "authuser", "hd", "prompt"}

type waysAnswer struct {
	Token bool     `json:"token" doc:"a token can be exchanged for a session"`
	OIDC  *oidcWay `json:"oidc" doc:"the company's sign-in; null: there is none"`
}

type oidcWay struct {
	Name string `json:"name" doc:"what it is called"`
}

func (c *call) ways() error {
	out := waysAnswer{Token: true}
	if c.signOn != nil {
		out.OIDC = &oidcWay{c.signOn.Name()}
	}
	return c.answer(http.StatusOK, out)
}

func (c *call) beginSignOn() error {
	if c.signOn == nil {
		return problem("not-offered", "no oidc issuer is configured")
	}
	to, cookie, err := c.signOn.Begin(c.r.Context(), c.values.Get("next"), c.secure())
	if err != nil {
		return c.backToSignIn(err)
	}
	http.SetCookie(c.w, cookie)
	return c.redirect(to)
}

func (c *call) finishSignOn() error {
	if c.signOn == nil {
		return problem("not-offered", "no oidc issuer is configured")
	}
	http.SetCookie(c.w, c.signOn.Forget(c.secure()))
	v := c.values
	user, next, err := c.signOn.Finish(c.r, sso.Callback{Code: v.Get("code"), State: v.Get("state"), Fault: v.Get("error")})
	if err != nil {
		return c.backToSignIn(err)
	}
	_, cookie, err := c.gate.Admit(user, c.secure())
	if err != nil {
		return err
	}
	http.SetCookie(c.w, cookie)
	return c.redirect(next)
}

// backToSignIn leads a browser whose sign-in came to nothing to the console's page, which
// tells why by the name of a problem. The log has the cause.
func (c *call) backToSignIn(err error) error {
	kind, level := "unavailable", slog.LevelWarn
	switch {
	case errors.Is(err, sso.ErrNoRole):
		kind, level = "forbidden", slog.LevelInfo
	case errors.Is(err, sso.ErrRefused):
		kind, level = "unauthenticated", slog.LevelInfo
	}
	c.deps.Log.Log(c.r.Context(), level, "a sign-in by oidc came to nothing", "problem", kind, "error", err)
	return c.redirect("/sign-in?" + url.Values{"problem": {kind}}.Encode())
}

func (c *call) redirect(to string) error {
	c.w.Header().Set("Location", to)
	c.w.WriteHeader(http.StatusFound)
	return nil
}
