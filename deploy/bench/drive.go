package bench

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// samples are durations of the same thing done many times.
type samples []time.Duration

// quantile is the sample that the part q of all are not greater than; 0 where there are none.
func (s samples) quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// driven is what driving measured.
type driven struct {
	took  time.Duration
	calls samples
}

// work is something to be done times times by workers at once.
type work struct {
	title          string
	times, workers int
	// units is how much one call does, for the progress bar.
	units int
	do    func(ctx context.Context, i int) error
}

// drive does the work and times each call. The first error ends it.
func (s *session) drive(ctx context.Context, w work) (driven, error) {
	units := max(w.units, 1)
	m := s.meter(w.title, w.times*units)
	defer m.end()
	var next atomic.Int64
	var mu sync.Mutex
	d := driven{calls: make(samples, 0, w.times)}
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for range min(w.workers, w.times) {
		g.Go(func() error { // ends when all is done, or with ctx
			var own samples
			defer func() {
				mu.Lock()
				d.calls = append(d.calls, own...)
				mu.Unlock()
			}()
			for {
				i := int(next.Add(1)) - 1
				if i >= w.times || ctx.Err() != nil {
					return ctx.Err()
				}
				start := time.Now()
				if err := w.do(ctx, i); err != nil {
					return err
				}
				own = append(own, time.Since(start))
				m.add(units)
			}
		})
	}
	err := g.Wait()
	d.took = time.Since(began)
	return d, err
}
