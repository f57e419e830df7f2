// Package wechat is ingest's WeChat side: it logs users in by WeChat's codes, takes
// WeChat's pushes and WeChat Pay's notifications, and asks for the unionids and new
// openids that are learnt late. All of it ends in events of the contract, handed to
// a Publisher.
//
// Promises: what WeChat, a browser or a merchant's bill is told has happened is on
// stable storage; telling it again changes nothing; no secret, token, code, openid,
// unionid or nickname is logged; nothing that must outlive a request is only in a
// process's memory.
//
// The sub-packages each do one thing: client calls WeChat, token shares the
// accounts' access tokens, login turns codes into logins, session signs what a login
// answers, push takes pushes, pay takes payments, backfill asks for followers. bucket
// keeps small values in NATS, outbox hands over events, account describes the
// accounts. This package puts them together.
package wechat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/backfill"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/ingest/wechat/login"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
	"github.com/unionlink/unionlink/ingest/wechat/pay"
	"github.com/unionlink/unionlink/ingest/wechat/push"
	"github.com/unionlink/unionlink/ingest/wechat/token"
)

// Config of all parts. Secrets arrive resolved.
type Config struct {
	Accounts []account.Account `yaml:"accounts"`
	Client   client.Config     `yaml:"client"`
	Login    login.Config      `yaml:"login"`
	Push     push.Config       `yaml:"push"`
	Pay      pay.Config        `yaml:"pay"`
	Backfill backfill.Config   `yaml:"backfill"`
	// Replicas of the NATS buckets in a cluster. Default 1.
	Replicas int `yaml:"replicas"`
}

// WithDefaults fills what is not set.
func (c Config) WithDefaults() Config {
	c.Client = c.Client.WithDefaults()
	c.Login = c.Login.WithDefaults()
	c.Push = c.Push.WithDefaults()
	c.Pay = c.Pay.WithDefaults()
	c.Backfill = c.Backfill.WithDefaults()
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	return c
}

// Validate returns every fault, joined, each with its path.
func (c Config) Validate() error {
	_, accounts := account.NewDirectory(c.Accounts)
	faults := []error{accounts}
	for _, part := range []struct {
		name string
		err  error
	}{
		{"client", c.Client.Validate()}, {"login", c.Login.Validate()}, {"push", c.Push.Validate()},
		{"pay", c.Pay.Validate()}, {"backfill", c.Backfill.Validate()},
	} {
		if part.err != nil {
			faults = append(faults, fmt.Errorf("%s.%w", part.name, part.err))
		}
	}
	return errors.Join(faults...)
}

// Deps is what a WeChat works with.
type Deps struct {
	JetStream jetstream.JetStream
	// Publisher stores events durably; ingest.Committer is one.
	Publisher outbox.Publisher
	// Log and Metrics may be nil: nothing is logged, nothing is published.
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Transport carries calls to WeChat; nil is the default one.
	Transport http.RoundTripper
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (d Deps) withDefaults() Deps {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Metrics == nil {
		d.Metrics = prometheus.NewRegistry()
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	return d
}

// WeChat is safe for concurrent use, by any number of processes on one NATS.
type WeChat struct {
	login    *login.Login
	push     *push.Push
	pay      *pay.Pay
	backfill *backfill.Backfill
}

// New validates the configuration and puts the parts together. It talks to nobody.
func New(cfg Config, deps Deps) (*WeChat, error) {
	cfg, deps = cfg.WithDefaults(), deps.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure wechat: %w", err)
	}
	accounts, err := account.NewDirectory(cfg.Accounts)
	if err != nil {
		return nil, fmt.Errorf("configure wechat: %w", err)
	}
	calls, err := client.New(cfg.Client, deps.Transport)
	if err != nil {
		return nil, fmt.Errorf("configure wechat client: %w", err)
	}
	w := &WeChat{}
	w.backfill, err = backfill.New(cfg.Backfill, backfill.Deps{
		JetStream: deps.JetStream, Client: calls, Accounts: accounts, Publisher: deps.Publisher, Log: deps.Log, Metrics: deps.Metrics,
		Now: deps.Now, Replicas: cfg.Replicas,
		Tokens: token.New(token.Deps{JetStream: deps.JetStream, Client: calls, Accounts: accounts, Now: deps.Now, Replicas: cfg.Replicas}),
	})
	if err != nil {
		return nil, fmt.Errorf("configure wechat backfill: %w", err)
	}
	w.login, err = login.New(cfg.Login, login.Deps{
		JetStream: deps.JetStream, Client: calls, Accounts: accounts, Publisher: deps.Publisher, Log: deps.Log, Metrics: deps.Metrics,
		Now: deps.Now, Replicas: cfg.Replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("configure wechat login: %w", err)
	}
	w.push, err = push.New(cfg.Push, push.Deps{
		Accounts: accounts, Publisher: deps.Publisher, Queue: w.backfill, Log: deps.Log, Metrics: deps.Metrics, Now: deps.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("configure wechat push: %w", err)
	}
	w.pay, err = pay.New(cfg.Pay, pay.Deps{
		JetStream: deps.JetStream, Accounts: accounts, Publisher: deps.Publisher, Log: deps.Log, Metrics: deps.Metrics,
		Now: deps.Now, Replicas: cfg.Replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("configure wechat pay: %w", err)
	}
	return w, nil
}

// Routes mounts every route on r. Paths are absolute: r must be mounted at the root.
func (w *WeChat) Routes(r chi.Router) {
	w.login.Routes(r)
	w.push.Routes(r)
	w.pay.Routes(r)
}

// Run works the queue of followers until ctx ends; then it returns nil.
func (w *WeChat) Run(ctx context.Context) error { return w.backfill.Run(ctx) }

// Enrich asks for the unionids of all followers; see backfill.Enrich.
func (w *WeChat) Enrich(ctx context.Context, appid string, progress func(backfill.Progress)) (backfill.Progress, error) {
	return w.backfill.Enrich(ctx, appid, progress)
}

// Migrate moves an account's users to another account; see backfill.Migrate.
func (w *WeChat) Migrate(ctx context.Context, m backfill.Migration, progress func(backfill.Progress)) (backfill.Progress, error) {
	return w.backfill.Migrate(ctx, m, progress)
}

// Bill imports a merchant's daily bill; see pay.Bill.
func (w *WeChat) Bill(ctx context.Context, mchid string, r io.Reader, progress func(pay.BillReport)) (pay.BillReport, error) {
	return w.pay.Bill(ctx, mchid, r, progress)
}
