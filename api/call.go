package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
)

// call is one request on its way.
type call struct {
	*API
	route *route
	w     http.ResponseWriter
	r     *http.Request
	user  access.User
	// reports see what the user may see.
	reports *query.Reports
	values  values
}

// path is a path parameter, unescaped.
func (c *call) path(name string) string {
	s := chi.URLParam(c.r, name)
	if c.r.URL.RawPath == "" {
		return s
	}
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// identifier is a path parameter that may be an identifier.
func (c *call) identifier(name string) (string, error) {
	s := c.path(name)
	if err := schemas.CheckIdentifier(name, s); err != nil {
		return "", badParameter(name, "%v", err)
	}
	return s, nil
}

// person is the path parameter person_id.
func (c *call) person() (uint64, error) {
	h, err := schemas.ParsePersonID(c.path("person_id"))
	if err != nil {
		return 0, badParameter("person_id", "is p_ and 16 hex digits")
	}
	return h, nil
}

// timed bounds one question to ClickHouse.
func (c *call) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.cfg.QuestionTime)
}

// maxBody bounds a request's body, in bytes.
const maxBody = 64 << 10

// body reads the request's JSON into v and refuses fields it does not have.
func (c *call) body(v any) error {
	if typ, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || typ != "application/json" {
		return problem("invalid-body", "send it as Content-Type: application/json")
	}
	dec := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	dec.DisallowUnknownFields()
	var tooLarge *http.MaxBytesError
	if err := dec.Decode(v); errors.As(err, &tooLarge) {
		return problem("too-large", "a body may have %d bytes", maxBody)
	} else if err != nil {
		return problem("invalid-body", "it cannot be read: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return problem("invalid-body", "something follows the object")
	}
	return nil
}

// answer writes v as JSON.
func (c *call) answer(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the answer as json: %w", err)
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	if _, err := c.w.Write(append(body, '\n')); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}
