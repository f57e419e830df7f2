// Package api is the analysts' query API: reports, persons, explanations, exports and
// the few changes that operators make, over ClickHouse.
//
// It answers from ClickHouse as a read-only user and never writes there but what it
// keeps itself: the audit and the audiences. What changes persons it publishes as
// identity events, and says so only once they are durable. It shows no account that the
// caller's token may not see. The routes and the shapes of their answers are in
// README.md; what the numbers mean is in package query.
package api

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/evidence"
	"github.com/unionlink/unionlink/api/export"
	"github.com/unionlink/unionlink/api/ledger"
	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/api/sso"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
)

// Account is one WeChat app, as configured.
type Account struct {
	AppID string `json:"appid"`
	Name  string `json:"name"`
	// Kind is official_account, mini_program, website or mobile_app.
	Kind string `json:"kind"`
	// Platform is the key space of its unionids.
	Platform string `json:"platform"`
}

// Config is what an API is told. The zero value of a field stands for its default.
type Config struct {
	// Tokens are the analysts'; without any and without OIDC nobody may ask.
	Tokens []access.Token
	// OIDC is the company's sign-in; without an issuer there is none.
	OIDC sso.Config
	// Accounts are all that are configured, in the order to show them.
	Accounts []Account
	// SessionLifetime is how long the console stays signed in; 12 hours by default.
	SessionLifetime time.Duration
	// QuestionTime is how long one question may take, 25 s by default. ClickHouse itself
	// stops it five seconds later, which must not be above the read-only user's limit.
	QuestionTime time.Duration
	// MaxIdentitiesPerKey is the linking rule's setting, the same as the linker's; 50 by default.
	MaxIdentitiesPerKey int
	// Columnar is ClickHouse's HTTP interface with the read-only user, for Parquet and Arrow.
	Columnar export.Columnar
}

// Publisher makes identity events durable; an outcome without an error is on stable storage.
type Publisher interface {
	Publish(ctx context.Context, events []schemas.Event) ([]schemas.Outcome, error)
}

// Deps are what an API works with. Limited, DeadLetters, Console and Metrics may be nil.
type Deps struct {
	// Reader is a connection of the read-only user, to whom server-side limits apply.
	Reader driver.Conn
	// Limited is a connection of a read-only user whose rows ClickHouse filters by the
	// accounts in the setting log_comment, for users who may see some accounts only; nil:
	// they are answered over Reader, limited by each question alone.
	Limited driver.Conn
	// Writer writes the audit and the audiences, and nothing else.
	Writer    driver.Conn
	Publisher Publisher
	// DeadLetters lists what could not be counted; nil: they are only counted.
	DeadLetters DeadLetters
	// Console serves everything that is no route of the API.
	Console http.Handler
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Now     func() time.Time
	// Secret signs sessions and cursors: at least 32 bytes, the same in every api process.
	Secret []byte
}

// API answers analysts.
type API struct {
	cfg     Config
	deps    Deps
	gate    *access.Gate
	signOn  *sso.SignOn // nil: not offered
	cursors cursors
	// all and evidence see every account: what they tell is limited by who asks them.
	all      *query.Reports
	evidence evidence.Reader
	ledger   ledger.Ledger
	routes   []route
	document []byte
	// exportPage is defaultExportPage but in tests.
	exportPage int64
	metrics    metrics
}

// New checks the configuration and makes an API; it dials nothing. The error tells every
// fault at once.
func New(cfg Config, deps Deps) (*API, error) {
	if err := errors.Join(cfg.validate(), deps.validate()); err != nil {
		return nil, fmt.Errorf("configure the api: %w", err)
	}
	if cfg.MaxIdentitiesPerKey == 0 {
		cfg.MaxIdentitiesPerKey = identity.DefaultMaxIdentitiesPerKey
	}
	if cfg.QuestionTime == 0 {
		cfg.QuestionTime = 25 * time.Second
	}
	gate, err := access.New(access.Config{Tokens: cfg.Tokens, Issuer: cfg.OIDC.Issuer, Secret: deps.Secret, Lifetime: cfg.SessionLifetime, Now: deps.Now})
	if err != nil {
		return nil, err
	}
	signOn, err := sso.New(cfg.OIDC, sso.Deps{Secret: deps.Secret, Now: deps.Now})
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, deps.Secret, nil, "unionlink.cursor.v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the cursors' key: %w", err)
	}
	a := &API{cfg: cfg, deps: deps, gate: gate, signOn: signOn, cursors: cursors{key}, exportPage: defaultExportPage, ledger: ledger.Ledger{Reader: deps.Reader, Writer: deps.Writer}}
	a.all = query.New(deps.Reader)
	a.evidence = evidence.Reader{Conn: deps.Reader, Rule: identity.Rule{MaxIdentitiesPerKey: cfg.MaxIdentitiesPerKey}}
	a.routes = a.table()
	if a.document, err = document(a.routes); err != nil {
		return nil, err
	}
	if a.metrics, err = newMetrics(deps.Metrics); err != nil {
		return nil, err
	}
	return a, nil
}

func (c Config) validate() error {
	var faults []error
	if c.QuestionTime < 0 || c.QuestionTime > 0 && c.QuestionTime < time.Second {
		faults = append(faults, errors.New("question time: is under a second"))
	}
	if c.MaxIdentitiesPerKey < 0 {
		faults = append(faults, errors.New("max identities per key: is negative"))
	}
	for i, account := range c.Accounts {
		if err := schemas.CheckIdentifier("appid", account.AppID); err != nil {
			faults = append(faults, fmt.Errorf("accounts[%d].%w", i, err))
		}
	}
	return errors.Join(faults...)
}

func (d Deps) validate() error {
	var faults []error
	for name, missing := range map[string]bool{
		"reader": d.Reader == nil, "writer": d.Writer == nil, "publisher": d.Publisher == nil, "log": d.Log == nil, "now": d.Now == nil,
	} {
		if missing {
			faults = append(faults, fmt.Errorf("%s: is required", name))
		}
	}
	return errors.Join(faults...)
}

// Routes adds the API to a router: everything under /v1 that is nobody else's,
// /openapi.json, /livez, and the console for the rest.
func (a *API) Routes(r chi.Router) {
	h := a.handler()
	r.Handle("/v1/*", h)
	r.Handle("/openapi.json", h)
	r.Handle("/livez", h)
	if a.deps.Console != nil {
		r.Handle("/*", a.deps.Console)
	}
}

// Ready tells whether questions can be answered now.
func (a *API) Ready(ctx context.Context) error {
	if _, err := a.all.FreshThrough(ctx); err != nil {
		return fmt.Errorf("ask clickhouse: %w", err)
	}
	return nil
}

// Require guards a handler that is not the API's own, such as the dead letters', with
// the API's tokens and sessions.
func (a *API) Require(right access.Right, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := a.gate.User(r)
		if err == nil && !user.May(right) {
			err = problem("forbidden", "the role %s may not do this", user.Role)
		}
		if err != nil {
			problemOf(err).send(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}
