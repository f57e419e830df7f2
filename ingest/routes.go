package ingest

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/jsonschema"
)

// Answer is what a request with events is answered. Accepted, Duplicates and the
// length of Rejected add up to the events of the request.
type Answer struct {
	// Accepted counts events that are now on stable storage and were not before.
	Accepted int `json:"accepted"`
	// Duplicates counts events that were stored already.
	Duplicates int         `json:"duplicates"`
	Rejected   []Rejection `json:"rejected"`
}

// Rejection says why one event was not taken.
type Rejection struct {
	// Index is the event's place in the request, from 0; blank lines do not count.
	Index  int    `json:"index"`
	Type   string `json:"type"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail"`
}

// events answers a route that takes events of one kind.
func (g *Ingest) events(kind schemas.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		status := g.answer(w, r, kind)
		g.metrics.request.WithLabelValues(string(kind), strconv.Itoa(status)).Observe(time.Since(start).Seconds())
	}
}

func (g *Ingest) answer(w http.ResponseWriter, r *http.Request, kind schemas.Kind) int {
	answer, err := g.take(w, r, kind)
	if err != nil {
		p := problemOf(err)
		g.metrics.refusals.WithLabelValues(p.Type).Inc()
		return p.write(w)
	}
	for _, rejection := range answer.Rejected {
		g.metrics.rejected.WithLabelValues(string(kind), rejection.Type).Inc()
	}
	status := http.StatusAccepted
	if len(answer.Rejected) > 0 && answer.Accepted+answer.Duplicates == 0 {
		status = http.StatusUnprocessableEntity
	}
	writeJSON(w, status, "application/json", answer)
	return status
}

// take does what a request asks for. The error becomes a problem.
func (g *Ingest) take(w http.ResponseWriter, r *http.Request, kind schemas.Kind) (*Answer, error) {
	key, err := g.authenticate(r)
	if err != nil {
		return nil, err
	}
	if err := key.spend(1, g.now()); err != nil {
		return nil, err
	}
	b, err := g.openBody(w, r, key)
	if err != nil {
		return nil, err
	}
	defer b.meter.release()
	in := &intake{ingest: g, kind: kind, key: key, format: b.format}
	if err := in.read(b); err != nil {
		b.drainAfter(err)
		return nil, err
	}
	if err := b.finish(); err != nil {
		return nil, err
	}
	if err := key.spend(in.count-1, g.now()); err != nil {
		return nil, err
	}
	return g.store(r, in)
}

// drainAfter drains the body where it was too much of it that ended the reading.
func (b *body) drainAfter(err error) {
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusRequestEntityTooLarge {
		b.drain()
	}
}

// intake is a request's events, the good and the bad.
type intake struct {
	ingest *Ingest
	kind   schemas.Kind
	key    *apiKey
	format format

	count    int // of all events so far
	events   []schemas.Event
	at       []int // at[i] is the index of events[i] in the request
	rejected []Rejection
}

func (in *intake) read(b *body) error {
	if in.format == formatLines {
		return readLines(b.Reader, in.visit)
	}
	return readJSON(b.Reader, in.visit)
}

func (in *intake) visit(raw []byte, refusal *schemas.Refusal) error {
	if in.count++; in.count > in.ingest.cfg.MaxEvents {
		return newProblem(http.StatusRequestEntityTooLarge, ProblemTooManyEvents, "a request takes at most %d events", in.ingest.cfg.MaxEvents)
	}
	if refusal != nil {
		in.reject(in.count-1, refusal)
		return nil
	}
	e, err := in.judge(raw)
	if errors.As(err, &refusal) {
		in.reject(in.count-1, refusal)
		return nil
	}
	if err != nil {
		return err
	}
	in.events = append(in.events, e)
	in.at = append(in.at, in.count-1)
	return nil
}

// judge decodes one event and checks its time and its account.
func (in *intake) judge(raw []byte) (schemas.Event, error) {
	e, err := decodeEvent(in.kind, in.format, raw)
	if err != nil {
		return nil, err
	}
	if err := schemas.CheckTime(e, in.ingest.now()); err != nil {
		return nil, err
	}
	if err := in.allow(e); err != nil {
		return nil, err
	}
	schemas.FillEventID(e)
	return e, nil
}

// allow checks that the account is configured and the key's. A migrate also touches
// the account it comes from, which may have been closed since; but another's it may not be.
func (in *intake) allow(e schemas.Event) error {
	appid := e.Head().AppID
	switch {
	case !in.ingest.accounts[appid]:
		return &schemas.Refusal{Type: schemas.RefusedAccount, Field: "appid", Detail: "is not the appid of a configured account"}
	case !in.key.appids[appid]:
		return &schemas.Refusal{Type: schemas.RefusedNotAllowed, Field: "appid", Detail: "is not an account that the key may publish for"}
	}
	if i, ok := e.(*schemas.Identity); ok && i.Action == schemas.ActionMigrate && in.ingest.accounts[i.FromAppID] && !in.key.appids[i.FromAppID] {
		return &schemas.Refusal{Type: schemas.RefusedNotAllowed, Field: "from_appid", Detail: "is not an account that the key may publish for"}
	}
	return nil
}

func (in *intake) reject(index int, r *schemas.Refusal) {
	in.rejected = append(in.rejected, Rejection{Index: index, Type: r.Type, Field: r.Field, Detail: r.Detail})
}

func serveSchema(w http.ResponseWriter, r *http.Request) {
	schema, ok := jsonschema.Schema(schemas.Kind(chi.URLParam(r, "kind")))
	if !ok {
		newProblem(http.StatusNotFound, "not-found", "the schemas are login, purchase and identity").write(w)
		return
	}
	serveJSON(schema)(w, r)
}

// serveJSON answers with a document that changes with the program alone.
func serveJSON(document []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(document) // the client is gone; there is nobody to tell
	}
}
