package wechatsim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// adminRoutes is the admin API and its page. README.md lists the routes with their bodies.
func (s *Simulator) adminRoutes() http.Handler {
	r := chi.NewRouter()
	r.Get("/", s.adminPage)
	r.Get("/style.css", asset("style.css", "text/css; charset=utf-8"))
	r.Get("/admin.js", asset("admin.js", "text/javascript; charset=utf-8"))
	r.Get("/state", show(s.showState))
	r.Post("/reset", do(func(_ *http.Request, _ struct{}) (any, error) {
		s.log.Info("wechat simulator begins again")
		return done, s.reset()
	}))
	r.Get("/clock", show(s.showClock))
	r.Post("/clock", do(s.moveClock))
	r.Get("/knobs", show(func(*http.Request) (any, error) { return locked(s, func() Knobs { return s.world.knobs }), nil }))
	r.Patch("/knobs", s.setKnobs)
	r.Get("/faults", show(func(*http.Request) (any, error) {
		return map[string]any{"faults": locked(s, s.copyFaults)}, nil
	}))
	r.Post("/faults", do(s.addFault))
	r.Delete("/faults", show(func(*http.Request) (any, error) {
		return locked(s, func() map[string]any { s.world.faults = nil; return done }), nil
	}))
	r.Delete("/faults/{n}", show(s.removeFault))
	r.Get("/deliveries", show(s.showDeliveries))
	r.Post("/deliveries/{n}/resend", do(func(r *http.Request, _ struct{}) (any, error) {
		n, err := strconv.Atoi(chi.URLParam(r, "n"))
		if err != nil {
			return nil, badRequest("delivery: not a number")
		}
		return done, s.courier.resend(n)
	}))
	s.accountRoutes(r)
	s.userRoutes(r)
	s.payRoutes(r)
	return r
}

// done is the answer of what has nothing to tell.
var done = map[string]any{"ok": true}

// locked runs f under the simulator's lock.
func locked[T any](s *Simulator, f func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f()
}

// show serves what needs no body.
func show(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		answer, err := f(r)
		writeAdmin(rw, answer, err)
	}
}

// do serves an order with a JSON body.
func do[T any](f func(*http.Request, T) (any, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		var order T
		if err := decodeAdmin(http.MaxBytesReader(rw, r.Body, maxBody), &order); err != nil {
			writeAdmin(rw, nil, err)
			return
		}
		answer, err := f(r, order)
		writeAdmin(rw, answer, err)
	}
}

// decodeAdmin reads one JSON object strictly. An empty body is an empty object.
func decodeAdmin(body io.Reader, into any) error {
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return badRequest("body: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("body: more than one JSON value")
	}
	return nil
}

func writeAdmin(rw http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		status, answer = statusOf(err), map[string]string{"error": err.Error()}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_, _ = rw.Write(append(body, '\n')) // the caller has hung up; nothing is left to tell it
}

// stateAnswer is an overview of the world.
type stateAnswer struct {
	Now       time.Time  `json:"now"`
	Accounts  []Account  `json:"accounts"`
	Merchants []Merchant `json:"merchants"`
	Users     int        `json:"users"`
	Knobs     Knobs      `json:"knobs"`
	Faults    []Fault    `json:"faults"`
	Pending   int        `json:"pending"` // deliveries on their way
}

func (s *Simulator) showState(*http.Request) (any, error) {
	return locked(s, func() stateAnswer {
		return stateAnswer{
			Now: s.clock.now(), Accounts: s.copyAccounts(), Merchants: s.copyMerchants(), Users: len(s.world.users),
			Knobs: s.world.knobs, Faults: s.copyFaults(), Pending: s.courier.countPending(),
		}
	}), nil
}

func (s *Simulator) showClock(*http.Request) (any, error) {
	return map[string]time.Time{"now": s.clock.now()}, nil
}

// clockOrder moves the simulator's clock. Give one of the two.
type clockOrder struct {
	AdvanceSeconds int64     `json:"advance_seconds"`
	Set            time.Time `json:"set"`
}

const maxAdvanceSeconds = 100 * 366 * 86400

func (s *Simulator) moveClock(r *http.Request, order clockOrder) (any, error) {
	switch {
	case order.AdvanceSeconds < 0 || order.AdvanceSeconds > maxAdvanceSeconds:
		return nil, badRequest("advance_seconds: not within 0 to %d", maxAdvanceSeconds)
	case !order.Set.IsZero():
		s.clock.advance(order.Set.Sub(s.clock.now()))
	default:
		s.clock.advance(time.Duration(order.AdvanceSeconds) * time.Second)
	}
	return s.showClock(r)
}

func (s *Simulator) setKnobs(rw http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	knobs := s.world.knobs // what the body leaves out stays
	err := decodeAdmin(http.MaxBytesReader(rw, r.Body, maxBody), &knobs)
	if faults := knobs.faults(); err == nil && len(faults) > 0 {
		err = badRequest("%v", errors.Join(faults...))
	}
	if err == nil {
		s.world.knobs = knobs
	}
	writeAdmin(rw, knobs, err)
}

func (s *Simulator) copyFaults() []Fault {
	faults := make([]Fault, 0, len(s.world.faults))
	for _, f := range s.world.faults {
		faults = append(faults, *f)
	}
	return faults
}

func (s *Simulator) addFault(_ *http.Request, f Fault) (any, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	return locked(s, func() map[string]int { return map[string]int{"id": s.world.addFault(f)} }), nil
}

func (s *Simulator) removeFault(r *http.Request) (any, error) {
	n, err := strconv.Atoi(chi.URLParam(r, "n"))
	if err != nil || !locked(s, func() bool { return s.world.removeFault(n) }) {
		return nil, notFound("no fault %q", chi.URLParam(r, "n"))
	}
	return done, nil
}

func (s *Simulator) showDeliveries(r *http.Request) (any, error) {
	q := r.URL.Query()
	limit, err := limitOf(r, 100, 1000)
	if err != nil {
		return nil, err
	}
	return map[string]any{"deliveries": s.courier.list(q.Get("kind"), q.Get("state"), limit)}, nil
}

// limitOf reads the limit parameter.
func limitOf(r *http.Request, fallback, most int) (int, error) {
	raw := r.URL.Query().Get("limit")
	if raw == "" {
		return fallback, nil
	}
	limit, err := strconv.Atoi(raw)
	if err != nil || limit < 1 || limit > most {
		return 0, badRequest("limit: not within 1 to %d", most)
	}
	return limit, nil
}

func (s *Simulator) copyAccounts() []Account {
	accounts := make([]Account, 0, len(s.world.order))
	for _, a := range s.world.order {
		settings := a.Account
		settings.Domains, settings.IPAllow = slices.Clone(a.Domains), slices.Clone(a.IPAllow)
		accounts = append(accounts, settings)
	}
	return accounts
}

func (s *Simulator) copyMerchants() []Merchant {
	merchants := make([]Merchant, 0, len(s.world.merchants))
	for _, m := range s.world.merchants {
		merchants = append(merchants, m.Merchant)
	}
	slices.SortFunc(merchants, func(a, b Merchant) int { return strings.Compare(a.MchID, b.MchID) })
	return merchants
}
