package wechatsim

import (
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"time"
)

// world is everything the simulator knows. It has no lock of its own: Simulator.mu guards it.
type world struct {
	mint      *mint
	knobs     Knobs
	avatar    string
	accounts  map[string]*account
	order     []*account // as they were added
	users     map[string]*user
	userOrder []*user
	nextUser  int
	codes     map[string]*authCode
	tokens    map[string]*snsToken
	refreshes map[string]*grant
	tickets   map[string]*ticket
	merchants map[string]*merchant
	migrated  map[migration]time.Time
	faults    []*Fault
	nextFault int
	requests  requestLog
	sweepIn   int   // codes until the next sweep
	messages  int64 // text messages so far, for their MsgId
}

// user is a person with a WeChat account.
type user struct {
	id         string
	nickname   string
	headimgurl string // empty: drawn from the id and version
	version    int    // of the profile
	cancelled  bool
	password   int // counts changes; a grant of an earlier one is void
}

// account is a WeChat app and what it knows of its users.
type account struct {
	Account
	relations map[string]*relation // by openid
	followers []followerEntry      // by seq; entries that no longer hold are skipped
	live      int                  // entries that hold
	seq       uint64
	quotas    map[string]quotaLimit
	usage     map[string]*usage
	clears    monthly
	normal    tokenSet // of /cgi-bin/token
	stable    tokenSet // of /cgi-bin/stable_token, a name space apart
	force     forceLimit
}

// relation is one user as one account sees them: an identity.
type relation struct {
	user         *user
	openid       string
	followSeq    uint64 // of the last follow; kept after it ends, so that a page's cursor stays good
	subscribed   bool
	subscribedAt int64
	scene        string
	qrScene      string
	authorized   time.Time // last consent; zero where there is none or it was revoked
	revocations  int       // a grant of before is void
}

type followerEntry struct {
	seq uint64
	rel *relation
}

func (e followerEntry) holds() bool { return e.rel.subscribed && e.rel.followSeq == e.seq }

// migration is the order to move an official account's users to another.
type migration struct{ from, to string }

const maxUsersPerCall = 2_000_000

func newWorld(cfg *Config, now time.Time) (*world, error) {
	w := &world{
		mint: &mint{seed: []byte(cfg.Seed)}, knobs: cfg.Knobs, avatar: cfg.AvatarBase,
		accounts: map[string]*account{}, users: map[string]*user{},
		codes: map[string]*authCode{}, tokens: map[string]*snsToken{}, refreshes: map[string]*grant{},
		tickets: map[string]*ticket{}, merchants: map[string]*merchant{}, migrated: map[migration]time.Time{},
		sweepIn: sweepEvery,
	}
	for _, a := range cfg.Accounts {
		w.putAccount(a)
	}
	for _, m := range cfg.Merchants {
		if err := w.putMerchant(m); err != nil {
			return nil, err
		}
	}
	_, err := w.addUsers(newUsers{Count: cfg.Users}, now)
	return w, err
}

// putAccount adds an account, or gives the one of that appid new settings and leaves its users as they are.
func (w *world) putAccount(settings Account) *account {
	if settings.OriginalID == "" {
		settings.OriginalID = fmt.Sprintf("gh_%x", w.mint.digest("original", settings.AppID)[:6])
	}
	if settings.Name == "" {
		settings.Name = settings.AppID
	}
	if a, ok := w.accounts[settings.AppID]; ok {
		a.Account = settings
		return a
	}
	a := &account{
		Account: settings, relations: map[string]*relation{}, quotas: map[string]quotaLimit{}, usage: map[string]*usage{},
	}
	w.accounts[settings.AppID] = a
	w.order = append(w.order, a)
	return a
}

// newUsers is the order to make users: Count numbered ones, or one with an id of its own.
type newUsers struct {
	Count      int      `json:"count"`
	ID         string   `json:"id"`
	Nickname   string   `json:"nickname"`
	HeadImgURL string   `json:"headimgurl"`
	Follow     []string `json:"follow"`
	Push       bool     `json:"push"`
}

var userIDPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// addUsers makes the users and has them follow the accounts. It makes all or none.
func (w *world) addUsers(order newUsers, now time.Time) ([]*user, error) {
	if order.Count < 0 || order.Count > maxUsersPerCall {
		return nil, badRequest("count: %d is not within 0 to %d", order.Count, maxUsersPerCall)
	}
	if order.ID != "" && order.Count > 1 {
		return nil, badRequest("id: one id cannot name %d users", order.Count)
	}
	follow := make([]*account, len(order.Follow))
	for i, appID := range order.Follow {
		a, err := w.officialAccount(appID)
		if err != nil {
			return nil, err
		}
		follow[i] = a
	}
	if order.ID != "" {
		if !userIDPattern.MatchString(order.ID) {
			return nil, badRequest("id: %q is not 1 to 64 letters, digits, dots, dashes, underscores", order.ID)
		}
		if w.users[order.ID] != nil {
			return nil, conflict("user %s is there already", order.ID)
		}
	}
	made := make([]*user, 0, max(order.Count, 1))
	if order.ID != "" {
		made = append(made, w.addUser(order.ID, order))
	} else {
		for range order.Count {
			made = append(made, w.addUser(w.freeUserID(), order))
		}
	}
	for _, a := range follow {
		for _, u := range made {
			w.follow(a, u, followScene{scene: "ADD_SCENE_SEARCH"}, now)
		}
	}
	return made, nil
}

