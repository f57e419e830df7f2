package push

import (
	"context"
	"fmt"

	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
	"github.com/unionlink/unionlink/schemas"
)

// handle does what the message asks for and says what that was.
func (p *Push) handle(ctx context.Context, acc account.Account, m message) (outcome string, err error) {
	if m["MsgType"] != "event" {
		return string(PolicyIgnore), nil
	}
	switch m["Event"] {
	case "subscribe":
		return p.subscribed(ctx, acc, m)
	case "unsubscribe":
		return p.apply(ctx, p.cfg.OnUnsubscribe, subject{acc, m["FromUserName"], m})
	case "user_authorization_revoke":
		return p.compliance(ctx, p.onRevoke(m["RevokeInfo"]), acc, m)
	case "user_authorization_cancellation":
		return p.compliance(ctx, p.cfg.OnCancel, acc, m)
	case "user_info_modified":
		return p.compliance(ctx, p.cfg.OnModified, acc, m)
	}
	return string(PolicyIgnore), nil
}

// subject is whom a message is about.
type subject struct {
	acc    account.Account
	openid string
	msg    message
}

// eventID follows from the content. FromUserName and CreateTime, which WeChat names
// for this, do not do: in revocations FromUserName is the platform itself, and two
// users who revoke in one second would be one event.
func (s subject) eventID() string {
	return "wxpush_" + bucket.Digest(s.acc.AppID, s.msg["Event"], s.openid, s.msg["RevokeInfo"], s.msg["CreateTime"])
}

func (p *Push) envelope(s subject) schemas.Envelope {
	return schemas.Envelope{EventID: s.eventID(), OccurredAt: s.msg.created(p.deps.Now()), AppID: s.acc.AppID, OpenID: s.openid}
}

// usable tells whether the openid can be one. A message without is answered with
// success, since pushing it again would not help, and counted.
func (s subject) usable() bool { return schemas.CheckIdentifier("openid", s.openid) == nil }

const outcomeNoOpenID = "no_openid"

// subscribed publishes a login, and queues the question for its unionid, which the
// push does not tell.
func (p *Push) subscribed(ctx context.Context, acc account.Account, m message) (string, error) {
	s := subject{acc, m["FromUserName"], m}
	if !s.usable() {
		return outcomeNoOpenID, nil
	}
	if _, err := outbox.Publish(ctx, p.deps.Publisher, &schemas.Login{Envelope: p.envelope(s)}); err != nil {
		return "", err
	}
	if err := p.ask(ctx, s); err != nil {
		return "", err
	}
	return "login", nil
}

// ask queues the question for a user's unionid where there can be one.
func (p *Push) ask(ctx context.Context, s subject) error {
	if s.acc.Kind != account.KindOfficial || s.acc.Secret == "" {
		return nil
	}
	if err := p.deps.Queue.Add(ctx, s.acc.AppID, s.openid); err != nil {
		return fmt.Errorf("queue a follower: %w", err)
	}
	return nil
}

// onRevoke is the policy of a RevokeInfo. Addresses, invoices, telephone numbers and
// the like are never stored here, so their revocation leaves nothing to delete.
func (p *Push) onRevoke(info string) Policy {
	switch info {
	case "301":
		return p.cfg.OnRevokeAll
	case "205", "6":
		return p.cfg.OnRevokeProfile
	}
	return PolicyIgnore
}

// compliance applies a policy to the user of a compliance event. There the user is
// in OpenID, and the account in AppID: it must be the one whose token signed.
func (p *Push) compliance(ctx context.Context, policy Policy, acc account.Account, m message) (string, error) {
	if named := m["AppID"]; named != "" && named != acc.AppID {
		return "other_account", nil
	}
	return p.apply(ctx, policy, subject{acc, m["OpenID"], m})
}

func (p *Push) apply(ctx context.Context, policy Policy, s subject) (string, error) {
	if policy != PolicyIgnore && !s.usable() {
		return outcomeNoOpenID, nil
	}
	e := &schemas.Identity{Envelope: p.envelope(s)}
	switch policy {
	case PolicyErase:
		e.Action = schemas.ActionErase
	case PolicyUnlink:
		e.Action, e.Space = schemas.ActionUnlink, s.acc.Space(e.OccurredAt)
	case PolicyRefetch:
		return string(policy), p.ask(ctx, s)
	default:
		return string(PolicyIgnore), nil
	}
	_, err := outbox.Publish(ctx, p.deps.Publisher, e)
	return string(policy), err
}
