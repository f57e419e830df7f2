package login

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/unionlink/unionlink/ingest/wechat/bucket"
)

// Answer is the data of a login's answer.
type Answer struct {
	// PersonID is the person as far as this one login tells: of the unionid where
	// there is one, of the openid otherwise. Links learnt later may change it.
	PersonID   string `json:"person_id"`
	AppID      string `json:"appid"`
	OpenID     string `json:"openid"`
	UnionID    string `json:"unionid"`
	Nickname   string `json:"nickname"`
	HeadImgURL string `json:"headimgurl"`
	// SessionToken is a JWT; see package session.
	SessionToken string `json:"session_token"`
}

// result is what became of a code so far. Its key is the digest of appid and code.
//
// It goes from claimed (Holder is exchanging the code) to resolved (WeChat has
// answered: the code is spent, Visitor is kept so that nothing must be asked again)
// to an Answer or a Refused. A holder that dies loses the claim at HolderEnds.
type result struct {
	// Owner is what may see the result: the digest of a cookie or a private state.
	Owner      string    `json:"owner"`
	Holder     string    `json:"holder,omitempty"`
	HolderEnds time.Time `json:"holder_ends,omitzero"`
	Visitor    *visitor  `json:"visitor,omitempty"`
	Answer     *Answer   `json:"answer,omitempty"`
	Refused    *refused  `json:"refused,omitempty"`
}

// refused is a failure that stays.
type refused struct {
	Status  int    `json:"status"`
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// claim is the right to work on a code, by the revision of its result.
type claim struct {
	key      string
	revision uint64
	result
}

const (
	pollResult = 25 * time.Millisecond
	claimTime  = finishTime + 5*time.Second
)

// take returns a claim on the code, or the answer or the failure that owner's
// earlier request got. While that one is at work it waits. Other owners get errUsed.
func (l *Login) take(ctx context.Context, appid, code, owner string) (*claim, *Answer, error) {
	c := &claim{key: bucket.Key("code", bucket.Digest(appid, code))}
	for {
		c.result = result{}
		revision, err := l.kv.Read(ctx, c.key, &c.result)
		if err != nil {
			return nil, nil, err
		}
		now := l.deps.Now()
		switch {
		case revision == 0:
			c.Owner = owner
		case c.Owner != owner:
			return nil, nil, errUsed
		case c.Answer != nil:
			return nil, c.Answer, nil
		case c.Refused != nil:
			return nil, nil, fail(c.Refused.Status, c.Refused.Code, c.Refused.Message)
		case c.Holder != "" && now.Before(c.HolderEnds):
			if err := pause(ctx, pollResult); err != nil {
				return nil, nil, fmt.Errorf("wait for the same code's first request: %w", err)
			}
			continue
		}
		c.Holder, c.HolderEnds = rand.Text(), now.Add(claimTime)
		c.revision, err = l.kv.Write(ctx, c.key, c.result, revision)
		if errors.Is(err, bucket.ErrChanged) {
			continue
		}
		return c, nil, err
	}
}

// keep writes the claim's result.
func (l *Login) keep(ctx context.Context, c *claim) (err error) {
	c.revision, err = l.kv.Write(ctx, c.key, c.result, c.revision)
	return err
}

// settle ends a claim: with the answer, with a failure that stays, or so that the
// same code may be sent again.
func (l *Login) settle(ctx context.Context, c *claim, answer *Answer, err error) error {
	c.Holder, c.HolderEnds = "", time.Time{}
	c.Answer = answer
	if err != nil {
		f := failureOf(err)
		if f.final() && f.status != http.StatusInternalServerError {
			c.Refused = &refused{Status: f.status, Code: f.code, Message: f.msg}
		}
	}
	if answer != nil || c.Refused != nil {
		c.Visitor = nil
	}
	return errors.Join(err, l.keep(ctx, c))
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
