package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Class says what to do about an errcode.
type Class string

// The classes of errcodes.
const (
	// ClassRetry passes by itself within a minute.
	ClassRetry Class = "retry"
	// ClassReauthorize is cured by sending the user through authorization again.
	ClassReauthorize Class = "reauthorize"
	// ClassToken is cured by renewing the account's access token, once.
	ClassToken Class = "token"
	// ClassQuota is a spent daily quota: nothing helps before midnight in China,
	// except the console's reset.
	ClassQuota Class = "quota"
	// ClassConfiguration is cured by an operator: secret, IP list, permissions.
	ClassConfiguration Class = "configuration"
	// ClassPermanent is an answer: asking again gives it again.
	ClassPermanent Class = "permanent"
)

// Errcodes that callers test for.
const (
	CodeBusy        = -1
	CodeBadOpenID   = 40003
	CodeInvalidCode = 40029
	CodeUsedCode    = 40163
	CodeDailyQuota  = 45009
	CodeMinuteQuota = 45011
	CodeNotGranted  = 48001
)

// class of each errcode that matters; others are permanent. Sources: the error
// lists of the routes in developers.weixin.qq.com/doc, and what SDKs observed.
var class = map[int]Class{
	CodeBusy: ClassRetry, CodeMinuteQuota: ClassRetry,

	CodeInvalidCode: ClassReauthorize, 40030: ClassReauthorize, CodeUsedCode: ClassReauthorize,
	42002: ClassReauthorize, 42003: ClassReauthorize, 42007: ClassReauthorize,

	40001: ClassToken, 40014: ClassToken, 42001: ClassToken,

	CodeDailyQuota: ClassQuota,

	40013: ClassConfiguration, 40125: ClassConfiguration, 40164: ClassConfiguration, 40243: ClassConfiguration,
	89503: ClassConfiguration, 48004: ClassConfiguration, 63178: ClassConfiguration, CodeNotGranted: ClassConfiguration,
	// A request that is wrong in itself is a fault of this program or its configuration.
	40002: ClassConfiguration, 41002: ClassConfiguration, 41004: ClassConfiguration, 43001: ClassConfiguration,
	43002: ClassConfiguration, 44002: ClassConfiguration, 48006: ClassConfiguration,
}

// Error is a refusal by WeChat.
type Error struct {
	// Op is the route, such as "/sns/oauth2/access_token".
	Op string
	// Code is the errcode, Message the errmsg without its tail.
	Code    int
	Message string
	// RID is WeChat's request id, by which its staff find the call.
	RID   string
	Class Class
}

// Error tells route, errcode and errmsg.
func (e *Error) Error() string {
	if e.RID == "" {
		return fmt.Sprintf("wechat %s: %d %s", e.Op, e.Code, e.Message)
	}
	return fmt.Sprintf("wechat %s: %d %s (rid %s)", e.Op, e.Code, e.Message, e.RID)
}

var (
	ridTail = regexp.MustCompile(`rid: ([0-9a-zA-Z-]{1,64})`)
	// tails are what WeChat appends to an errmsg: ids, hints (which may repeat an
	// openid), advertisements.
	tails = regexp.MustCompile(`(?s)[,\s]*(rid: |hints?: |could get access_token |rqst: ).*$`)
)

func newError(op string, code int, msg string) *Error {
	e := &Error{Op: op, Code: code, Class: ClassPermanent}
	if c, known := class[code]; known {
		e.Class = c
	}
	// /cgi-bin/stable_token answers 40001 for a wrong secret: no token was sent.
	if code == 40001 && strings.HasSuffix(op, "token") && strings.HasPrefix(op, "/cgi-bin/") {
		e.Class = ClassConfiguration
	}
	if m := ridTail.FindStringSubmatch(msg); m != nil {
		e.RID = m[1]
	}
	e.Message = tails.ReplaceAllString(msg, "")
	const limit = 120
	if len(e.Message) > limit {
		e.Message = strings.ToValidUTF8(e.Message[:limit], "")
	}
	return e
}

// ClassOf returns the class of a refusal by WeChat; ok is false for other errors.
func ClassOf(err error) (c Class, ok bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Class, true
	}
	return "", false
}

// IsCode tells whether err is WeChat's refusal with this errcode.
func IsCode(err error, code int) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// TransportError says that no answer of WeChat arrived: a time-out, a broken
// connection, a gateway's page.
type TransportError struct {
	Op string
	// Status is the HTTP status of a reply that is not WeChat's, 0 without one.
	Status int
	// Timeout tells that time ran out.
	Timeout bool
	// Sent is false where the request surely never reached WeChat.
	Sent  bool
	cause error
}

// Error tells the route and what happened to the connection, never the address,
// which holds secrets.
func (e *TransportError) Error() string {
	switch {
	case e.Timeout:
		return fmt.Sprintf("wechat %s: no answer in time", e.Op)
	case e.cause != nil:
		return fmt.Sprintf("wechat %s: %v", e.Op, e.cause)
	}
	return fmt.Sprintf("wechat %s: HTTP status %d", e.Op, e.Status)
}

// Unwrap returns the cause, if there is one.
func (e *TransportError) Unwrap() error { return e.cause }

func transportError(op string, err error) *TransportError {
	e := &TransportError{Op: op, Sent: true, cause: err}
	// *url.Error repeats the whole address, secret and code included.
	var address *url.Error
	if errors.As(err, &address) {
		e.Timeout = address.Timeout()
		e.cause = address.Err
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		e.Sent = false
	}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Timeout = true
	}
	return e
}
