package wechatsim

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// The states of a delivery.
const (
	statePending   = "pending"
	stateDelivered = "delivered"
	stateGaveUp    = "gave_up"
	stateLost      = "lost" // by a fault: never sent
)

const (
	keptDeliveries  = 10_000
	sendersAtOnce   = 16
	clockPoll       = 20 * time.Millisecond // how soon a clock that jumped is noticed
	maxReceiverBody = 64 << 10
)

// attempt is one try to deliver, for the log.
type attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status"`
	Error  string    `json:"error,omitempty"`
	TookMS int64     `json:"took_ms"`
	Body   string    `json:"body"`
}

// delivery is one message on its way out, with what was tried.
type delivery struct {
	ID       int       `json:"id"`
	Kind     string    `json:"kind"`   // push or pay
	Target   string    `json:"target"` // appid or mchid
	Event    string    `json:"event"`
	URL      string    `json:"url"`
	State    string    `json:"state"`
	Due      time.Time `json:"due"`
	Attempts []attempt `json:"attempts"`

	waits   []time.Duration // before the second try, the third, …; when they are used up it is given up
	timeout time.Duration
	request func(ctx context.Context, now time.Time) (*http.Request, error)
	verdict func(status int, err error) outcome
}

// outcome is what an attempt came to.
type outcome int

const (
	outcomeDelivered outcome = iota
	outcomeRetry
	outcomeGiveUp
)

// courier delivers what the world sends out. Its lock is its own, and never held while sending.
type courier struct {
	clock  *clock
	client *http.Client
	wake   chan struct{}

	mu      sync.Mutex
	nextID  int
	log     []*delivery // oldest first
	due     dueHeap
	pending int
}

func newCourier(c *clock, client *http.Client) *courier {
	return &courier{clock: c, client: client, wake: make(chan struct{}, 1)}
}

// add takes a delivery over and answers its id. A lost one is only written down.
func (c *courier) add(d *delivery) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextID++
	d.ID, d.Attempts = c.nextID, []attempt{}
	if d.Due.IsZero() {
		d.Due = c.clock.now()
	}
	c.log = append(c.log, d)
	if len(c.log) > 2*keptDeliveries {
		c.log = append([]*delivery(nil), c.log[len(c.log)-keptDeliveries:]...)
	}
	if d.State != stateLost {
		d.State = statePending
		c.push(d)
	}
	return d.ID
}

func (c *courier) push(d *delivery) {
	c.pending++
	heap.Push(&c.due, d)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// resend sends a delivery that has ended once more.
func (c *courier) resend(id int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.log {
		if d.ID != id {
			continue
		}
		if d.State == statePending {
			return conflict("delivery %d is still on its way", id)
		}
		d.State, d.Due, d.waits = statePending, c.clock.now(), nil
		c.push(d)
		return nil
	}
	return notFound("no delivery %d", id)
}

// list copies the latest deliveries that match, newest first.
func (c *courier) list(kind, state string, limit int) []delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := []delivery{}
	for i := len(c.log) - 1; i >= 0 && len(found) < limit; i-- {
		d := c.log[i]
		if (kind == "" || d.Kind == kind) && (state == "" || d.State == state) {
			d := *d
			d.Attempts = append([]attempt{}, d.Attempts...)
			found = append(found, d)
		}
	}
	return found
}

func (c *courier) countPending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending
}

// forget drops everything, sent or not.
func (c *courier) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.due {
		d.State = stateLost
	}
	c.log, c.due, c.pending = nil, nil, 0
}

// run sends what is due until the context ends. Each send is a goroutine that ends with its own timeout or the context.
func (c *courier) run(ctx context.Context) error {
	var senders errgroup.Group
	senders.SetLimit(sendersAtOnce)
	for {
		for ctx.Err() == nil {
			d := c.takeDue()
			if d == nil {
				break
			}
			senders.Go(func() error {
				c.send(ctx, d)
				return nil
			})
		}
		var poll <-chan time.Time
		if c.waiting() {
			poll = time.After(clockPoll)
		}
		select {
		case <-ctx.Done():
			return senders.Wait()
		case <-c.wake:
		case <-poll:
		}
	}
}

func (c *courier) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.due) > 0
}

func (c *courier) takeDue() *delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.due) == 0 || c.due[0].Due.After(c.clock.now()) {
		return nil
	}
	return heap.Pop(&c.due).(*delivery)
}

// send makes one attempt, writes it down, and plans the next.
func (c *courier) send(ctx context.Context, d *delivery) {
	tried, result := c.attempt(ctx, d)
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.State != statePending {
		return // forgotten meanwhile
	}
	c.pending--
	if ctx.Err() != nil {
		c.push(d) // the simulator stops: the receiver did nothing wrong, and the next run sends it
		return
	}
	d.Attempts = append(d.Attempts, tried)
	switch {
	case result == outcomeDelivered:
		d.State = stateDelivered
	case result == outcomeGiveUp, len(d.waits) == 0:
		d.State = stateGaveUp
	default:
		d.Due = c.clock.now().Add(d.waits[0])
		d.waits = d.waits[1:]
		c.push(d)
	}
}

func (c *courier) attempt(ctx context.Context, d *delivery) (attempt, outcome) {
	now := c.clock.now()
	started := time.Now()
	status, body, err := c.exchange(ctx, d, now)
	tried := attempt{At: now, Status: status, TookMS: time.Since(started).Milliseconds(), Body: body}
	if err != nil {
		tried.Error = err.Error()
	}
	return tried, d.verdict(status, err)
}

func (c *courier) exchange(ctx context.Context, d *delivery, now time.Time) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	req, err := d.request(ctx, now)
	if err != nil {
		return 0, "", fmt.Errorf("build %s: %w", d.Kind, err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("send %s: %w", d.Kind, err)
	}
	raw, readErr := io.ReadAll(io.LimitReader(resp.Body, maxReceiverBody))
	return resp.StatusCode, string(raw), errors.Join(readErr, resp.Body.Close())
}

// dueHeap orders deliveries by when they are due, then as they came.
type dueHeap []*delivery

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if !h[i].Due.Equal(h[j].Due) {
		return h[i].Due.Before(h[j].Due)
	}
	return h[i].ID < h[j].ID
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is heap.Interface's.
func (h *dueHeap) Push(x any) { *h = append(*h, x.(*delivery)) }

// Pop is heap.Interface's.
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
