package wechatsim

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

func (s *Simulator) userRoutes(r chi.Router) {
	r.Get("/users", show(s.listUsers))
	r.Post("/users", do(s.createUsers))
	r.Get("/users/{id}", show(s.showUser))
	r.Post("/users/{id}/follow", do(onRelation(s, s.follow)))
	r.Post("/users/{id}/unfollow", do(onRelation(s, s.unfollow)))
	r.Post("/users/{id}/scan", do(onRelation(s, s.scan)))
	r.Post("/users/{id}/message", do(onRelation(s, s.message)))
	r.Post("/users/{id}/revoke", do(onRelation(s, s.revoke)))
	r.Post("/users/{id}/modify", do(onUser(s, s.modify)))
	r.Post("/users/{id}/cancel", do(onUser(s, s.cancel)))
	r.Post("/users/{id}/password", do(onUser(s, func(u *user, _ struct{}) (any, error) {
		u.password++
		return done, nil
	})))
	r.Post("/codes", do(s.mintCodes))
}

// userJSON is a user as the admin API shows one.
type userJSON struct {
	ID         string `json:"id"`
	Nickname   string `json:"nickname"`
	HeadImgURL string `json:"headimgurl"`
	Cancelled  bool   `json:"cancelled"`
}

func (w *world) describeUser(u *user) userJSON {
	return userJSON{u.id, u.nickname, w.headimgurl(u), u.cancelled}
}

func (s *Simulator) createUsers(_ *http.Request, order newUsers) (any, error) {
	if order.ID == "" && order.Count == 0 {
		order.Count = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	made, err := s.world.addUsers(order, s.clock.now())
	if err != nil {
		return nil, err
	}
	if order.Push {
		for _, appID := range order.Follow {
			a := s.world.accounts[appID]
			for _, u := range made {
				s.userEvent(a, s.world.relate(a, u), "subscribe")
			}
		}
	}
	return map[string]any{"count": len(made), "first": made[0].id, "last": made[len(made)-1].id}, nil
}

func (s *Simulator) listUsers(r *http.Request) (any, error) {
	limit, err := limitOf(r, 50, 10_000)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	start := 0
	if after := r.URL.Query().Get("after"); after != "" {
		i := slices.IndexFunc(s.world.userOrder, func(u *user) bool { return u.id == after })
		if i < 0 {
			return nil, notFound("no user %q", after)
		}
		start = i + 1
	}
	end := min(start+limit, len(s.world.userOrder))
	users, next := []userJSON{}, ""
	for _, u := range s.world.userOrder[start:end] {
		users = append(users, s.world.describeUser(u))
	}
	if end < len(s.world.userOrder) {
		next = s.world.userOrder[end-1].id
	}
	return map[string]any{"users": users, "next": next}, nil
}

// identityJSON is a user as one account sees them.
type identityJSON struct {
	AppID      string `json:"appid"`
	OpenID     string `json:"openid"`
	UnionID    string `json:"unionid"`
	Subscribed bool   `json:"subscribed"`
	Authorized bool   `json:"authorized"`
}

func (s *Simulator) showUser(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.world.users[chi.URLParam(r, "id")]
	if u == nil {
		return nil, notFound("no user %q", chi.URLParam(r, "id"))
	}
	identities := []identityJSON{}
	for _, a := range s.world.order {
		i := identityJSON{AppID: a.AppID, OpenID: s.world.mint.openID(u.id, a.AppID), UnionID: s.world.unionID(a, u)}
		if rel := a.relations[i.OpenID]; rel != nil {
			i.Subscribed, i.Authorized = rel.subscribed, !rel.authorized.IsZero()
		}
		identities = append(identities, i)
	}
	return struct {
		userJSON
		Identities []identityJSON `json:"identities"`
	}{s.world.describeUser(u), identities}, nil
}

// onUser runs an order on the user in the path, under the simulator's lock.
func onUser[T any](s *Simulator, f func(*user, T) (any, error)) func(*http.Request, T) (any, error) {
	return func(r *http.Request, order T) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		u, err := s.world.liveUser(chi.URLParam(r, "id"))
		if err != nil {
			return nil, err
		}
		return f(u, order)
	}
}

// relationOrder is an order about one user and one account.
type relationOrder struct {
	AppID      string `json:"appid"`
	Scene      string `json:"scene"`       // of follow: how they came; of scan: the QR code's value
	Text       string `json:"text"`        // of message
	RevokeInfo string `json:"revoke_info"` // of revoke: what is taken back, 205 the nickname and avatar
}

// onRelation runs an order on the user in the path and the account in the body, under the simulator's lock.
func onRelation(s *Simulator, f func(*account, *user, relationOrder) error) func(*http.Request, relationOrder) (any, error) {
	return onUser(s, func(u *user, order relationOrder) (any, error) {
		a, err := s.world.account(order.AppID)
		if err != nil {
			return nil, err
		}
		return done, f(a, u, order)
	})
}

