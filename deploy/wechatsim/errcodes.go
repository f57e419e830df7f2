package wechatsim

import "fmt"

// The errcodes the simulator answers with.
const (
	codeSystemError       = -1
	codeInvalidCredential = 40001
	codeInvalidGrantType  = 40002
	codeInvalidOpenID     = 40003
	codeInvalidAppID      = 40013
	codeInvalidToken      = 40014
	codeInvalidCode       = 40029
	codeInvalidRefresh    = 40030
	codeInvalidOpenIDList = 40032
	codeInvalidSecret     = 40125
	codeUsedCode          = 40163
	codeInvalidIP         = 40164
	codeMissingToken      = 41001
	codeMissingAppID      = 41002
	codeMissingRefresh    = 41003
	codeMissingSecret     = 41004
	codeMissingCode       = 41008
	codeMissingOpenID     = 41009
	codeTokenExpired      = 42001
	codeRefreshExpired    = 42002
	codeCodeTimeout       = 42003
	codePasswordChanged   = 42007
	codeRequireGET        = 43001
	codeRequirePOST       = 43002
	codeEmptyBody         = 44002
	codeDailyQuota        = 45009
	codeMinuteQuota       = 45011
	codeDataFormat        = 47001
	codeUnauthorized      = 48001
	codeClearQuotaLimit   = 48006
	codeWrongAppID        = 63178
	codeInvalidCGIPath    = 76003
	codeInvalidRID        = 76001
)

// The numbers of the authorize route's error pages.
const (
	pageErrorRedirect     = 10003
	pageErrorScope        = 10005
	pageErrorNoScope      = 10010
	pageErrorNoRedirect   = 10011
	pageErrorNoAppID      = 10012
	pageErrorOpenPlatform = 10016
	pageErrorOther        = 0 // "parameter error" without a number
)

// The documented limits.
const (
	maxStateBytes          = 128
	maxOpenIDsPerCall      = 100
	maxFollowersPerPage    = 10_000
	migrationWindowSeconds = 15 * 86400
)

// errmsgs are the texts without the rid: as observed, and where none was, in the same manner. Match errcodes, never these.
var errmsgs = map[int]string{
	codeSystemError:       "system error",
	codeInvalidCredential: "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r",
	codeInvalidGrantType:  "invalid grant_type",
	codeInvalidOpenID:     "invalid openid",
	codeInvalidAppID:      "invalid appid",
	codeInvalidToken:      "invalid access_token",
	codeInvalidCode:       "invalid code",
	codeInvalidRefresh:    "invalid refresh_token",
	codeInvalidOpenIDList: "invalid openid list size",
	codeInvalidSecret:     "invalid appsecret",
	codeUsedCode:          "code been used",
	codeInvalidIP:         "invalid ip %s, not in whitelist",
	40226:                 "code blocked",
	40243:                 "AppSecret is frozen",
	codeMissingToken:      "access_token missing",
	codeMissingAppID:      "appid missing",
	codeMissingRefresh:    "refresh_token missing",
	codeMissingSecret:     "appsecret missing",
	codeMissingCode:       "missing code",
	codeMissingOpenID:     "missing openid",
	codeTokenExpired:      "access_token expired",
	codeRefreshExpired:    "refresh_token expired",
	codeCodeTimeout:       "oauth_code timeout",
	codePasswordChanged:   "access_token and refresh_token exception caused by user changing password",
	codeRequireGET:        "require GET method",
	codeRequirePOST:       "require POST method",
	codeEmptyBody:         "empty post data",
	codeDailyQuota:        "reach max api daily quota limit",
	codeMinuteQuota:       "api minute-quota reach limit mustslower retry next minute",
	codeDataFormat:        "data format error",
	codeUnauthorized:      "api unauthorized",
	48004:                 "api forbidden",
	codeClearQuotaLimit:   "forbid to clear quota because of reaching the limit",
	50001:                 "user unauthorized",
	50002:                 "user limited",
	50005:                 "user not follower",
	codeWrongAppID:        "appid wrong",
	codeInvalidCGIPath:    "invalid cgi_path",
	codeInvalidRID:        "invalid rid",
}

// wxError is a failure as WeChat reports it: HTTP 200 with an errcode.
type wxError struct {
	code int
	msg  string
}

func (e *wxError) Error() string { return fmt.Sprintf("errcode %d: %s", e.code, e.msg) }

// fail makes the error of a code, with the text WeChat has for it.
func fail(code int) *wxError {
	msg, ok := errmsgs[code]
	if !ok {
		msg = "system error"
	}
	return &wxError{code: code, msg: msg}
}
