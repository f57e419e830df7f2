package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// stopWait bounds what a cleanup may wait for: requests and batches under way.
const stopWait = 30 * time.Second

// cleanups undo what was started, in reverse, all of them, whatever one of them returns.
type cleanups struct{ steps []step }

type step struct {
	name string
	do   func(context.Context) error
}

func (c *cleanups) add(name string, do func(context.Context) error) {
	c.steps = append(c.steps, step{name, do})
}

func (c *cleanups) run(log *slog.Logger) error {
	var errs []error
	for i := len(c.steps) - 1; i >= 0; i-- {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), stopWait)
		err := c.steps[i].do(ctx)
		cancel()
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", c.steps[i].name, err))
		}
		log.Debug("stopped", "part", c.steps[i].name, "took", time.Since(began).Round(time.Millisecond))
	}
	c.steps = nil
	return errors.Join(errs...)
}
