package ingest

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

// budget bounds the bytes held at once. Who finds it spent waits a little, then is
// told ErrBusy: an answer within moments is worth more than a queue.
type budget struct {
	max  int64
	wait time.Duration
	sem  *semaphore.Weighted
	held prometheus.Gauge
}

func newBudget(limit int64, wait time.Duration, held prometheus.Gauge) *budget {
	return &budget{max: limit, wait: wait, sem: semaphore.NewWeighted(limit), held: held}
}

// reserve takes n bytes. It returns ErrBusy when they do not come free in time or
// are more than there will ever be, and the context's error when that ends first.
func (b *budget) reserve(ctx context.Context, n int64) error {
	if n > b.max {
		return ErrBusy
	}
	if !b.sem.TryAcquire(n) {
		waiting, cancel := context.WithTimeout(ctx, b.wait)
		defer cancel()
		if err := b.sem.Acquire(waiting, n); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return ErrBusy
		}
	}
	b.held.Add(float64(n))
	return nil
}

func (b *budget) release(n int64) {
	b.sem.Release(n)
	b.held.Sub(float64(n))
}
