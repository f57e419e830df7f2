package wechatsim

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// paySchedule is what WeChat Pay waits before it sends a notification again: 24 hours and 4 minutes in all.
var paySchedule = []time.Duration{
	15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute,
	30 * time.Minute, 30 * time.Minute, 30 * time.Minute, 60 * time.Minute,
	3 * time.Hour, 3 * time.Hour, 3 * time.Hour, 6 * time.Hour, 6 * time.Hour,
}

// notificationJSON is the body of a notification.
type notificationJSON struct {
	ID           string `json:"id"`
	CreateTime   string `json:"create_time"`
	ResourceType string `json:"resource_type"`
	EventType    string `json:"event_type"`
	Summary      string `json:"summary"`
	Resource     sealed `json:"resource"`
}

// notice is a notification that waits to be signed and sent.
type notice struct {
	event, summary, original string
	resource                 any
}

func paymentNotice(m *merchant, p *payment) notice {
	return notice{"TRANSACTION.SUCCESS", "支付成功", "transaction", m.transaction(p)}
}

func refundNotice(m *merchant, r *refund) notice {
	summary := map[string]string{"SUCCESS": "退款成功", "ABNORMAL": "退款异常", "CLOSED": "退款关闭"}[r.status]
	return notice{"REFUND." + r.status, summary, "refund", m.refundResource(r)}
}

// notify sends a notification to the merchant: the probe first, if one is wanted, then the notification and its
// duplicates. Nothing happens where the merchant has no address or the order says so.
func (s *Simulator) notify(m *merchant, n notice, how noticeOrder) error {
	if m.NotifyURL == "" || (how.Notify != nil && !*how.Notify) {
		return nil
	}
	key, err := s.payKey()
	if err != nil {
		return err
	}
	body, err := s.notificationBody(m, n)
	if err != nil {
		return err
	}
	knobs := s.world.knobs
	letter := &payLetter{
		url: m.NotifyURL, body: body, key: key, keyID: key.publicID, nonce: s.world.mint.nonce(32),
		skew: time.Duration(knobs.ClockSkewSeconds) * time.Second,
	}
	if knobs.PayCertificateSerial {
		letter.keyID = key.serial
	}
	timeout := time.Duration(knobs.PushTimeoutMillis) * time.Millisecond
	if how.Probe {
		probe := *letter
		probe.probe = true
		s.dispatch("pay", &delivery{
			Kind: "pay", Target: m.MchID, Event: "SIGNTEST", URL: m.NotifyURL, timeout: timeout,
			request: probe.request, verdict: probeVerdict,
		})
	}
	waits := make([]time.Duration, len(paySchedule))
	for i, wait := range paySchedule {
		waits[i] = wait / time.Duration(knobs.PayTimeScale)
	}
	for range how.Duplicates + 1 {
		s.dispatch("pay", &delivery{
			Kind: "pay", Target: m.MchID, Event: n.event, URL: m.NotifyURL, timeout: timeout, waits: waits,
			request: letter.request, verdict: payVerdict,
		})
	}
	return nil
}

func (s *Simulator) notificationBody(m *merchant, n notice) ([]byte, error) {
	resource, err := json.Marshal(n.resource)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", n.original, err)
	}
	box, err := seal(m.APIv3Key, s.world.mint.nonce(12), n.original, resource)
	if err != nil {
		return nil, err
	}
	box.OriginalType = n.original
	id := s.world.mint.next("notification")
	body, err := json.Marshal(notificationJSON{
		ID:         fmt.Sprintf("EV-%x", id[:16]),
		CreateTime: payTime(s.clock.now()), ResourceType: "encrypt-resource", EventType: n.event, Summary: n.summary,
		Resource: box,
	})
	if err != nil {
		return nil, fmt.Errorf("encode notification: %w", err)
	}
	return body, nil
}

// payVerdict: 200 and 204 end it, everything else comes again.
func payVerdict(status int, err error) outcome {
	if err == nil && (status == http.StatusOK || status == http.StatusNoContent) {
		return outcomeDelivered
	}
	return outcomeRetry
}

// probeVerdict: a receiver that accepts the probe does not check signatures.
func probeVerdict(status int, err error) outcome {
	if err == nil && status >= 400 {
		return outcomeDelivered
	}
	return outcomeGiveUp
}

// payLetter is a notification's body and what its signature needs. Each attempt is signed anew.
type payLetter struct {
	url, keyID, nonce string
	body              []byte
	key               *payKey
	skew              time.Duration
	probe             bool
}

func (l *payLetter) request(ctx context.Context, now time.Time) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(l.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Mozilla/4.0")
	timestamp := strconv.FormatInt(now.Add(l.skew).Unix(), 10)
	signature := probePrefix + base64.StdEncoding.EncodeToString([]byte(l.nonce))
	if !l.probe {
		if signature, err = l.key.sign(timestamp, l.nonce, l.body); err != nil {
			return nil, err
		}
	}
	setPayHeaders(req.Header, l.keyID, timestamp, l.nonce, signature)
	return req, nil
}

func setPayHeaders(h http.Header, keyID, timestamp, nonce, signature string) {
	h.Set("Wechatpay-Serial", keyID)
	h.Set("Wechatpay-Signature", signature)
	h.Set("Wechatpay-Timestamp", timestamp)
	h.Set("Wechatpay-Nonce", nonce)
	h.Set("Wechatpay-Signature-Type", payScheme)
}
