package ingest

import (
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// drainBytes is how much of a body over the limit is read and thrown away, so that
// clients that send all before they listen still see why. It takes no memory.
const drainBytes = 64 << 20

// format says how events lie in a body.
type format int

const (
	formatJSON        format = iota // one object or an array
	formatLines                     // NDJSON
	formatCloudEvents               // CloudEvents in JSON, one or a batch
)

// formatOf reads the Content-Type; none means JSON.
func formatOf(contentType string) (format, error) {
	if contentType == "" {
		return formatJSON, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err == nil {
		switch media {
		case "application/json", "text/json":
			return formatJSON, nil
		case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
			return formatLines, nil
		case "application/cloudevents+json", "application/cloudevents-batch+json":
			return formatCloudEvents, nil
		}
	}
	return 0, newProblem(http.StatusUnsupportedMediaType, ProblemMediaType, "Content-Type is one of %s", acceptedMediaTypes).
		with("Accept", acceptedMediaTypes)
}

// body is a request's body on its way in: limited in size and time, unpacked,
// counted against the memory of all bodies, and signed where its key demands it.
type body struct {
	*bufio.Reader
	format  format
	raw     io.Reader // as sent
	request *http.Request
	control *http.ResponseController
	meter   *meter
	sign    *signature // nil: not signed
}

func (g *Ingest) openBody(w http.ResponseWriter, r *http.Request, key *apiKey) (*body, error) {
	f, err := formatOf(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	b := &body{format: f, request: r, control: http.NewResponseController(w), raw: r.Body}
	if key.secret != nil {
		if b.sign, err = newSignature(r.Header, key.secret, g.now()); err != nil {
			return nil, err
		}
		b.raw = io.TeeReader(r.Body, b.sign.mac)
	}
	// Not every ResponseWriter has deadlines (tests' recorders have none); servers' have.
	_ = b.control.SetReadDeadline(time.Now().Add(g.cfg.ReadTimeout))
	if r.ContentLength > g.cfg.MaxBodyBytes {
		b.drain()
		return nil, tooLarge(g.cfg.MaxBodyBytes)
	}
	content := io.Reader(&capped{r: b.raw, left: g.cfg.MaxBodyBytes, limit: g.cfg.MaxBodyBytes})
	switch coding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		unpacked, err := gzip.NewReader(content)
		if err == io.EOF {
			return nil, newProblem(http.StatusBadRequest, ProblemEmpty, "the body is empty")
		}
		if err != nil {
			return nil, err
		}
		content = &capped{r: unpacked, left: g.cfg.MaxBodyBytes, limit: g.cfg.MaxBodyBytes}
	default:
		return nil, newProblem(http.StatusUnsupportedMediaType, ProblemMediaType, "Content-Encoding is gzip or none").
			with("Accept-Encoding", acceptedContentCodings)
	}
	b.meter = &meter{ctx: r.Context(), r: content, budget: g.bodies}
	b.Reader = bufio.NewReaderSize(b.meter, 32<<10)
	return b, nil
}

// finish reads to the end, lifts the deadline, which would otherwise cancel the
// request while it waits for the stream, and checks the signature.
func (b *body) finish() error {
	if b.sign != nil {
		if _, err := io.Copy(io.Discard, b.raw); err != nil {
			return err
		}
	}
	_ = b.control.SetReadDeadline(time.Time{}) // see openBody
	if b.sign != nil {
		return b.sign.verify()
	}
	return nil
}

// drain reads on after a fault in size. A client that waits for 100-continue has
// sent nothing yet, and need not.
func (b *body) drain() {
	if b.request.Header.Get("Expect") != "" {
		return
	}
	_, _ = io.CopyN(io.Discard, b.request.Body, drainBytes) // the answer is the same however this ends
}

func tooLarge(limit int64) *Problem {
	return newProblem(http.StatusRequestEntityTooLarge, ProblemBodyTooLarge, "the body is over %d bytes; send the events in several requests", limit)
}

// capped is a reader that answers a problem where more than its limit comes.
type capped struct {
	r           io.Reader
	left, limit int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, tooLarge(c.limit)
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if c.left < 0 {
		return n - 1, tooLarge(c.limit)
	}
	return n, err
}

// meter reserves memory for what is read as it comes, so that a slow client that
// has sent little holds little.
type meter struct {
	ctx    context.Context
	r      io.Reader
	budget *budget
	held   int64 // reserved
	read   int64
}

const meterStep = 64 << 10

func (m *meter) Read(p []byte) (int, error) {
	if m.read+int64(len(p)) > m.held {
		step := max(meterStep, int64(len(p)))
		if err := m.budget.reserve(m.ctx, step); err != nil {
			return 0, err
		}
		m.held += step
	}
	n, err := m.r.Read(p)
	m.read += int64(n)
	return n, err
}

func (m *meter) release() {
	m.budget.release(m.held)
	m.held = 0
}
