package login

import (
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/client"
)

// maxBody bounds {"appid","code","state"}.
const maxBody = 8 << 10

// reply is the login route's answer.
type reply struct {
	Code int     `json:"code"`
	Msg  string  `json:"msg"`
	Data *Answer `json:"data,omitempty"`
}

// post serves POST /api/user/wechat/login.
func (l *Login) post(w http.ResponseWriter, r *http.Request) {
	a, f := l.read(w, r)
	if f != nil {
		respond(w, nil, f)
		return
	}
	answer, f := l.finish(r.Context(), a)
	respond(w, answer, f)
}

// read takes the attempt out of a request. The content type and the origin are
// checked since the browser's cookie counts here.
func (l *Login) read(w http.ResponseWriter, r *http.Request) (attempt, *failure) {
	if origin := r.Header.Get("Origin"); origin != "" && !slices.Contains(l.cfg.Origins, origin) && origin != l.public(r) && !sameHost(origin, r.Host) {
		return attempt{}, fail(http.StatusForbidden, CodeBadRequest, "pages of this origin may not log in here")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return attempt{}, fail(http.StatusUnsupportedMediaType, CodeBadRequest, "the content type is not application/json")
	}
	var body struct {
		AppID string `json:"appid"`
		Code  string `json:"code"`
		State string `json:"state"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return attempt{}, fail(http.StatusRequestEntityTooLarge, CodeBadRequest, "the body is too long")
	case err != nil:
		return attempt{}, fail(http.StatusBadRequest, CodeBadRequest, `the body is not {"appid","code","state"}`)
	}
	return attempt{appid: body.AppID, code: body.Code, state: body.State, browser: l.browser(r)}, nil
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host == host
}

func respond(w http.ResponseWriter, answer *Answer, f *failure) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	body, status := reply{Data: answer}, http.StatusOK
	if f != nil {
		body, status = reply{Code: f.code, Msg: f.msg}, f.status
		if f.after > 0 {
			h.Set("Retry-After", strconv.Itoa(int(f.after.Seconds())))
		}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller that left needs no answer
}

// authorize serves GET /wechat/{appid}/authorize.
func (l *Login) authorize(w http.ResponseWriter, r *http.Request) {
	acc, ok := l.deps.Accounts.Find(chi.URLParam(r, "appid"))
	if !ok || !acc.Web() {
		l.page(w, fail(http.StatusNotFound, CodeUnknownAccount, "this account cannot log in by a browser"))
		return
	}
	scope, ok := scopeOf(acc, r.URL.Query().Get("scope"))
	if !ok {
		l.page(w, fail(http.StatusBadRequest, CodeBadRequest, "scope is snsapi_base or snsapi_userinfo"))
		return
	}
	back, ok := l.returnTo(r, r.URL.Query().Get("return_to"))
	if !ok {
		l.page(w, fail(http.StatusBadRequest, CodeBadRequest, "return_to is not on the list of addresses that logins may return to"))
		return
	}
	text, err := l.issue(r.Context(), state{AppID: acc.AppID, Browser: l.mark(w, r), ReturnTo: back})
	if err != nil {
		l.deps.Log.WarnContext(r.Context(), "authorization not begun", "appid", acc.AppID, "error", err)
		l.page(w, notDurable(err))
		return
	}
	callback := l.public(r) + "/wechat/" + url.PathEscape(acc.AppID) + "/callback"
	redirect(w, r, l.deps.Client.AuthorizeURL(acc.AppID, callback, scope, text))
}

// scopeOf is the scope to ask for: an official account's is silent unless the
// profile is wanted; a website has one only.
func scopeOf(acc account.Account, wanted string) (string, bool) {
	switch {
	case acc.Kind == account.KindWebsite:
		return client.ScopeLogin, wanted == "" || wanted == client.ScopeLogin
	case wanted == "":
		return client.ScopeBase, true
	}
	return wanted, wanted == client.ScopeBase || wanted == client.ScopeUserInfo
}

// callback serves GET /wechat/{appid}/callback. It spends the code here and now,
// and returns with code and state in the address: the page posts them to the login
// route, which gives this browser, and no other, the answer that is ready.
func (l *Login) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a := attempt{appid: chi.URLParam(r, "appid"), code: q.Get("code"), state: q.Get("state"), browser: l.browser(r)}
	s, _, err := l.look(r.Context(), a.appid, a.state, a.browser)
	if err != nil {
		l.page(w, failureOf(err))
		return
	}
	var f *failure
	if a.code == "" {
		f = fail(http.StatusForbidden, CodeRefused, "the user refused")
	} else {
		_, f = l.finish(r.Context(), a)
	}
	redirect(w, r, back(s.ReturnTo, a, f))
}

// back is return_to with what the page must know in its query.
func back(returnTo string, a attempt, f *failure) string {
	u, err := url.Parse(returnTo)
	if err != nil { // it was parsed when it was stored
		return "/"
	}
	q := u.Query()
	q.Set("appid", a.appid)
	if f != nil {
		q.Set("unionlink_error", strconv.Itoa(f.code))
	} else {
		q.Set("code", a.code)
		q.Set("state", a.state)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func redirect(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, to, http.StatusFound)
}

var failurePage = template.Must(template.New("failure").Parse(`<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>登录 · Log in</title></head>
<body><h1>登录未完成</h1><p>请返回原页面重新登录。</p>
<p lang="en">The login is not complete: {{.Msg}}. Go back to the page that you came from and begin again.</p><p>{{.Code}}</p></body></html>
`))

// page tells a person, not a program, of a failure that cannot be taken back to a page.
func (l *Login) page(w http.ResponseWriter, f *failure) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'")
	h.Set("Cache-Control", "no-store")
	if f.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int(f.after.Seconds())))
	}
	w.WriteHeader(f.status)
	_ = failurePage.Execute(w, struct {
		Msg  string
		Code int
	}{f.msg, f.code}) // a browser that left needs no page
}

//go:embed unionlink.js
var scriptText []byte

// script serves GET /wechat/unionlink.js.
func script(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	_, _ = w.Write(scriptText) // a browser that left needs no script
}
