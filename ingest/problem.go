package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// The types of problem, as they stand in answers. They are stable.
const (
	ProblemUnauthorized    = "unauthorized"
	ProblemSignature       = "invalid-signature"
	ProblemRateLimited     = "rate-limited"
	ProblemMediaType       = "unsupported-media-type"
	ProblemEncoding        = "invalid-encoding"
	ProblemEmpty           = "empty-body"
	ProblemJSON            = schemas.RefusedJSON
	ProblemBodyTooLarge    = "body-too-large"
	ProblemTooManyEvents   = "too-many-events"
	ProblemReadTimeout     = "read-timeout"
	ProblemBusy            = "busy"
	ProblemFull            = "stream-full"
	ProblemUnavailable     = "stream-unavailable"
	problemContentType     = "application/problem+json"
	challengeMissing       = `Bearer realm="unionlink"`
	challengeWrong         = `Bearer realm="unionlink", error="invalid_token"`
	acceptedMediaTypes     = "application/json, application/x-ndjson, application/cloudevents+json, application/cloudevents-batch+json"
	acceptedContentCodings = "gzip"
)

// Problem is an answer to a request that was not taken (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`

	retryAfter time.Duration
	header     [2]string // one more header, name and value; empty: none
}

// Error shows type and detail.
func (p *Problem) Error() string { return p.Type + ": " + p.Detail }

func newProblem(status int, typ, format string, args ...any) *Problem {
	return &Problem{Type: typ, Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

func (p *Problem) after(d time.Duration) *Problem { p.retryAfter = d; return p }

func (p *Problem) with(name, value string) *Problem { p.header = [2]string{name, value}; return p }

// write answers with the problem and returns its status. A client that is gone is no fault.
func (p *Problem) write(w http.ResponseWriter) int {
	h := w.Header()
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	if p.header[0] != "" {
		h.Set(p.header[0], p.header[1])
	}
	writeJSON(w, p.Status, problemContentType, p)
	return p.Status
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client is gone; there is nobody to tell
}

// problemOf turns whatever ended a request into its answer.
func problemOf(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrBusy):
		return newProblem(http.StatusServiceUnavailable, ProblemBusy, "%s; send the same request again", err).after(time.Second)
	case errors.Is(err, ErrFull):
		return newProblem(http.StatusServiceUnavailable, ProblemFull, "the event stream is full; send the same request again later").after(30 * time.Second)
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusServiceUnavailable, ProblemUnavailable,
			"the event stream did not confirm the events; send the same request again, which does no harm if they are stored").after(2 * time.Second)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return newProblem(http.StatusRequestTimeout, ProblemReadTimeout, "the body did not arrive in time")
	}
	return newProblem(http.StatusBadRequest, ProblemEncoding, "the body cannot be read: %s", err)
}
