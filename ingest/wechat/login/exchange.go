package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
	"github.com/unionlink/unionlink/ingest/wechat/session"
	"github.com/unionlink/unionlink/schemas"
)

// visitor is what WeChat told of the user behind a code.
type visitor struct {
	// At is when the code was exchanged: the login's time.
	At         time.Time `json:"at"`
	OpenID     string    `json:"openid"`
	UnionID    string    `json:"unionid,omitempty"`
	Scope      string    `json:"scope,omitempty"`
	Snapshot   bool      `json:"snapshot,omitempty"`
	Nickname   string    `json:"nickname,omitempty"`
	HeadImgURL string    `json:"headimgurl,omitempty"`
}

// attempt is one code on its way to a login.
type attempt struct {
	appid, code, state string
	// browser is the digest of the browser's cookie, empty without one.
	browser string
}

// finish turns the attempt into an answer. The error is a *failure.
func (l *Login) finish(ctx context.Context, a attempt) (*Answer, *failure) {
	leave, ok := l.enter()
	if !ok {
		return nil, &failure{status: http.StatusServiceUnavailable, code: CodeBusy, msg: "too many logins at once; send the same code again", after: time.Second}
	}
	defer leave()
	ctx, cancel := detached(ctx)
	defer cancel()
	began := l.deps.Now()
	answer, err := l.run(ctx, a)
	l.metrics.seconds.Observe(l.deps.Now().Sub(began).Seconds())
	if err == nil {
		l.metrics.logins.WithLabelValues("ok").Inc()
		return answer, nil
	}
	f := failureOf(err)
	l.metrics.logins.WithLabelValues(outcome(f.code)).Inc()
	if f.status >= http.StatusInternalServerError {
		l.deps.Log.WarnContext(ctx, "login failed", "appid", a.appid, "code", f.code, "error", f.Error())
	}
	return nil, f
}

func (l *Login) run(ctx context.Context, a attempt) (*Answer, error) {
	acc, ok := l.deps.Accounts.Find(a.appid)
	switch {
	case !ok || acc.Secret == "":
		return nil, fail(http.StatusNotFound, CodeUnknownAccount, "this account cannot log in here")
	case a.code == "" || len(a.code) > 512 || strings.ContainsFunc(a.code, unicode.IsControl):
		return nil, fail(http.StatusBadRequest, CodeBadRequest, "code is required")
	}
	owner, err := l.owner(ctx, acc, a)
	if err != nil {
		return nil, err
	}
	c, answer, err := l.take(ctx, a.appid, a.code, owner)
	if err != nil || answer != nil {
		return answer, err
	}
	answer, err = l.work(ctx, acc, a.code, c)
	if err := l.settle(ctx, c, answer, err); err != nil {
		return nil, err
	}
	return answer, nil
}

// owner names who may see the code's result, once the state is checked. A client
// without cookies (a mini program) is known by a state that only it knows; without
// either nobody may ask twice.
func (l *Login) owner(ctx context.Context, acc account.Account, a attempt) (string, error) {
	if acc.Web() {
		err := l.spend(ctx, a.appid, a.state, a.browser, a.code)
		if err != nil && !(l.cfg.TrustForeignStates && errors.Is(err, errState)) {
			return "", err
		}
	}
	switch {
	case a.browser != "":
		return "browser " + a.browser, nil
	case a.state != "" && !acc.Web(): // a web page's state stands in its address
		return "state " + bucket.Digest(a.state), nil
	}
	return "nobody " + rand.Text(), nil
}

// work resolves the code unless an earlier request did, publishes the login and
// signs the answer.
func (l *Login) work(ctx context.Context, acc account.Account, code string, c *claim) (*Answer, error) {
	if c.Visitor == nil {
		v, err := l.resolve(ctx, acc, code)
		if err != nil {
			return nil, err
		}
		c.Visitor = &v
		if err := l.keep(ctx, c); err != nil {
			return nil, err
		}
	}
	v := *c.Visitor
	if _, err := outbox.Publish(ctx, l.deps.Publisher, l.event(acc, code, v)); err != nil {
		return nil, err
	}
	if v.Snapshot {
		return nil, errSnapshot
	}
	answer := &Answer{
		PersonID: personID(acc, v), AppID: acc.AppID, OpenID: v.OpenID, UnionID: v.UnionID,
		Nickname: v.Nickname, HeadImgURL: v.HeadImgURL,
	}
	token, err := l.signer.Sign(ctx, session.Claims{AppID: acc.AppID, PersonID: answer.PersonID, OpenID: v.OpenID})
	if err != nil {
		return nil, fmt.Errorf("sign the answer: %w", err)
	}
	answer.SessionToken = token
	return answer, nil
}

// resolve spends the code.
func (l *Login) resolve(ctx context.Context, acc account.Account, code string) (visitor, error) {
	app := client.Credentials{AppID: acc.AppID, Secret: acc.Secret}
	if acc.Kind == account.KindMiniProgram {
		s, err := l.deps.Client.MiniProgramSession(ctx, app, code)
		return visitor{At: l.deps.Now(), OpenID: s.OpenID, UnionID: s.UnionID}, err
	}
	grant, err := l.deps.Client.ExchangeCode(ctx, app, code)
	if err != nil {
		return visitor{}, err
	}
	v := visitor{At: l.deps.Now(), OpenID: grant.OpenID, UnionID: grant.UnionID, Scope: grant.Scope, Snapshot: grant.SnapshotUser}
	if v.Snapshot || !grant.ProfileGranted() {
		return v, nil
	}
	info, err := l.deps.Client.UserInfo(ctx, grant.AccessToken, grant.OpenID, l.cfg.Lang)
	if err != nil {
		// The code is spent and the identity is known: a login without a profile is
		// better than none. The next login brings the profile.
		l.metrics.profiles.Inc()
		return v, nil
	}
	v.Nickname, v.HeadImgURL = clean(info.Nickname), clean(info.HeadImgURL)
	if v.UnionID == "" {
		v.UnionID = info.UnionID
	}
	return v, nil
}

// clean drops control characters and what is over the contract's length.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	if len(s) > schemas.MaxTextBytes {
		s = strings.ToValidUTF8(s[:schemas.MaxTextBytes], "")
	}
	return s
}

// event is the login as it is published. Its id follows from the code, so that a
// login that is published twice is one event.
func (l *Login) event(acc account.Account, code string, v visitor) *schemas.Login {
	e := &schemas.Login{
		Envelope: schemas.Envelope{EventID: "wxlogin_" + bucket.Digest(acc.AppID, code), OccurredAt: v.At, AppID: acc.AppID, OpenID: v.OpenID},
		UnionID:  v.UnionID, Scope: v.Scope, SnapshotUser: v.Snapshot,
	}
	if !v.Snapshot && !l.cfg.DropProfiles && (v.Nickname != "" || v.HeadImgURL != "") {
		e.Profile = &schemas.Profile{Nickname: v.Nickname, HeadImgURL: v.HeadImgURL}
	}
	return e
}

func personID(acc account.Account, v visitor) string {
	if v.UnionID != "" {
		return schemas.PersonID(schemas.KeyHash(acc.Space(v.At), v.UnionID))
	}
	return schemas.PersonID(schemas.IdentityHash(acc.AppID, v.OpenID))
}
