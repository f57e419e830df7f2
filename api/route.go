package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/export"
	"github.com/unionlink/unionlink/api/openapi"
	"github.com/unionlink/unionlink/api/query"
)

// route is one row of the table of routes: who may use it, what it takes and gives. A
// route without a right is nobody's.
type route struct {
	method, path string
	id, summary  string
	right        access.Right
	// params are names of parameters.
	params []string
	// body and answer are the types of the JSON; nil where there is none.
	body, answer reflect.Type
	// status is the successful answer's; 200 unless set. also is another one.
	status, also int
	serve        func(*call) error
}

// has tells whether the route has a parameter.
func (r *route) has(parameter string) bool { return slices.Contains(r.params, parameter) }

// document makes the OpenAPI document of the routes.
func document(routes []route) ([]byte, error) {
	ops := make([]openapi.Operation, 0, len(routes))
	for _, r := range routes {
		op := openapi.Operation{
			Method: r.method, Path: r.path, ID: r.id, Summary: r.summary, Right: string(r.right),
			Open: r.right == access.RightAnyone, Body: r.body, Answers: map[int]reflect.Type{},
		}
		for _, name := range r.params {
			p := parameters[name]
			p.Name = name
			op.Params = append(op.Params, p)
		}
		for _, status := range []int{r.status, r.also} {
			if status != 0 {
				op.Answers[status] = r.answer
			}
		}
		if r.has("format") {
			for _, f := range export.Formats[1:] {
				op.Media = append(op.Media, f.ContentType())
			}
		}
		ops = append(ops, op)
	}
	return openapi.Build(openapi.Info{
		Title: "unionlink", Version: "1", Problem: reflect.TypeFor[Problem](),
		Description: "What persons bought across the WeChat apps of one company. Amounts are integers in minor units of the currency beside them.",
	}, ops)
}

// handler serves the table of routes.
func (a *API) handler() http.Handler {
	mux := chi.NewMux()
	for i := range a.routes {
		r := &a.routes[i]
		mux.Method(r.method, r.path, a.serve(r))
	}
	mux.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		problem("not-found", "there is no such route; see /openapi.json").send(w)
	})
	mux.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		problem("method-not-allowed", "%s has no %.16s; see /openapi.json", r.URL.Path, r.Method).send(w)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A router of its own, whatever router it hangs on.
		ctx := context.WithValue(r.Context(), chi.RouteCtxKey, chi.NewRouteContext())
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

// errBroken is returned once an answer has begun and cannot be finished.
var errBroken = errors.New("the answer broke off")

func (a *API) serve(r *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := time.Now()
		sw := &statusWriter{ResponseWriter: w}
		sw.Header().Set("Cache-Control", "no-store")
		sw.Header().Set("X-Content-Type-Options", "nosniff")
		err := a.attempt(r, sw, req)
		broken := errors.Is(err, errBroken)
		if err != nil && !broken {
			problemOf(err).send(sw)
		}
		status := strconv.Itoa(sw.status)
		if broken {
			status = "broken"
		}
		a.metrics.requests.WithLabelValues(r.id, status).Inc()
		a.metrics.seconds.WithLabelValues(r.id).Observe(time.Since(start).Seconds())
		if broken || sw.status >= http.StatusInternalServerError {
			a.deps.Log.LogAttrs(req.Context(), levelOf(req), "answer a question", logAttrs(r, status, err)...)
		}
		if broken {
			panic(http.ErrAbortHandler) // breaks the connection, so that the answer does not look whole
		}
	})
}

// attempt checks who asks and what, and serves.
func (a *API) attempt(r *route, w http.ResponseWriter, req *http.Request) error {
	c := &call{API: a, route: r, w: w, r: req}
	if r.right != access.RightAnyone {
		var err error
		if c.user, err = a.gate.User(req); err != nil {
			return err
		}
		if !c.user.May(r.right) {
			return problem("forbidden", "the role %s may not do this", c.user.Role)
		}
	}
	c.reports = query.New(a.reader(c.user))
	asked, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return problem("invalid-parameter", "the query string cannot be read: %v", err)
	}
	c.values = values{asked}
	if err := c.values.known(r); err != nil {
		return err
	}
	return r.serve(c)
}

// statusWriter remembers the status for the metrics.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first status.
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write is 200 unless WriteHeader was called before.
func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	if err != nil {
		return n, fmt.Errorf("write the answer: %w", err)
	}
	return n, nil
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
