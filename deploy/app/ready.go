package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// checkWait bounds one question to a part whether it is ready.
const checkWait = 5 * time.Second

// readiness asks the parts whether they are ready. Before they are started it tells
// what is being waited for.
type readiness struct {
	mu      sync.Mutex
	waiting string // what start waits for; empty: nothing
	checks  []check
}

type check struct {
	part  string
	ready func(context.Context) error
}

func newReadiness() *readiness { return &readiness{waiting: "starting"} }

// stage tells what start waits for now.
func (r *readiness) stage(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = what
}

func (r *readiness) add(part string, ready func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = append(r.checks, check{part, ready})
}

// state is the JSON of /readyz.
type state struct {
	Ready bool `json:"ready"`
	// Waiting is what the start waits for.
	Waiting string `json:"waiting,omitempty"`
	// Parts holds "ok" or why a part is not ready.
	Parts map[string]string `json:"parts"`
}

// ask asks all parts at once.
func (r *readiness) ask(ctx context.Context) state {
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	r.mu.Lock()
	s := state{Ready: r.waiting == "", Waiting: r.waiting, Parts: map[string]string{}}
	checks := r.checks
	r.mu.Unlock()
	answers := make([]error, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { answers[i] = c.ready(ctx) })
	}
	wg.Wait()
	for i, c := range checks {
		s.Parts[c.part] = "ok"
		if answers[i] != nil {
			s.Parts[c.part] = answers[i].Error()
			s.Ready = false
		}
	}
	return s
}

// startWait bounds how long parts may take to become ready after they were started.
const startWait = 2 * time.Minute

// wait returns when every part is ready.
func (r *readiness) wait(ctx context.Context) error {
	r.stage("")
	deadline := time.Now().Add(startWait)
	for {
		s := r.ask(ctx)
		switch {
		case s.Ready:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("wait until the parts are ready: %w", s.err())
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s state) err() error {
	var errs []error
	for part, why := range s.Parts {
		if why != "ok" {
			errs = append(errs, fmt.Errorf("%s: %s", part, why))
		}
	}
	return errors.Join(errs...)
}

// ServeHTTP answers /readyz: 200 when everything is ready, else 503; both say which part is how.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s := r.ask(req.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !s.Ready {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(s) // the client is gone; there is nobody to tell
}
