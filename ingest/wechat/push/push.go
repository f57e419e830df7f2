// Package push takes WeChat's message push (消息推送): the echo check, and events in
// clear, compatible and safe mode.
//
// It turns what a user does to an account into events of the contract: following
// into a login, whose unionid is asked for behind it; leaving, revoking and closing
// the account into the deletions that WeChat demands. It answers success only once
// the event is durable and what must be asked is queued; anything else is a failure,
// after which WeChat pushes again.
//
// Nothing is remembered to tell repetitions: an event's id follows from its content,
// so a repeated push is the same event.
package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
)

// Policy is what a push does to what is known of its user.
type Policy string

// The policies.
const (
	// PolicyErase removes the person: identities, profile, links.
	PolicyErase Policy = "erase"
	// PolicyUnlink voids what this account stated of the user's unionid.
	PolicyUnlink Policy = "unlink"
	// PolicyRefetch asks WeChat for what it tells now.
	PolicyRefetch Policy = "refetch"
	// PolicyIgnore does nothing; the push is counted.
	PolicyIgnore Policy = "ignore"
)

// Config says what each push does. The defaults do what WeChat demands of whoever
// stores users' data.
type Config struct {
	// OnUnsubscribe: WeChat demands that all of a user's data be deleted. Default erase.
	OnUnsubscribe Policy `yaml:"on_unsubscribe"`
	// OnCancel: the user closed the WeChat account. Default erase.
	OnCancel Policy `yaml:"on_cancel"`
	// OnRevokeAll: the user revoked everything (RevokeInfo 301). Default erase.
	OnRevokeAll Policy `yaml:"on_revoke_all"`
	// OnRevokeProfile: the user revoked nickname and avatar (205, in mini programs
	// 6). WeChat demands that these be deleted, and erase is the contract's only
	// deletion of a profile. Default erase; ignore is right where profiles are
	// never stored (login.drop_profiles).
	OnRevokeProfile Policy `yaml:"on_revoke_profile"`
	// OnModified: nickname or avatar changed. Default refetch: the next login brings
	// the new profile, in the old one's place.
	OnModified Policy `yaml:"on_modified"`
}

// WithDefaults fills what is not set.
func (c Config) WithDefaults() Config {
	for _, p := range []*Policy{&c.OnUnsubscribe, &c.OnCancel, &c.OnRevokeAll, &c.OnRevokeProfile} {
		if *p == "" {
			*p = PolicyErase
		}
	}
	if c.OnModified == "" {
		c.OnModified = PolicyRefetch
	}
	return c
}

// Validate returns every fault, joined, each with its path.
func (c Config) Validate() error {
	var faults []error
	for _, p := range []struct {
		name  string
		value Policy
	}{
		{"on_unsubscribe", c.OnUnsubscribe}, {"on_cancel", c.OnCancel}, {"on_revoke_all", c.OnRevokeAll},
		{"on_revoke_profile", c.OnRevokeProfile}, {"on_modified", c.OnModified},
	} {
		switch p.value {
		case PolicyErase, PolicyUnlink, PolicyIgnore, PolicyRefetch:
		default:
			faults = append(faults, fmt.Errorf("%s: %q is none of erase, unlink, refetch, ignore", p.name, p.value))
		}
	}
	return errors.Join(faults...)
}

// Queue takes users whose unionid is to be asked for. It is durable once it returns.
type Queue interface {
	Add(ctx context.Context, appid, openid string) error
}

// Deps is what the routes work with.
type Deps struct {
	Accounts  *account.Directory
	Publisher outbox.Publisher
	Queue     Queue
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Push serves the routes; it is safe for concurrent use.
type Push struct {
	cfg   Config
	deps  Deps
	count *prometheus.CounterVec
}

// New validates the configuration; it talks to nobody.
func New(cfg Config, deps Deps) (*Push, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	count := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "unionlink_wechat_pushes_total", Help: "Messages that WeChat pushed, by event and what became of them.",
	}, []string{"event", "outcome"})
	deps.Metrics.MustRegister(count)
	return &Push{cfg: cfg, deps: deps, count: count}, nil
}

// Routes mounts the routes on r.
func (p *Push) Routes(r chi.Router) {
	r.Get("/wechat/{appid}/push", p.echo)
	r.Post("/wechat/{appid}/push", p.receive)
}

const (
	// maxMessage bounds a pushed message; WeChat's own limit of a reply is 2 kB.
	maxMessage = 256 << 10
	// answerTime is below the 5 s after which WeChat hangs up and pushes again.
	answerTime = 4500 * time.Millisecond
)

// echo answers the check that the console makes when the address is saved.
func (p *Push) echo(w http.ResponseWriter, r *http.Request) {
	acc, ok := p.account(r)
	q := r.URL.Query()
	if !ok || !sameSignature(q.Get("signature"), acc.Push.Token, q.Get("timestamp"), q.Get("nonce")) {
		p.refuse(w, "echo", "forbidden")
		return
	}
	p.count.WithLabelValues("echo", "ok").Inc()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, q.Get("echostr")) // WeChat asks again if it left
}

func (p *Push) account(r *http.Request) (account.Account, bool) {
	acc, ok := p.deps.Accounts.Find(chi.URLParam(r, "appid"))
	return acc, ok && acc.Push.Token != ""
}

// refuse answers who cannot prove to be WeChat.
func (p *Push) refuse(w http.ResponseWriter, event, outcome string) {
	p.count.WithLabelValues(event, outcome).Inc()
	http.Error(w, "forbidden", http.StatusForbidden)
}

// receive takes one message.
func (p *Push) receive(w http.ResponseWriter, r *http.Request) {
	acc, ok := p.account(r)
	if !ok {
		p.refuse(w, "message", "forbidden")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		p.count.WithLabelValues("message", "too_large").Inc()
		http.Error(w, "the message is too long or broke off", http.StatusRequestEntityTooLarge)
		return
	}
	q := r.URL.Query()
	msg, err := open(acc, envelope{
		signature: q.Get("signature"), msgSignature: q.Get("msg_signature"), timestamp: q.Get("timestamp"), nonce: q.Get("nonce"), body: body,
	})
	switch {
	case errors.Is(err, errForged):
		p.deps.Log.WarnContext(r.Context(), "push refused", "appid", acc.AppID, "error", err)
		p.refuse(w, "message", "forbidden")
		return
	case err != nil:
		p.count.WithLabelValues("message", "malformed").Inc()
		p.deps.Log.WarnContext(r.Context(), "push not readable", "appid", acc.AppID, "error", err)
		http.Error(w, "the message cannot be read", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	outcome, err := p.handle(ctx, acc, msg)
	if err != nil {
		p.count.WithLabelValues(msg.name(), "failed").Inc()
		p.deps.Log.ErrorContext(ctx, "push not stored; wechat pushes again", "appid", acc.AppID, "event", msg.name(), "error", err)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "not stored now", http.StatusServiceUnavailable)
		return
	}
	p.count.WithLabelValues(msg.name(), outcome).Inc()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "success") // WeChat pushes again if it left
}
