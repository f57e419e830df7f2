// Package login turns WeChat's codes into logins: the route that pages and mini
// programs post a code to, and the redirects by which a browser gets one.
//
// It promises that a login is answered only after its event is durable; that a
// browser which sends its code again (reload, double click, a client's own retry)
// gets the same answer; that a code in another browser's hands logs nobody in; and
// that a snapshot user (WeChat's virtual visitor) is never an identity.
//
// What must outlive a request is in a NATS bucket with a time to live, shared by all
// processes: the state of each authorization, and the result of each code.
package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/cors"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
	"github.com/unionlink/unionlink/ingest/wechat/session"
)

// Config of the login routes.
type Config struct {
	// PublicURL is where browsers reach ingest, such as https://login.shop.example;
	// its host is the one in WeChat's console. Empty: what the browser asked for.
	PublicURL string `yaml:"public_url"`
	// ReturnTo lists the addresses that callbacks may return to: an origin, or an
	// origin and the beginning of a path. The first is the default. Empty: PublicURL.
	ReturnTo []string `yaml:"return_to"`
	// Origins lists the other origins whose pages may post codes.
	Origins []string `yaml:"origins"`
	// TrustForeignStates takes codes of official accounts and websites whose state
	// was not made by the authorize route, for pages that build WeChat's address
	// themselves. Such a page must check the state itself: a stranger's link could
	// log its visitor in as the stranger. Default false.
	TrustForeignStates bool `yaml:"trust_foreign_states"`
	// CrossSite sends the browser's cookie from pages of another site too
	// (SameSite=None, which needs https, and browsers that still allow it).
	CrossSite bool `yaml:"cross_site"`
	// Lang of profiles: zh_CN, zh_TW or en. Default zh_CN.
	Lang string `yaml:"lang"`
	// DropProfiles keeps nickname and avatar out of events; the page still gets them.
	DropProfiles bool `yaml:"drop_profiles"`
	// Remember is how long states and results of codes last. Default 15 min; codes
	// of websites last 10.
	Remember time.Duration `yaml:"remember"`
	// MaxInFlight bounds logins at work in one process; beyond it: 503. Default 256.
	MaxInFlight int `yaml:"max_in_flight"`
	// MaxBytes bounds what is remembered on NATS's disk, and is set aside there; full:
	// 503. A login takes about 2 kB for as long as Remember. Default 128 MiB.
	MaxBytes int64 `yaml:"max_bytes"`
	// VerifyTokens are the XXXX of the console's MP_verify_XXXX.txt files.
	VerifyTokens []string       `yaml:"verify_tokens"`
	Session      session.Config `yaml:"session"`
}

// WithDefaults fills what is not set.
func (c Config) WithDefaults() Config {
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if c.Lang == "" {
		c.Lang = "zh_CN"
	}
	if c.Remember == 0 {
		c.Remember = 15 * time.Minute
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 256
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 128 << 20
	}
	if len(c.ReturnTo) == 0 && c.PublicURL != "" {
		c.ReturnTo = []string{c.PublicURL + "/"}
	}
	c.Session = c.Session.WithDefaults()
	return c
}

// Validate returns every fault, joined, each with its path.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.PublicURL != "" && !isOrigin(c.PublicURL) {
		fault("public_url: %q is not an origin such as https://login.shop.example", c.PublicURL)
	}
	for i, r := range c.ReturnTo {
		if _, err := parseReturn(r); err != nil {
			fault("return_to[%d]: %q %w", i, r, err)
		}
	}
	for i, o := range c.Origins {
		if !isOrigin(o) {
			fault("origins[%d]: %q is not an origin such as https://shop.example", i, o)
		}
	}
	if c.Lang != "zh_CN" && c.Lang != "zh_TW" && c.Lang != "en" {
		fault("lang: %q is none of zh_CN, zh_TW, en", c.Lang)
	}
	if c.Remember < 10*time.Minute {
		fault("remember: is under the 10 minutes that a code lasts")
	}
	if c.MaxInFlight < 1 || c.MaxBytes < 1<<20 {
		fault("max_in_flight, max_bytes: are under 1 and 1 MiB")
	}
	if c.CrossSite && c.PublicURL != "" && !strings.HasPrefix(c.PublicURL, "https://") {
		fault("cross_site: needs a public_url of https")
	}
	for i, token := range c.VerifyTokens {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return !isAlphanumeric(r) }) {
			fault("verify_tokens[%d]: is not letters and digits", i)
		}
	}
	if err := c.Session.Validate(); err != nil {
		fault("session.%w", err)
	}
	return errors.Join(faults...)
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Scheme+"://"+u.Host == s
}

// Deps is what the routes work with.
type Deps struct {
	JetStream jetstream.JetStream
	Client    *client.Client
	Accounts  *account.Directory
	Publisher outbox.Publisher
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Replicas of the bucket in a cluster.
	Replicas int
}

// Login serves the routes; it is safe for concurrent use.
type Login struct {
	cfg     Config
	deps    Deps
	kv      *bucket.Bucket
	signer  *session.Signer
	metrics metrics
	// slots holds one value for each login at work.
	slots chan struct{}
}

// New validates the configuration; it talks to nobody.
func New(cfg Config, deps Deps) (*Login, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	signer, err := session.New(cfg.Session, deps.JetStream, deps.Now)
	if err != nil {
		return nil, err
	}
	return &Login{
		cfg: cfg, deps: deps, signer: signer, metrics: newMetrics(deps.Metrics), slots: make(chan struct{}, cfg.MaxInFlight),
		kv: bucket.New(deps.JetStream, bucket.Config{
			Name: "UNIONLINK_WECHAT_LOGINS", Description: "states of authorizations and results of codes",
			TTL: cfg.Remember, MaxBytes: cfg.MaxBytes, Replicas: deps.Replicas,
		}),
	}, nil
}

// Routes mounts the routes on r.
func (l *Login) Routes(r chi.Router) {
	r.Group(func(r chi.Router) {
		if len(l.cfg.Origins) > 0 { // go-chi/cors takes an empty list as all origins
			r.Use(cors.Handler(cors.Options{
				AllowedOrigins: l.cfg.Origins, AllowedMethods: []string{http.MethodPost}, AllowedHeaders: []string{"Content-Type"},
				AllowCredentials: true, MaxAge: 600,
			}))
		}
		r.Post("/api/user/wechat/login", l.post)
		r.Options("/api/user/wechat/login", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	})
	r.Get("/wechat/{appid}/authorize", l.authorize)
	r.Get("/wechat/{appid}/callback", l.callback)
	r.Get("/wechat/unionlink.js", script)
	r.Get("/.well-known/jwks.json", l.signer.JWKS)
	r.Get("/MP_verify_{token}.txt", l.verifyFile)
}

// verifyFile serves the file by which WeChat checks who owns the domain; it holds
// the token of its own name.
func (l *Login) verifyFile(w http.ResponseWriter, r *http.Request) {
	token := chi.URLParam(r, "token")
	for _, known := range l.cfg.VerifyTokens {
		if token == known {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte(token)) // a reader that left needs no answer
			return
		}
	}
	http.NotFound(w, r)
}

// enter takes a slot for a login; ok is false if all are taken.
func (l *Login) enter() (leave func(), ok bool) {
	select {
	case l.slots <- struct{}{}:
		return func() { <-l.slots }, true
	default:
		return nil, false
	}
}

// finishTime bounds one login beyond its request: a browser that hangs up has spent
// its code, and comes again for the answer.
const finishTime = 25 * time.Second

// detached lets a login finish after its browser left.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), finishTime)
}
