package wechatsim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// sessionCookie names the user who is signed in to WeChat in this browser.
const sessionCookie = "wechatsim_user"

// authorizeRequest is a browser's request for web authorization.
type authorizeRequest struct {
	account       *account
	redirect      *url.URL
	scope, state  string
	forcePopup    bool
	forceSnapshot bool
}

// ticket is an authorization that waits for the user's decision on the page. It is good for one form.
type ticket struct {
	authorizeRequest
	expires time.Time
}

const ticketLife = 10 * time.Minute

// authorizeOrder is the order in which the documentation has the parameters.
var authorizeOrder = []string{"appid", "redirect_uri", "response_type", "scope", "state"}

// authorize serves /connect/oauth2/authorize and /connect/qrconnect. The checks stand in WeChat's order.
func (s *Simulator) authorize(website bool) http.Handler {
	return s.faulty(s.errorPage, func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			rw.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		s.mu.Lock()
		knobs := s.world.knobs
		if knobs.RequireWeChat && !website && !strings.Contains(r.UserAgent(), "MicroMessenger") {
			s.mu.Unlock()
			s.render(rw, r, "notice.html", noticePage{Text: "open_in_wechat"})
			return
		}
		request, number, ok := s.world.checkAuthorize(r.URL, website)
		if !ok {
			s.mu.Unlock()
			s.errorPage(rw, r, number)
			return
		}
		u := s.sessionUser(r)
		if u != nil && s.world.silent(request, u) {
			target := s.world.grantTarget(request, u, false, s.clock.now())
			s.mu.Unlock()
			http.Redirect(rw, r, target, http.StatusFound)
			return
		}
		page := s.consentPage(request, u)
		s.mu.Unlock()
		s.renderConsent(rw, r, page)
	})
}

// checkAuthorize reads and checks a request; where it is refused, number is that of the error page.
func (w *world) checkAuthorize(u *url.URL, website bool) (request authorizeRequest, number int, ok bool) {
	q := u.Query()
	appID, redirect, scope, state := q.Get("appid"), q.Get("redirect_uri"), q.Get("scope"), q.Get("state")
	switch {
	case appID == "":
		return request, pageErrorNoAppID, false
	case redirect == "":
		return request, pageErrorNoRedirect, false
	case scope == "":
		return request, pageErrorNoScope, false
	}
	a := w.accounts[appID]
	switch {
	case a == nil:
		return request, pageErrorScope, false
	case website && a.Kind != KindWebsite:
		return request, pageErrorScope, false
	case !website && a.Kind != KindOfficialAccount:
		return request, pageErrorOpenPlatform, false
	case a.Unverified:
		return request, pageErrorScope, false
	}
	target, err := url.Parse(redirect)
	if err != nil || !slices.ContainsFunc(a.Domains, func(d string) bool { return matchDomain(d, target) }) {
		return request, pageErrorRedirect, false
	}
	if !website && len(state) > maxStateBytes {
		return request, pageErrorOther, false
	}
	if website != (scope == scopeLogin) || (!website && scope != scopeBase && scope != scopeUserinfo) {
		return request, pageErrorScope, false
	}
	if q.Get("response_type") != "code" || (w.knobs.StrictOrder && !inOrder(u.RawQuery)) {
		return request, pageErrorOther, false
	}
	return authorizeRequest{
		account: a, redirect: target, scope: scope, state: state,
		forcePopup: q.Get("forcePopup") == "true", forceSnapshot: q.Get("forceSnapShot") == "true",
	}, 0, true
}

// matchDomain tells whether a callback lies in a configured domain: the host must be the same, neither a parent nor a
// child, and the path, where one is configured, must be it or lie below it. A local domain without a port takes all.
func matchDomain(domain string, target *url.URL) bool {
	if target == nil || (target.Scheme != "http" && target.Scheme != "https") || target.User != nil {
		return false
	}
	host, path, hasPath := strings.Cut(domain, "/")
	same := strings.EqualFold(host, target.Host) || (isLocal(host) && strings.EqualFold(host, target.Hostname()))
	if !same || host == "" {
		return false
	}
	path = "/" + strings.Trim(path, "/")
	return !hasPath || path == "/" || target.Path == path || strings.HasPrefix(target.Path, path+"/")
}

