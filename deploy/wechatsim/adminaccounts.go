package wechatsim

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"
)

func (s *Simulator) accountRoutes(r chi.Router) {
	r.Get("/accounts", show(func(*http.Request) (any, error) {
		return map[string]any{"accounts": locked(s, s.copyAccounts)}, nil
	}))
	r.Post("/accounts", do(s.putAccount))
	r.Put("/accounts/{appid}/platform", do(onAccount(s, func(a *account, order struct {
		Platform string `json:"platform"`
	}) (any, error) {
		a.Platform = order.Platform
		return done, nil
	})))
	r.Put("/accounts/{appid}/push", do(onAccount(s, func(a *account, push Push) (any, error) {
		if faults := push.faults(); len(faults) > 0 {
			return nil, badRequest("%v", errors.Join(faults...))
		}
		a.Push = push
		return done, nil
	})))
	r.Post("/accounts/{appid}/push/check", do(s.checkAccountPush))
	r.Put("/accounts/{appid}/quota", do(onAccount(s, setQuota)))
	r.Post("/accounts/{appid}/expire", do(onAccount(s, func(a *account, order struct {
		What string `json:"what"`
	}) (any, error) {
		return done, s.world.expire(a, order.What, s.clock.now())
	})))
	r.Post("/migrations", do(s.migrate))
}

// onAccount runs an order on the account in the path, under the simulator's lock.
func onAccount[T any](s *Simulator, f func(*account, T) (any, error)) func(*http.Request, T) (any, error) {
	return func(r *http.Request, order T) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		a, err := s.world.account(chi.URLParam(r, "appid"))
		if err != nil {
			return nil, err
		}
		return f(a, order)
	}
}

func (s *Simulator) putAccount(_ *http.Request, settings Account) (any, error) {
	if faults := settings.faults(); len(faults) > 0 {
		return nil, badRequest("%v", errors.Join(faults...))
	}
	return locked(s, func() Account { return s.world.putAccount(settings).Account }), nil
}

func (s *Simulator) checkAccountPush(r *http.Request, _ struct{}) (any, error) {
	s.mu.Lock()
	a, err := s.world.account(chi.URLParam(r, "appid"))
	var push Push
	if err == nil {
		push = a.Push
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if push.URL == "" {
		return nil, conflict("the account has no push url")
	}
	if err := s.checkPush(r.Context(), push); err != nil {
		return map[string]any{"ok": false, "error": err.Error()}, nil
	}
	return done, nil
}

// quotaOrder sets how often a route may be called for an account.
type quotaOrder struct {
	Path string `json:"path"`
	quotaLimit
}

func setQuota(a *account, order quotaOrder) (any, error) {
	if _, known := documentedQuotas[order.Path]; !known {
		return nil, badRequest("path: %q has no quota", order.Path)
	}
	if order.PerMinute < 0 || order.PerDay < 0 {
		return nil, badRequest("per_minute, per_day: negative")
	}
	a.quotas[order.Path] = order.quotaLimit
	return done, nil
}

func (s *Simulator) migrate(_ *http.Request, order struct {
	From string `json:"from"`
	To   string `json:"to"`
}) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, err := s.world.officialAccount(order.From)
	if err != nil {
		return nil, err
	}
	to, err := s.world.officialAccount(order.To)
	if err != nil {
		return nil, err
	}
	if from == to {
		return nil, badRequest("from and to are the same account")
	}
	return map[string]int{"moved": s.world.migrate(from, to, s.clock.now())}, nil
}
