package api

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/unionlink/unionlink/api/access"
)

// table is every route with who may use it.
func (a *API) table() []route {
	return slices.Concat(reportRoutes(), personRoutes(), audienceRoutes(), signOnRoutes(), []route{
		{
			method: http.MethodPost, path: "/v1/session", id: "sign-in", summary: "Exchange a token for the console's session cookie.",
			right: access.RightAnyone, body: reflect.TypeFor[signIn](), answer: reflect.TypeFor[sessionAnswer](), status: http.StatusOK, serve: (*call).signIn,
		},
		{
			method: http.MethodGet, path: "/v1/session", id: "session", summary: "Who the session cookie is of.",
			right: access.RightAnyone, answer: reflect.TypeFor[sessionAnswer](), status: http.StatusOK, serve: (*call).session,
		},
		{
			method: http.MethodDelete, path: "/v1/session", id: "sign-out", summary: "Forget the session.",
			right: access.RightAnyone, status: http.StatusNoContent, serve: (*call).signOut,
		},
		{
			method: http.MethodGet, path: "/v1/accounts", id: "accounts", summary: "The configured accounts.",
			right: access.RightRead, answer: reflect.TypeFor[accountsAnswer](), status: http.StatusOK, serve: (*call).accounts,
		},
		{
			method: http.MethodGet, path: "/v1/health/identity", id: "identity-health", summary: "How much is linked, what is in doubt, and how far the stream is counted.",
			right: access.RightRead, params: periodParams, answer: reflect.TypeFor[healthAnswer](), status: http.StatusOK, serve: (*call).health,
		},
		{
			method: http.MethodGet, path: "/v1/dead-letters", id: "dead-letters", summary: "What could not be counted, oldest first.",
			right: access.RightDeadLetters, params: pageParams, answer: reflect.TypeFor[lettersAnswer](), status: http.StatusOK, serve: (*call).deadLetters,
		},
		{
			method: http.MethodGet, path: "/v1/audit", id: "audit", summary: "Who exported, undid or erased what, latest first.",
			right: access.RightAudit, params: pageParams, answer: reflect.TypeFor[auditAnswer](), status: http.StatusOK, serve: (*call).auditEntries,
		},
		{
			method: http.MethodGet, path: "/openapi.json", id: "openapi", summary: "This document.",
			right: access.RightAnyone, answer: reflect.TypeFor[map[string]any](), status: http.StatusOK, serve: (*call).openapi,
		},
		{
			method: http.MethodGet, path: "/livez", id: "livez", summary: "Whether the process runs.",
			right: access.RightAnyone, answer: reflect.TypeFor[liveAnswer](), status: http.StatusOK, serve: (*call).live,
		},
	})
}

type liveAnswer struct {
	Live bool `json:"live"`
}

func (c *call) live() error { return c.answer(http.StatusOK, liveAnswer{true}) }

func (c *call) openapi() error {
	c.w.Header().Set("Content-Type", "application/json")
	if _, err := c.w.Write(c.document); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}
