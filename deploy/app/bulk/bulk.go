// Package bulk imports files of events through ingest's own HTTP routes.
//
// Files may be of any size: lines stream through a bounded number of requests in flight.
// An import may break off and be run again, any number of times, without effect on what
// is counted. A server that restarts in the middle is waited for. Every line that is not
// taken is named, with its reason; none is dropped silently.
package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/schemas"
)

// File is one file to import.
type File struct {
	Kind schemas.Kind
	// Path is the file; "-" is standard input. NDJSON or CSV, packed by gzip or not.
	Path string
}

// Endpoint is where events go. Key may publish, Token may ask.
type Endpoint struct{ URL, Key, Token string }

// Config is what to import and where to.
type Config struct {
	Files []File
	Stdin io.Reader
	// Endpoint is asked before each request, since a server that restarts may have moved.
	Endpoint func() (Endpoint, error)
	// Flights is how many requests are under way at once. Default 4.
	Flights int
	// ChunkEvents and ChunkBytes bound one request. Defaults 2000 and 1 MiB.
	ChunkEvents, ChunkBytes int
	// Patience is how long a server that does not take events is waited for. Default 5 min.
	Patience time.Duration
	// Rejects is told every rejected line as NDJSON. nil: nobody is.
	Rejects io.Writer
	// Progress is told several times a second how far the import is. nil: nobody is.
	Progress func(Progress)
	Client   *http.Client
}

func (c Config) withDefaults() Config {
	if c.Flights == 0 {
		c.Flights = 4
	}
	if c.ChunkEvents == 0 {
		c.ChunkEvents = 2000
	}
	if c.ChunkBytes == 0 {
		c.ChunkBytes = 1 << 20
	}
	if c.Patience == 0 {
		c.Patience = 5 * time.Minute
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: time.Minute}
	}
	return c
}

// Count is what became of events.
type Count struct {
	// Accepted are new to the stream, Duplicates were in it already, Rejected are not taken.
	Accepted, Duplicates, Rejected int64
}

// Total is the events there were.
func (c Count) Total() int64 { return c.Accepted + c.Duplicates + c.Rejected }

// Progress is how far an import is.
type Progress struct {
	Count
	// Bytes of the files are done, of TotalBytes; 0 where the size is not known.
	Bytes, TotalBytes int64
	Elapsed           time.Duration
	Done              bool
}

// Rejection says why a line was not taken.
type Rejection struct {
	File   string `json:"file"`
	Line   int64  `json:"line"`
	Type   string `json:"type"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail"`
	// Text is the line as it was sent.
	Text string `json:"text"`
}

// firstRejections is how many rejections a Summary shows.
const firstRejections = 20

// Summary is what became of an import.
type Summary struct {
	ByKind map[schemas.Kind]Count
	// First are the first rejections, at most 20, in the order of the answers.
	First   []Rejection
	Elapsed time.Duration
	// StoredBy is a moment on the server's clock by which the last event was stored.
	StoredBy time.Time
}

// Total adds up the kinds.
func (s Summary) Total() Count {
	var t Count
	for _, c := range s.ByKind {
		t.Accepted += c.Accepted
		t.Duplicates += c.Duplicates
		t.Rejected += c.Rejected
	}
	return t
}

// Import sends the files' events and returns once each is stored or named as rejected.
// On an error the summary tells how far it came; running it again does no harm.
func Import(ctx context.Context, cfg Config) (Summary, error) {
	cfg = cfg.withDefaults()
	sources, err := openAll(cfg)
	if err != nil {
		return Summary{}, err
	}
	t := newTally(cfg, sources)
	stop := t.watch()
	defer stop()
	sender := &sender{cfg: cfg}
	g, ctx := errgroup.WithContext(ctx)
	chunks := make(chan chunk)
	g.Go(func() error { // ends with the files, or when a request gives up
		defer close(chunks)
		for _, s := range sources {
			if err := s.chunks(ctx, cfg, chunks); err != nil {
				return fmt.Errorf("read %s: %w", s.name, err)
			}
		}
		return nil
	})
	for range cfg.Flights {
		g.Go(func() error { // ends with chunks
			for c := range chunks {
				if err := sender.send(ctx, c, t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = g.Wait()
	for _, s := range sources {
		err = errors.Join(err, s.close())
	}
	return t.summary(), err
}

// tally counts what becomes of events, for several senders.
type tally struct {
	cfg   Config
	began time.Time
	size  int64

	mu    sync.Mutex
	sum   Summary
	bytes int64
}

func newTally(cfg Config, sources []*source) *tally {
	t := &tally{cfg: cfg, began: time.Now(), sum: Summary{ByKind: map[schemas.Kind]Count{}}}
	for _, s := range sources {
		if s.size == 0 {
			t.size = 0
			break
		}
		t.size += s.size
	}
	return t
}

// took counts what the server said of a chunk.
func (t *tally) took(c chunk, accepted, duplicates int, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.sum.ByKind[c.kind]
	n.Accepted += int64(accepted)
	n.Duplicates += int64(duplicates)
	t.sum.ByKind[c.kind] = n
	t.bytes += c.bytes
	if at.After(t.sum.StoredBy) {
		t.sum.StoredBy = at
	}
}

// rejected counts and tells one line that is not taken.
func (t *tally) rejected(kind schemas.Kind, r Rejection) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.sum.ByKind[kind]
	n.Rejected++
	t.sum.ByKind[kind] = n
	if len(t.sum.First) < firstRejections {
		t.sum.First = append(t.sum.First, r)
	}
	if t.cfg.Rejects == nil {
		return nil
	}
	if err := json.NewEncoder(t.cfg.Rejects).Encode(r); err != nil {
		return fmt.Errorf("write a rejected line: %w", err)
	}
	return nil
}

func (t *tally) summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.sum
	s.Elapsed = time.Since(t.began)
	return s
}

func (t *tally) progress(done bool) Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Progress{Count: t.sum.Total(), Bytes: t.bytes, TotalBytes: t.size, Elapsed: time.Since(t.began), Done: done}
}

// watch tells the progress until the returned function is called, and then once more.
func (t *tally) watch() (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() { // ends when stop is called
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				t.cfg.Progress(t.progress(false))
			case <-quit:
				t.cfg.Progress(t.progress(true))
				return
			}
		}
	}()
	return func() { close(quit); <-ended }
}
