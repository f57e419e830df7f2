package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/export"
	"github.com/unionlink/unionlink/api/query"
)

// Problem is an answer that is no success, as RFC 9457 has it. Type is stable.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty" doc:"what to know and do"`
	// Parameter names the parameter or field at fault.
	Parameter string `json:"parameter,omitempty" doc:"the parameter or field at fault"`
}

// Error shows the title and the detail.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// kinds are the types of problem, with their status and title.
var kinds = map[string]struct {
	status int
	title  string
}{
	"invalid-parameter":  {http.StatusBadRequest, "A parameter is not valid"},
	"unknown-parameter":  {http.StatusBadRequest, "A parameter is not known here"},
	"invalid-cursor":     {http.StatusBadRequest, "The cursor is not one of this question's"},
	"invalid-body":       {http.StatusBadRequest, "The body is not valid"},
	"unauthenticated":    {http.StatusUnauthorized, "A token or a session is needed"},
	"forbidden":          {http.StatusForbidden, "The role may not do this"},
	"invalid-csrf":       {http.StatusForbidden, "The header X-CSRF-Token is not right"},
	"foreign-account":    {http.StatusForbidden, "The account is not among those the token may see"},
	"not-found":          {http.StatusNotFound, "There is no such thing"},
	"method-not-allowed": {http.StatusMethodNotAllowed, "The method is not allowed here"},
	"too-large":          {http.StatusRequestEntityTooLarge, "The body is too large"},
	"too-expensive":      {http.StatusUnprocessableEntity, "The question needs more time or memory than one may take"},
	"busy":               {http.StatusServiceUnavailable, "Too many questions are being answered"},
	"unavailable":        {http.StatusServiceUnavailable, "A server behind the api is not there now"},
	"not-offered":        {http.StatusNotImplemented, "This installation does not offer it"},
	"internal":           {http.StatusInternalServerError, "The api is at fault"},
}

func problem(kind, format string, args ...any) *Problem {
	k := kinds[kind]
	return &Problem{Type: kind, Title: k.title, Status: k.status, Detail: fmt.Sprintf(format, args...)}
}

func badParameter(name, format string, args ...any) *Problem {
	p := problem("invalid-parameter", format, args...)
	p.Parameter = name
	return p
}

// clickhouseKinds says what a ClickHouse error code means to the caller.
// Source: src/Common/ErrorCodes.cpp of ClickHouse.
var clickhouseKinds = map[int32]string{
	158: "too-expensive", // TOO_MANY_ROWS
	159: "too-expensive", // TIMEOUT_EXCEEDED
	160: "too-expensive", // TOO_SLOW
	241: "too-expensive", // MEMORY_LIMIT_EXCEEDED
	307: "too-expensive", // TOO_MANY_BYTES
	396: "too-expensive", // TOO_MANY_ROWS_OR_BYTES
	202: "busy",          // TOO_MANY_SIMULTANEOUS_QUERIES
	201: "busy",          // QUOTA_EXCEEDED
	516: "unavailable",   // AUTHENTICATION_FAILED
	81:  "unavailable",   // UNKNOWN_DATABASE
	60:  "unavailable",   // UNKNOWN_TABLE: not migrated yet
}

// problemOf tells what an error means to the caller. What is the api's own fault is told
// without its text, which goes to the log.
func problemOf(err error) *Problem {
	var p *Problem
	var exception *clickhouse.Exception
	var param *query.ParamError
	var network net.Error
	var op *net.OpError
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, access.ErrUnauthenticated):
		return problem("unauthenticated", "send Authorization: Bearer and a token, or sign in")
	case errors.Is(err, access.ErrCSRF):
		return problem("invalid-csrf", "send the csrf of GET /v1/session in the header X-CSRF-Token")
	case errors.Is(err, export.ErrNotOffered):
		return problem("not-offered", "%v", export.ErrNotOffered)
	case errors.Is(err, query.ErrNotFound):
		return problem("not-found", "nothing of it is known in the accounts that the token may see")
	case errors.As(err, &param):
		return badParameter(param.Parameter, "%s", param.Detail)
	case errors.As(err, &exception):
		if kind := clickhouseKinds[exception.Code]; kind != "" {
			return problem(kind, "clickhouse answered with its code %d", exception.Code)
		}
	case errors.Is(err, context.DeadlineExceeded):
		return problem("too-expensive", "ask for a shorter period or fewer accounts")
	case errors.Is(err, clickhouse.ErrAcquireConnTimeout):
		return problem("busy", "ask again")
	case errors.As(err, &network), errors.As(err, &op), errors.Is(err, clickhouse.ErrConnectionClosed), errors.Is(err, clickhouse.ErrServerUnexpectedData):
		return problem("unavailable", "clickhouse does not answer; ask again")
	}
	return problem("internal", "see the api's log")
}

// send writes a problem as the answer.
func (p *Problem) send(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="unionlink"`)
	}
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(p.Status)
	body, err := json.Marshal(p)
	if err != nil {
		return // a struct of strings always marshals
	}
	w.Write(body) // the caller may be gone, which nobody is left to tell
}
