package login

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/schemas"
)

// Codes of the login route that are not WeChat's errcodes, which have five digits
// or are negative.
const (
	// CodeBadRequest: the body is not {"appid","code","state"}.
	CodeBadRequest = 1001
	// CodeUnknownAccount: the appid is not configured, or cannot log in this way.
	CodeUnknownAccount = 1002
	// CodeState: the state is missing, not ours, too old, another browser's or
	// spent. Begin again at authorize.
	CodeState = 1003
	// CodeSnapshot: a virtual user. Offer WeChat's full service (使用完整服务).
	CodeSnapshot = 1004
	// CodeNotDurable: the login cannot be stored now. Send the same code again.
	CodeNotDurable = 1005
	// CodeUnreachable: WeChat did not answer. Begin again: the code may be spent.
	CodeUnreachable = 1006
	// CodeBusy: too many logins at once. Send the same code again.
	CodeBusy = 1007
	// CodeRefused: the user refused the authorization.
	CodeRefused = 1008
	// CodeInternal: a fault of ours.
	CodeInternal = 1009
)

// failure is what a caller is told of an error.
type failure struct {
	status int
	code   int
	msg    string
	// after is the Retry-After; 0 is none.
	after time.Duration
	cause error
}

func (f *failure) Error() string {
	if f.cause != nil {
		return fmt.Sprintf("login: %d %s: %v", f.code, f.msg, f.cause)
	}
	return fmt.Sprintf("login: %d %s", f.code, f.msg)
}

func (f *failure) Unwrap() error { return f.cause }

// final tells whether sending the same code again cannot help.
func (f *failure) final() bool { return f.after == 0 && f.code != CodeInternal }

func fail(status, code int, msg string) *failure {
	return &failure{status: status, code: code, msg: msg}
}

var (
	errState    = fail(http.StatusForbidden, CodeState, "the state is not one that this browser began with; begin again")
	errSnapshot = fail(http.StatusForbidden, CodeSnapshot, "a snapshot user has no identity; offer the full service")
	errUsed     = fail(http.StatusUnauthorized, client.CodeUsedCode, "code been used")
)

// notDurable is the failure of a store that may work again soon.
func notDurable(err error) *failure {
	return &failure{status: http.StatusServiceUnavailable, code: CodeNotDurable, msg: "not stored now; send the same code again", after: 2 * time.Second, cause: err}
}

// failureOf says what the caller is told of err.
func failureOf(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	var refused *client.Error
	if errors.As(err, &refused) {
		return ofErrcode(refused)
	}
	var lost *client.TransportError
	if errors.As(err, &lost) {
		f := &failure{status: http.StatusBadGateway, code: CodeUnreachable, msg: "wechat did not answer; begin again", cause: err}
		if lost.Timeout {
			f.status = http.StatusGatewayTimeout
		}
		return f
	}
	var refusal *schemas.Refusal
	if errors.As(err, &refusal) {
		return &failure{status: http.StatusBadGateway, code: CodeInternal, msg: "wechat's answer has no usable identity", cause: err}
	}
	return notDurable(err)
}

// ofErrcode maps a class of errcodes to a status of HTTP. The errcode itself is told.
func ofErrcode(e *client.Error) *failure {
	f := &failure{code: e.Code, msg: e.Message, cause: e}
	switch e.Class {
	case client.ClassReauthorize:
		f.status = http.StatusUnauthorized
	case client.ClassPermanent:
		f.status = http.StatusForbidden
	case client.ClassRetry:
		f.status, f.after = http.StatusServiceUnavailable, 5*time.Second
		if e.Code == client.CodeMinuteQuota {
			f.after = time.Minute
		}
	case client.ClassQuota:
		f.status, f.after = http.StatusServiceUnavailable, time.Hour
	case client.ClassToken, client.ClassConfiguration:
		f.status = http.StatusInternalServerError
	}
	return f
}
