package wechatsim

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// pushOrder is one message for an account's push URL.
type pushOrder struct {
	account *account
	from    string // FromUserName: the user's openid, or WeChat's own account
	openid  string // in the query; empty where WeChat leaves it out
	msgType string
	event   string // for the delivery log
	fields  []xmlField
}

// sendPush hands a message to the courier; nothing happens where the account has no push URL. The message, with its
// MsgId or CreateTime, is made once: a repetition is the same message under a new signature.
func (s *Simulator) sendPush(o pushOrder) {
	w, settings := s.world, o.account.Push
	if settings.URL == "" {
		return
	}
	knobs, now := w.knobs, s.clock.now()
	fields := append([]xmlField{
		{name: "ToUserName", value: o.account.OriginalID},
		{name: "FromUserName", value: o.from},
		{name: "CreateTime", value: strconv.FormatInt(now.Unix(), 10), number: true},
		{name: "MsgType", value: o.msgType},
	}, o.fields...)
	m := &pushMessage{
		push: settings, openid: o.openid, appID: o.account.AppID, toUser: o.account.OriginalID, fields: fields,
		nonce: w.mint.nonce(10), random: w.mint.nonce(16), skew: time.Duration(knobs.ClockSkewSeconds) * time.Second,
	}
	waits := make([]time.Duration, knobs.PushTries-1)
	for i := range waits {
		waits[i] = time.Duration(knobs.PushRetryWaitMillis) * time.Millisecond
	}
	d := &delivery{
		Kind: "push", Target: o.account.AppID, Event: o.event, URL: settings.URL, waits: waits,
		timeout: time.Duration(knobs.PushTimeoutMillis) * time.Millisecond, request: m.request,
		verdict: func(status int, err error) outcome {
			switch {
			case err == nil && status/100 == 2:
				return outcomeDelivered
			case err != nil || knobs.PushRetryOnStatus:
				return outcomeRetry
			}
			return outcomeGiveUp
		},
	}
	s.dispatch("push", d)
}

// dispatch gives a delivery to the courier, or loses it where a fault says so.
func (s *Simulator) dispatch(route string, d *delivery) int {
	if f, hit := s.world.strike(route, d.Target); hit && f.DropReply {
		d.State = stateLost
	}
	return s.courier.add(d)
}

// pushMessage is a message that waits to be signed and sent.
type pushMessage struct {
	push                         Push
	openid, appID, toUser, nonce string
	random                       string
	fields                       []xmlField
	skew                         time.Duration
}

func (m *pushMessage) request(ctx context.Context, now time.Time) (*http.Request, error) {
	timestamp := strconv.FormatInt(now.Add(m.skew).Unix(), 10)
	query := url.Values{
		"signature": {pushSignature(m.push.Token, timestamp, m.nonce)}, "timestamp": {timestamp}, "nonce": {m.nonce},
	}
	if m.openid != "" {
		query.Set("openid", m.openid)
	}
	body := xmlMessage(m.fields)
	if m.push.Mode == PushAES || m.push.Mode == PushCompatible {
		encrypted, err := m.encrypt(body)
		if err != nil {
			return nil, err
		}
		query.Set("encrypt_type", "aes")
		query.Set("msg_signature", pushSignature(m.push.Token, timestamp, m.nonce, encrypted))
		fields := []xmlField{{name: "ToUserName", value: m.toUser}}
		if m.push.Mode == PushCompatible {
			fields = m.fields
		}
		body = xmlMessage(append(fields[:len(fields):len(fields)], xmlField{name: "Encrypt", value: encrypted}))
	}
	address, err := withQuery(m.push.URL, query)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "text/xml")
	req.Header.Set("User-Agent", "Mozilla/4.0")
	return req, nil
}

func (m *pushMessage) encrypt(body string) (string, error) {
	key, err := decodeAESKey(m.push.AESKey)
	if err != nil {
		return "", fmt.Errorf("aes_key: %w", err)
	}
	return encryptMessage(key, m.random, body, m.appID)
}

// withQuery adds parameters to an address that may have some of its own.
func withQuery(address string, query url.Values) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += query.Encode()
	return u.String(), nil
}

// userEvent pushes subscribe, unsubscribe or SCAN.
func (s *Simulator) userEvent(a *account, rel *relation, event string, extra ...xmlField) {
	fields := []xmlField{{name: "Event", value: event}}
	if len(extra) == 0 {
		extra = []xmlField{{name: "EventKey"}}
	}
	s.sendPush(pushOrder{
		account: a, from: rel.openid, openid: rel.openid, msgType: "event", event: event, fields: append(fields, extra...),
	})
}

// qrFields are what a scanned QR code adds to an event.
func (s *Simulator) qrFields(key string) []xmlField {
	return []xmlField{{name: "EventKey", value: key}, {name: "Ticket", value: s.world.mint.nonce(64)}}
}

// authorizationEvent pushes user_info_modified, user_authorization_revoke or user_authorization_cancellation. The
// user is in OpenID; FromUserName is WeChat's own account.
func (s *Simulator) authorizationEvent(a *account, u *user, event, revokeInfo string) {
	fields := []xmlField{
		{name: "Event", value: event},
		{name: "OpenID", value: s.world.mint.openID(u.id, a.AppID)},
		{name: "AppID", value: a.AppID},
		{name: "RevokeInfo", value: revokeInfo},
	}
	if unionid := s.world.unionID(a, u); unionid != "" && s.world.knobs.UnionIDInRevoke {
		fields = append(fields, xmlField{name: "UnionID", value: unionid})
	}
	s.sendPush(pushOrder{
		account: a, from: s.world.knobs.PlatformAccount, msgType: "event", event: event, fields: fields,
	})
}

// textMessage pushes what a user wrote to the account.
func (s *Simulator) textMessage(a *account, rel *relation, text string) {
	s.world.messages++
	s.sendPush(pushOrder{
		account: a, from: rel.openid, openid: rel.openid, msgType: "text", event: "text",
		fields: []xmlField{
			{name: "Content", value: text},
			{name: "MsgId", value: strconv.FormatInt(23_000_000_000_000_000+s.world.messages, 10), number: true},
		},
	})
}

// checkPush is the echo check WeChat makes when a push URL is saved.
func (s *Simulator) checkPush(ctx context.Context, push Push) error {
	s.mu.Lock()
	nonce, echo := s.world.mint.nonce(10), s.world.mint.nonce(20)
	timeout := time.Duration(s.world.knobs.PushTimeoutMillis) * time.Millisecond
	s.mu.Unlock()
	timestamp := strconv.FormatInt(s.clock.now().Unix(), 10)
	address, err := withQuery(push.URL, url.Values{
		"signature": {pushSignature(push.Token, timestamp, nonce)}, "timestamp": {timestamp}, "nonce": {nonce}, "echostr": {echo},
	})
	if err != nil {
		return fmt.Errorf("push url: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("push url: %w", err)
	}
	resp, err := s.courier.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask push url: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxReceiverBody))
	if err != nil {
		return fmt.Errorf("read echo: %w", err)
	}
	if resp.StatusCode != http.StatusOK || string(answer) != echo {
		return fmt.Errorf("push url answered %d and not the echostr", resp.StatusCode)
	}
	return nil
}
