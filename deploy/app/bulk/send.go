package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

var routes = map[schemas.Kind]string{
	schemas.KindLogin: "/v1/events/logins", schemas.KindPurchase: "/v1/events/purchases", schemas.KindIdentity: "/v1/events/identities",
}

// sender posts chunks; it may be used by several goroutines.
type sender struct{ cfg Config }

// reply is ingest's answer to a request that was taken.
type reply struct {
	Accepted   int `json:"accepted"`
	Duplicates int `json:"duplicates"`
	Rejected   []struct {
		Index  int    `json:"index"`
		Type   string `json:"type"`
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"rejected"`
	at time.Time // the server's clock
}

// errTooLarge asks for smaller requests.
var errTooLarge = errors.New("the request is too large")

// notNow is an answer, or the want of one, after which the same request may succeed later.
type notNow struct {
	reason error
	after  time.Duration
}

// Error is the reason's.
func (n *notNow) Error() string { return n.reason.Error() }

// Unwrap returns the reason.
func (n *notNow) Unwrap() error { return n.reason }

// send posts a chunk until it is taken.
func (s *sender) send(ctx context.Context, c chunk, t *tally) error {
	good, err := s.sift(c, t)
	if err != nil || len(good.lines) == 0 {
		return err
	}
	r, err := s.untilTaken(ctx, good)
	if errors.Is(err, errTooLarge) && len(good.lines) > 1 {
		half := len(good.lines) / 2
		first, second := good, good
		first.lines, second.lines, second.bytes = good.lines[:half], good.lines[half:], 0
		if err := s.send(ctx, first, t); err != nil {
			return err
		}
		return s.send(ctx, second, t)
	}
	if err != nil {
		return fmt.Errorf("send lines %d to %d of %s: %w", good.lines[0].no, good.lines[len(good.lines)-1].no, c.file, err)
	}
	for _, x := range r.Rejected {
		if x.Index < 0 || x.Index >= len(good.lines) {
			return fmt.Errorf("send lines of %s: the answer rejects event %d of %d", c.file, x.Index, len(good.lines))
		}
		l := good.lines[x.Index]
		err := t.rejected(c.kind, Rejection{File: c.file, Line: l.no, Type: x.Type, Field: x.Field, Detail: x.Detail, Text: string(l.text)})
		if err != nil {
			return err
		}
	}
	t.took(good, r.Accepted, r.Duplicates, r.at)
	return nil
}

// sift leaves out the lines that cannot be sent.
func (s *sender) sift(c chunk, t *tally) (chunk, error) {
	good := c
	good.lines = make([]line, 0, len(c.lines))
	for _, l := range c.lines {
		if l.fault == nil {
			good.lines = append(good.lines, l)
			continue
		}
		r := Rejection{File: c.file, Line: l.no, Type: l.fault.Type, Field: l.fault.Field, Detail: l.fault.Detail, Text: string(l.text)}
		if err := t.rejected(c.kind, r); err != nil {
			return good, err
		}
	}
	return good, nil
}

const (
	firstPause = 250 * time.Millisecond
	longPause  = 5 * time.Second
)

// untilTaken repeats a request, which is harmless, until the server answers for good.
func (s *sender) untilTaken(ctx context.Context, c chunk) (*reply, error) {
	var body bytes.Buffer
	for _, l := range c.lines {
		body.Write(l.text)
		body.WriteByte('\n')
	}
	began, pause := time.Now(), firstPause
	for {
		r, err := s.post(ctx, c.kind, body.Bytes())
		var later *notNow
		if !errors.As(err, &later) {
			return r, err
		}
		if time.Since(began) > s.cfg.Patience {
			return nil, fmt.Errorf("gave up after %s: %w", s.cfg.Patience, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(max(pause, min(later.after, longPause))):
		}
		pause = min(2*pause, longPause)
	}
}

func (s *sender) post(ctx context.Context, kind schemas.Kind, body []byte) (*reply, error) {
	to, err := s.cfg.Endpoint()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL+routes[kind], bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+to.Key)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := s.cfg.Client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &notNow{reason: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, &notNow{reason: fmt.Errorf("read the answer: %w", err)}
	}
	return read(resp, text)
}

// read judges an answer.
func read(resp *http.Response, text []byte) (*reply, error) {
	switch {
	case resp.StatusCode == http.StatusAccepted || resp.StatusCode == http.StatusUnprocessableEntity:
		r := &reply{}
		if err := json.Unmarshal(text, r); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		// The header has whole seconds only, and may be from before the answer.
		if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			r.at = at.Add(time.Second)
		}
		return r, nil
	case resp.StatusCode == http.StatusRequestEntityTooLarge:
		return nil, fmt.Errorf("%w: %s", errTooLarge, problem(resp, text))
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusRequestTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // none: 0
		return nil, &notNow{reason: problem(resp, text), after: time.Duration(seconds) * time.Second}
	}
	return nil, problem(resp, text)
}

// problem is an error answer in one line.
func problem(resp *http.Response, text []byte) error {
	var p struct{ Type, Detail string }
	if json.Unmarshal(text, &p) == nil && p.Type != "" {
		return fmt.Errorf("the server answers %s: %s: %s", resp.Status, p.Type, p.Detail)
	}
	return fmt.Errorf("the server answers %s", resp.Status)
}
