// Package wechatsim simulates WeChat: the browser's authorization pages, the sns and cgi-bin routes, the message push,
// and WeChat Pay's notifications and bills. Other people's SDKs run against it, and whole systems are tested on it.
//
// It promises that the same seed, configuration and order of calls give the same answers, identifiers and keys; that a
// check which WeChat makes first comes first; and that what is pushed is sent as WeChat sends it, repetitions included.
// It keeps its state in memory, has no password, and never calls WeChat.
package wechatsim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
)

// Deps is what a simulator is given.
type Deps struct {
	// Now is the clock; nil is time.Now. The admin API moves the simulator's time on from it.
	Now func() time.Time
	// Client sends pushes and notifications; nil is one that follows no redirects.
	Client *http.Client
	// Log is told of resets and of the courier's start and end; nil discards.
	Log *slog.Logger
}

// Simulator is a WeChat of its own. Its methods may be called from many goroutines.
type Simulator struct {
	cfg     Config
	log     *slog.Logger
	clock   *clock
	courier *courier
	payKey  func() (*payKey, error) // made at first use: it takes a moment

	mu    sync.Mutex
	world *world
}

// New checks the configuration and makes the world it describes. It starts nothing: serve Handler, and Run for what
// is sent out.
func New(cfg Config, deps Deps) (*Simulator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("wechatsim: %w", err)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Client == nil {
		deps.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Simulator{
		cfg: cfg, log: deps.Log, clock: &clock{source: deps.Now},
		payKey: sync.OnceValues(func() (*payKey, error) { return newPayKey(cfg.Seed) }),
	}
	s.courier = newCourier(s.clock, deps.Client)
	if err := s.reset(); err != nil {
		return nil, fmt.Errorf("wechatsim: %w", err)
	}
	return s, nil
}

// reset begins again from the configuration. The clock stays where it is.
func (s *Simulator) reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := newWorld(&s.cfg, s.clock.now())
	if err != nil {
		return err
	}
	s.world = w
	s.courier.forget()
	return nil
}

// Run sends pushes and notifications until ctx ends, and then answers nil. What is not sent by then waits for the
// next Run.
func (s *Simulator) Run(ctx context.Context) error {
	s.log.Info("wechat simulator sends")
	err := s.courier.run(ctx)
	s.log.Info("wechat simulator stopped sending", "pending", s.courier.countPending())
	return err
}

// clock is the injected clock, moved by what the admin API asked for.
type clock struct {
	source func() time.Time
	offset atomic.Int64 // nanoseconds
}

func (c *clock) now() time.Time { return c.source().Add(time.Duration(c.offset.Load())) }

func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// Handler serves WeChat's three hosts and the admin API.
func (s *Simulator) Handler() http.Handler {
	r := chi.NewRouter()
	r.Handle("/connect/oauth2/authorize", s.authorize(false))
	r.Handle("/connect/qrconnect", s.authorize(true))
	csrf := http.NewCrossOriginProtection()
	r.Method(http.MethodPost, "/connect/confirm", csrf.Handler(http.HandlerFunc(s.confirm)))
	r.Get("/mmopen/*", s.avatar)
	for path, op := range map[string]operation{
		"/sns/oauth2/access_token":    exchangeCode, // tells other methods in its own way
		"/sns/oauth2/refresh_token":   only(http.MethodGet, refreshToken),
		"/sns/userinfo":               only(http.MethodGet, snsUserinfo),
		"/sns/auth":                   only(http.MethodGet, snsAuth),
		"/sns/jscode2session":         only(http.MethodGet, codeToSession),
		"/cgi-bin/token":              only(http.MethodGet, cgiToken),
		"/cgi-bin/stable_token":       only(http.MethodPost, cgiStableToken),
		"/cgi-bin/user/info":          only(http.MethodGet, userInfo),
		"/cgi-bin/user/info/batchget": only(http.MethodPost, userInfoBatch),
		"/cgi-bin/user/get":           only(http.MethodGet, userGet),
		"/cgi-bin/changeopenid":       only(http.MethodPost, changeOpenID),
		"/cgi-bin/clear_quota":        only(http.MethodPost, clearQuota),
		"/cgi-bin/clear_quota/v2":     only(http.MethodPost, clearQuotaBySecret),
		"/cgi-bin/openapi/quota/get":  only(http.MethodPost, quotaGet),
		"/cgi-bin/openapi/rid/get":    only(http.MethodPost, ridGet),
	} {
		r.Handle(path, s.api(op))
	}
	for path, op := range map[string]merchantOperation{
		"/v3/certificates":                       s.certificates,
		"/v3/pay/transactions/id/{id}":           queryOrder,
		"/v3/pay/transactions/out-trade-no/{no}": queryOrder,
		"/v3/bill/tradebill":                     s.tradeBill,
		"/v3/billdownload/file":                  billDownload,
	} {
		r.Method(http.MethodGet, path, s.merchantAPI(op))
	}
	r.Mount("/_sim", csrf.Handler(s.adminRoutes()))
	return r
}

// adminError is a refusal of the admin API.
type adminError struct {
	status int
	msg    string
}

func (e *adminError) Error() string { return e.msg }

func badRequest(format string, args ...any) error {
	return &adminError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &adminError{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &adminError{http.StatusConflict, fmt.Sprintf(format, args...)}
}

// statusOf is the HTTP status of the admin API for an error.
func statusOf(err error) int {
	var known *adminError
	if errors.As(err, &known) {
		return known.status
	}
	return http.StatusInternalServerError
}
