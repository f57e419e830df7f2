package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// AwaitCounted returns once every event stored by the given moment of the server's clock
// is counted in answers.
func AwaitCounted(ctx context.Context, cfg Config, by time.Time) error {
	cfg = cfg.withDefaults()
	pause := 100 * time.Millisecond
	failing := time.Time{}
	for {
		fresh, err := freshThrough(ctx, cfg)
		var later *notNow
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && !fresh.Before(by):
			return nil
		case err != nil && !errors.As(err, &later):
			return fmt.Errorf("wait until everything is counted: %w", err)
		case err == nil:
			failing = time.Time{}
		case failing.IsZero():
			failing = time.Now()
		case time.Since(failing) > cfg.Patience:
			return fmt.Errorf("wait until everything is counted: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

// freshThrough asks a question whose answer is nothing but how fresh it is.
func freshThrough(ctx context.Context, cfg Config) (time.Time, error) {
	to, err := cfg.Endpoint()
	if err != nil {
		return time.Time{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.URL+"/v1/reports/summary?from=1990-01-01&to=1990-01-02", nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+to.Token)
	resp, err := cfg.Client.Do(req)
	if err != nil {
		return time.Time{}, &notNow{reason: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return time.Time{}, &notNow{reason: fmt.Errorf("read the answer: %w", err)}
	case resp.StatusCode >= http.StatusInternalServerError, resp.StatusCode == http.StatusTooManyRequests:
		return time.Time{}, &notNow{reason: problem(resp, text)}
	case resp.StatusCode != http.StatusOK:
		return time.Time{}, problem(resp, text)
	}
	var answer struct {
		FreshThrough *time.Time `json:"fresh_through"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return time.Time{}, fmt.Errorf("read the answer: %w", err)
	}
	if answer.FreshThrough == nil {
		return time.Time{}, nil
	}
	return *answer.FreshThrough, nil
}