func (w *world) freeUserID() string {
	for {
		w.nextUser++
		if id := "u" + strconv.Itoa(w.nextUser); w.users[id] == nil {
			return id
		}
	}
}

func (w *world) addUser(id string, order newUsers) *user {
	u := &user{id: id, nickname: order.Nickname, headimgurl: order.HeadImgURL}
	if u.nickname == "" {
		u.nickname = w.mint.nickname(id)
	}
	w.users[id] = u
	w.userOrder = append(w.userOrder, u)
	return u
}

// liveUser finds a user who has not closed their WeChat account.
func (w *world) liveUser(id string) (*user, error) {
	u := w.users[id]
	if u == nil {
		return nil, notFound("no user %q", id)
	}
	if u.cancelled {
		return nil, conflict("user %s has closed the WeChat account", id)
	}
	return u, nil
}

func (w *world) account(appID string) (*account, error) {
	if a := w.accounts[appID]; a != nil {
		return a, nil
	}
	return nil, notFound("no account %q", appID)
}

func (w *world) officialAccount(appID string) (*account, error) {
	a, err := w.account(appID)
	if err == nil && a.Kind != KindOfficialAccount {
		return nil, badRequest("account %s is not an official account", appID)
	}
	return a, err
}

// relate finds the user's identity in the account, and makes it at first contact.
func (w *world) relate(a *account, u *user) *relation {
	openid := w.mint.openID(u.id, a.AppID)
	rel := a.relations[openid]
	if rel == nil {
		rel = &relation{user: u, openid: openid}
		a.relations[openid] = rel
	}
	return rel
}

func (w *world) unionID(a *account, u *user) string { return w.mint.unionID(u.id, a.Platform) }

func (w *world) headimgurl(u *user) string {
	if u.headimgurl != "" {
		return u.headimgurl
	}
	return w.avatar + w.mint.avatarPath(u.id, u.version)
}

type followScene struct{ scene, qrScene string }

// follow subscribes the user; false where they were subscribed already.
func (w *world) follow(a *account, u *user, how followScene, now time.Time) (*relation, bool) {
	rel := w.relate(a, u)
	if rel.subscribed {
		return rel, false
	}
	a.seq++
	rel.subscribed, rel.followSeq, rel.subscribedAt = true, a.seq, now.Unix()
	rel.scene, rel.qrScene = how.scene, how.qrScene
	a.followers = append(a.followers, followerEntry{a.seq, rel})
	a.live++
	return rel, true
}

// unfollow ends a subscription; false where there was none.
func (a *account) unfollow(rel *relation) bool {
	if !rel.subscribed {
		return false
	}
	rel.subscribed = false
	a.live--
	if len(a.followers) > 2*a.live+1024 {
		kept := make([]followerEntry, 0, a.live)
		for _, e := range a.followers {
			if e.holds() {
				kept = append(kept, e)
			}
		}
		a.followers = kept
	}
	return true
}

// followersAfter lists up to limit followers in the order they came, those after the cursor only.
func (a *account) followersAfter(cursor uint64, limit int) []string {
	start := sort.Search(len(a.followers), func(i int) bool { return a.followers[i].seq > cursor })
	page := make([]string, 0, min(limit, len(a.followers)-start))
	for _, e := range a.followers[start:] {
		if len(page) == limit {
			break
		}
		if e.holds() {
			page = append(page, e.rel.openid)
		}
	}
	return page
}

// revoke takes the user's consent back; what was granted before is void.
func (rel *relation) revoke() {
	rel.revocations++
	rel.authorized = time.Time{}
}

// cancelUser closes a WeChat account and answers which accounts must be told.
func (w *world) cancelUser(u *user) []*account {
	u.cancelled = true
	var tell []*account
	for _, a := range w.order {
		rel := a.relations[w.mint.openID(u.id, a.AppID)]
		if rel == nil {
			continue
		}
		if !rel.authorized.IsZero() || rel.subscribed {
			tell = append(tell, a)
		}
		a.unfollow(rel)
		rel.revoke()
	}
	return tell
}

// authorizedWithin lists the accounts the user consented to since then.
func (w *world) authorizedWithin(u *user, since time.Time) []*account {
	var found []*account
	for _, a := range w.order {
		if rel := a.relations[w.mint.openID(u.id, a.AppID)]; rel != nil && rel.authorized.After(since) {
			found = append(found, a)
		}
	}
	return found
}

// migrate moves the followers of one official account to another and opens the window of changeopenid.
func (w *world) migrate(from, to *account, now time.Time) int {
	w.migrated[migration{from.AppID, to.AppID}] = now
	moved := 0
	for _, e := range from.followers {
		if e.holds() {
			w.follow(to, e.rel.user, followScene{scene: "ADD_SCENE_ACCOUNT_MIGRATION"}, now)
			e.rel.subscribed = false
			moved++
		}
	}
	from.followers, from.live = nil, 0
	return moved
}