func isLocal(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "[::1]" }

// inOrder tells whether the parameters stand as in the documentation.
func inOrder(rawQuery string) bool {
	var seen []string
	for part := range strings.SplitSeq(rawQuery, "&") {
		name, _, _ := strings.Cut(part, "=")
		if slices.Contains(authorizeOrder, name) {
			seen = append(seen, name)
		}
	}
	return slices.IsSortedFunc(seen, func(a, b string) int {
		return slices.Index(authorizeOrder, a) - slices.Index(authorizeOrder, b)
	})
}

// sessionUser is who is signed in to WeChat in this browser, nil for nobody.
func (s *Simulator) sessionUser(r *http.Request) *user {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	u, err := s.world.liveUser(cookie.Value)
	if err != nil {
		return nil
	}
	return u
}

// silent tells whether the user gets no page: snsapi_base, or a follower where followers are let through.
func (w *world) silent(request authorizeRequest, u *user) bool {
	if request.scope == scopeBase {
		return true
	}
	rel := request.account.relations[w.mint.openID(u.id, request.account.AppID)]
	return request.scope == scopeUserinfo && w.knobs.SilentFollowers && rel != nil && rel.subscribed
}

// grantTarget mints a code and makes the address that carries it back.
func (w *world) grantTarget(request authorizeRequest, u *user, snapshot bool, now time.Time) string {
	code := w.issueCode(codeOrder{request.account, u, request.scope, snapshot}, now)
	return backTo(request.redirect, "code="+code+"&state="+url.QueryEscape(request.state))
}

// backTo appends to the callback's own query.
func backTo(redirect *url.URL, query string) string {
	target := *redirect
	if target.RawQuery != "" {
		query = target.RawQuery + "&" + query
	}
	target.RawQuery = query
	if target.Path == "" {
		target.Path = "/"
	}
	return target.String()
}

// confirm serves the page's form: the user consents, refuses or enters as a snapshot user.
func (s *Simulator) confirm(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.world.tickets[r.PostForm.Get("ticket")]
	delete(s.world.tickets, r.PostForm.Get("ticket"))
	if waiting == nil || !s.clock.now().Before(waiting.expires) {
		s.render(rw, r, "notice.html", noticePage{Text: "page_expired"})
		return
	}
	decision := r.PostForm.Get("decision")
	if decision == "refuse" {
		s.refuse(rw, r, waiting.authorizeRequest)
		return
	}
	u, err := s.chosenUser(r.PostForm)
	if err != nil {
		rw.WriteHeader(http.StatusBadRequest)
		s.render(rw, r, "notice.html", noticePage{Text: "no_such_user"})
		return
	}
	snapshot := decision == "snapshot" && waiting.scope == scopeUserinfo
	if !snapshot {
		http.SetCookie(rw, &http.Cookie{
			Name: sessionCookie, Value: u.id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
	http.Redirect(rw, r, s.world.grantTarget(waiting.authorizeRequest, u, snapshot, s.clock.now()), http.StatusFound)
}

// chosenUser is the user whose id was typed, a new one of the nickname that was typed, or the one picked.
func (s *Simulator) chosenUser(form url.Values) (*user, error) {
	other, nickname, picked := strings.TrimSpace(form.Get("other")), strings.TrimSpace(form.Get("nickname")), form.Get("user")
	switch {
	case other != "":
		return s.world.liveUser(other)
	case nickname == "" && picked != "" && picked != "new":
		return s.world.liveUser(picked)
	}
	made, err := s.world.addUsers(newUsers{Count: 1, Nickname: nickname}, s.clock.now())
	if err != nil {
		return nil, err
	}
	return made[0], nil
}

// refuse ends without a code. An official account's page just closes; a website gets its state back.
func (s *Simulator) refuse(rw http.ResponseWriter, r *http.Request, request authorizeRequest) {
	if request.account.Kind == KindWebsite && s.world.knobs.RefuseRedirect {
		http.Redirect(rw, r, backTo(request.redirect, "state="+url.QueryEscape(request.state)), http.StatusFound)
		return
	}
	s.render(rw, r, "notice.html", noticePage{Text: "refused"})
}