func (s *Simulator) follow(a *account, u *user, order relationOrder) error {
	if a.Kind != KindOfficialAccount {
		return badRequest("only an official account can be followed")
	}
	rel, fresh := s.world.follow(a, u, followScene{scene: orElse(order.Scene, "ADD_SCENE_SEARCH")}, s.clock.now())
	if fresh {
		s.userEvent(a, rel, "subscribe")
	}
	return nil
}

func (s *Simulator) unfollow(a *account, u *user, _ relationOrder) error {
	if rel := s.world.relate(a, u); a.unfollow(rel) {
		s.userEvent(a, rel, "unsubscribe")
	}
	return nil
}

func (s *Simulator) scan(a *account, u *user, order relationOrder) error {
	if a.Kind != KindOfficialAccount || order.Scene == "" {
		return badRequest("scan needs an official account and a scene")
	}
	rel, fresh := s.world.follow(a, u, followScene{"ADD_SCENE_QR_CODE", order.Scene}, s.clock.now())
	if fresh {
		s.userEvent(a, rel, "subscribe", s.qrFields("qrscene_"+order.Scene)...)
	} else {
		s.userEvent(a, rel, "SCAN", s.qrFields(order.Scene)...)
	}
	return nil
}

func (s *Simulator) message(a *account, u *user, order relationOrder) error {
	s.textMessage(a, s.world.relate(a, u), order.Text)
	return nil
}

func (s *Simulator) revoke(a *account, u *user, order relationOrder) error {
	s.world.relate(a, u).revoke()
	fallback := "301" // everything, at a website or mobile app
	switch a.Kind {
	case KindOfficialAccount:
		fallback = "205"
	case KindMiniProgram:
		fallback = "6"
	}
	s.authorizationEvent(a, u, "user_authorization_revoke", orElse(order.RevokeInfo, fallback))
	return nil
}

const modifiedToldWithin = 30 * 24 * time.Hour

func (s *Simulator) modify(u *user, order struct {
	Nickname   string `json:"nickname"`
	HeadImgURL string `json:"headimgurl"`
}) (any, error) {
	u.version++
	u.nickname = orElse(strings.TrimSpace(order.Nickname), u.nickname)
	u.headimgurl = orElse(order.HeadImgURL, u.headimgurl)
	for _, a := range s.world.authorizedWithin(u, s.clock.now().Add(-modifiedToldWithin)) {
		s.authorizationEvent(a, u, "user_info_modified", "")
	}
	return s.world.describeUser(u), nil
}

func (s *Simulator) cancel(u *user, _ struct{}) (any, error) {
	for _, a := range s.world.cancelUser(u) {
		s.authorizationEvent(a, u, "user_authorization_cancellation", "")
	}
	return done, nil
}

// mintOrder asks for authorization codes without a browser, for one user or for many.
type mintOrder struct {
	AppID    string   `json:"appid"`
	User     string   `json:"user"`
	Users    []string `json:"users"`
	Scope    string   `json:"scope"`
	Snapshot bool     `json:"snapshot"`
}

func (s *Simulator) mintCodes(_ *http.Request, order mintOrder) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.world.account(order.AppID)
	if err != nil {
		return nil, err
	}
	scope, err := mintScope(a, order)
	if err != nil {
		return nil, err
	}
	ids := order.Users
	if order.User != "" {
		ids = []string{order.User}
	}
	users := make([]*user, len(ids))
	for i, id := range ids {
		if users[i], err = s.world.liveUser(id); err != nil {
			return nil, err
		}
	}
	codes := make([]string, len(users))
	for i, u := range users {
		codes[i] = s.world.issueCode(codeOrder{a, u, scope, order.Snapshot}, s.clock.now())
	}
	if order.User != "" {
		return map[string]string{"code": codes[0]}, nil
	}
	return map[string][]string{"codes": codes}, nil
}

// mintScope is the scope of a minted code: each kind of account has its own.
func mintScope(a *account, order mintOrder) (string, error) {
	allowed := []string{""}
	switch a.Kind {
	case KindOfficialAccount:
		allowed = []string{scopeUserinfo, scopeBase}
	case KindWebsite:
		allowed = []string{scopeLogin}
	case KindMobileApp:
		allowed = []string{scopeUserinfo}
	}
	scope := orElse(order.Scope, allowed[0])
	if !slices.Contains(allowed, scope) {
		return "", badRequest("scope: %q is none of %q", order.Scope, allowed)
	}
	if order.Snapshot && (a.Kind != KindOfficialAccount || scope != scopeUserinfo) {
		return "", badRequest("snapshot: only with snsapi_userinfo of an official account")
	}
	return scope, nil
}
