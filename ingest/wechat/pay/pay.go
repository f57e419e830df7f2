// Package pay takes WeChat Pay's notifications (API v3) and imports its daily bills:
// payments and refunds become purchase events.
//
// A payment may be learnt twice: from its notification, which may be repeated for a
// day or never come, and from the bill of the day. It is counted once. Whoever
// learns of it first stores the event in a NATS bucket, by merchant, transaction and
// refund; everybody publishes what is stored there. So both ways give the very same
// event, also where their times differ, which would otherwise store one payment
// under two months.
//
// The business key is (appid, order_id): order_id is WeChat's transaction id, or,
// where a merchant's back end publishes orders itself, its own out_trade_no.
//
// A refund's notification names neither account nor user: both come from the stored
// payment. A refund of an unknown payment is answered with a failure, so that WeChat
// sends it again until the payment is known.
package pay

import (
	"context"
	"encoding/json"
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
	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
)

// OrderID says which of a payment's two numbers is the event's order_id.
type OrderID string

// The two numbers.
const (
	OrderIDTransaction OrderID = "transaction_id"
	OrderIDMerchant    OrderID = "out_trade_no"
)

// PlatformKey is a key by which WeChat Pay signs.
type PlatformKey struct {
	// ID is PUB_KEY_ID_… for a public key. A certificate's is its serial number,
	// and may be left out.
	ID string `yaml:"id"`
	// PEM is the public key or the certificate.
	PEM string `yaml:"pem"`
}

// Merchant is one merchant of WeChat Pay.
type Merchant struct {
	MchID string `yaml:"mchid"`
	// APIv3Key is the 32 characters that notifications are encrypted with.
	APIv3Key string `yaml:"apiv3_key"`
	// PlatformKeys are WeChat Pay's, from the merchant console; two during a change.
	PlatformKeys []PlatformKey `yaml:"platform_keys"`
	// OrderID is the event's order_id. Default transaction_id.
	OrderID OrderID `yaml:"order_id"`
}

// Config lists the merchants.
type Config struct {
	Merchants []Merchant `yaml:"merchants"`
	// Remember is how long a payment is kept for its refunds; WeChat Pay refunds
	// within a year. Default 400 days.
	Remember time.Duration `yaml:"remember"`
}

// WithDefaults fills what is not set.
func (c Config) WithDefaults() Config {
	if c.Remember == 0 {
		c.Remember = 400 * 24 * time.Hour
	}
	merchants := make([]Merchant, len(c.Merchants))
	copy(merchants, c.Merchants)
	for i := range merchants {
		if merchants[i].OrderID == "" {
			merchants[i].OrderID = OrderIDTransaction
		}
	}
	c.Merchants = merchants
	return c
}

// Validate returns every fault, joined, each with its path.
func (c Config) Validate() error {
	_, err := c.merchants()
	return err
}

// merchants prepares the keys of all merchants.
func (c Config) merchants() (map[string]*merchant, error) {
	known := make(map[string]*merchant, len(c.Merchants))
	var faults []error
	if c.Remember < 24*time.Hour {
		faults = append(faults, errors.New("remember: is under a day"))
	}
	for i, m := range c.Merchants {
		ready, err := newMerchant(m)
		if err != nil {
			faults = append(faults, fmt.Errorf("merchants[%d]: %w", i, err))
		}
		if known[m.MchID] != nil {
			faults = append(faults, fmt.Errorf("merchants[%d].mchid: %s is given twice", i, m.MchID))
		}
		known[m.MchID] = ready
	}
	return known, errors.Join(faults...)
}

// Deps is what the package works with.
type Deps struct {
	JetStream jetstream.JetStream
	Accounts  *account.Directory
	Publisher outbox.Publisher
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Replicas of the bucket in a cluster.
	Replicas int
}

// Pay is safe for concurrent use.
type Pay struct {
	deps      Deps
	merchants map[string]*merchant
	ledger    *bucket.Bucket
	count     *prometheus.CounterVec
}

// New validates the configuration; it talks to nobody.
func New(cfg Config, deps Deps) (*Pay, error) {
	cfg = cfg.WithDefaults()
	if deps.Now == nil {
		deps.Now = time.Now
	}
	merchants, err := cfg.merchants()
	if err != nil {
		return nil, err
	}
	p := &Pay{deps: deps, merchants: merchants}
	p.ledger = bucket.New(deps.JetStream, bucket.Config{
		Name: "UNIONLINK_WECHAT_PAYMENTS", Description: "payments and refunds as they were first learnt", TTL: cfg.Remember, Replicas: deps.Replicas,
	})
	p.count = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "unionlink_wechat_payments_total", Help: "Payments and refunds, by source (notification, bill) and what became of them.",
	}, []string{"source", "outcome"})
	deps.Metrics.MustRegister(p.count)
	return p, nil
}

// Routes mounts the routes on r.
func (p *Pay) Routes(r chi.Router) { r.Post("/wechat/pay/{mchid}/notify", p.notify) }

const (
	// maxNotification bounds a notification's body; real ones have about 2 kB.
	maxNotification = 128 << 10
	// answerTime is below the 5 s after which WeChat Pay hangs up.
	answerTime = 4500 * time.Millisecond
)

// refusal is a notification that is not taken, and the status that it is answered with.
type refusal struct {
	status  int
	outcome string
	err     error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// notify takes one notification. Every failure comes again, on WeChat Pay's schedule
// of 24 hours.
func (p *Pay) notify(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	outcome, err := p.take(ctx, w, r)
	if err == nil {
		p.count.WithLabelValues("notification", outcome).Inc()
		w.WriteHeader(http.StatusNoContent)
		return
	}
	status, outcome := http.StatusServiceUnavailable, "failed"
	var refused *refusal
	if errors.As(err, &refused) {
		status, outcome = refused.status, refused.outcome
	}
	p.count.WithLabelValues("notification", outcome).Inc()
	p.deps.Log.WarnContext(ctx, "payment notification not taken; wechat pay sends it again", "outcome", outcome, "error", err)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": "FAIL", "message": outcome}) // WeChat Pay sends it again if it left
}

func (p *Pay) take(ctx context.Context, w http.ResponseWriter, r *http.Request) (outcome string, err error) {
	m := p.merchants[chi.URLParam(r, "mchid")]
	if m == nil {
		return "", &refusal{http.StatusNotFound, "unknown_merchant", errors.New("the merchant is not configured")}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNotification))
	if err != nil {
		return "", &refusal{http.StatusRequestEntityTooLarge, "too_large", fmt.Errorf("read the notification: %w", err)}
	}
	if err := m.verify(r.Header, body, p.deps.Now()); err != nil {
		return "", &refusal{http.StatusUnauthorized, "forged", err}
	}
	n, err := m.open(body)
	if err != nil {
		return "", &refusal{http.StatusBadRequest, "malformed", err}
	}
	switch {
	case n.transaction != nil:
		return p.paid(ctx, m, n.transaction)
	case n.refund != nil:
		return p.refunded(ctx, m, n.refund)
	}
	return "ignored", nil
}
