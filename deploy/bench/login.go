package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/pflag"

	"github.com/unionlink/unionlink/deploy/wechatsim"
	"github.com/unionlink/unionlink/ingest/wechat"
	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/client"
	"github.com/unionlink/unionlink/ingest/wechat/login"
)

// loginOptions are the flags of bench login.
type loginOptions struct{ logins, connections, users int }

func loginBenchmark() benchmark {
	o := &loginOptions{}
	return benchmark{
		use: "login", short: "Code exchanges against the WeChat simulator: logins/s and p99",
		long: `login posts codes to the login route, which exchanges each with the simulator of WeChat, keeps what
WeChat told, publishes the login durably and signs the answer: first codes of a mini program
(one call to WeChat), then of an official account with consent (two calls).

The simulator's share is shown apart: the time that logins waited for it, and how many
exchanges a second it makes when asked directly. The ceiling is that and JetStream in turn;
each login writes three values to a bucket and one event to the stream, all on disk.`,
		example: "  unionlink bench login\n  unionlink bench login --logins 20000 --connections 128",
		flags:   o.flags, run: o.run,
	}
}

func (o *loginOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.logins, "logins", 3000, "`NUMBER` of logins of each kind")
	f.IntVar(&o.connections, "connections", 64, "`NUMBER` of browsers at once, up to 256")
	f.IntVar(&o.users, "users", 1000, "`NUMBER` of WeChat users")
}

func (o *loginOptions) validate() error {
	err := positive(map[string]int{"logins": o.logins, "connections": o.connections, "users": o.users})
	if most := (login.Config{}).WithDefaults().MaxInFlight; o.connections > most {
		err = errors.Join(err, fmt.Errorf("--connections: must be %d or less, what one process takes at once", most))
	}
	return err
}

// The two accounts.
const (
	miniAppID     = "wxbenchmini000001"
	officialAppID = "wxbenchofficial02"
	appSecret     = "bench-secret-of-no-other-use"
)

// loggingIn is one run of bench login.
type loggingIn struct {
	*loginOptions
	*session
	broker *broker
	client *http.Client
	weChat *site // the simulator
	shop   *site // ingest
	waits  *waits
	kv     float64 // values/s of a bucket alone
	done   int
}

func (o *loginOptions) run(ctx context.Context, s *session) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	l := &loggingIn{loginOptions: o, session: s, client: newClient(o.connections), waits: &waits{next: newTransport(o.connections)}}
	defer l.client.CloseIdleConnections()
	if l.broker, err = s.startBroker(ctx, 4*o.logins); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.broker.close()) }()
	if err := l.startSimulator(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.weChat.close()) }()
	if err := l.startShop(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.shop.close()) }()
	if err := l.rawBucket(ctx); err != nil {
		return err
	}
	for _, k := range []kind{
		{title: "mini program", appid: miniAppID, path: "/sns/jscode2session", code: "js_code"},
		{title: "official account, with consent", appid: officialAppID, scope: "snsapi_userinfo", path: "/sns/oauth2/access_token", code: "code"},
	} {
		if err := l.measure(ctx, k); err != nil {
			return fmt.Errorf("%s: %w", k.title, err)
		}
	}
	count, _, err := l.broker.stored(ctx)
	if err != nil {
		return err
	}
	s.report.note("browsers, ingest, NATS and the simulator are one process here, and share its %d cores", s.report.Machine.Cores)
	return s.report.exact("check", "logins in the stream, as many as were answered", count, uint64(l.done))
}

func (l *loggingIn) startSimulator() error {
	domains := []string{"127.0.0.1"}
	sim, err := wechatsim.New(wechatsim.Config{
		Seed: fmt.Sprint("bench-", l.seed), Users: l.users, Knobs: wechatsim.DefaultKnobs(), AvatarBase: "https://thirdwx.qlogo.cn",
		Accounts: []wechatsim.Account{
			{AppID: miniAppID, Name: "Mini", Kind: wechatsim.KindMiniProgram, Platform: platform, Secret: appSecret},
			{AppID: officialAppID, Name: "Official", Kind: wechatsim.KindOfficialAccount, Platform: platform, Secret: appSecret, Domains: domains},
		},
	}, wechatsim.Deps{})
	if err != nil {
		return err
	}
	l.weChat, err = serve(sim.Handler())
	return err
}

func (l *loggingIn) startShop() error {
	committer, err := l.broker.committer()
	if err != nil {
		return err
	}
	cfg := wechat.Config{
		Accounts: []account.Account{
			{AppID: miniAppID, Name: "Mini", Kind: account.KindMiniProgram, Platform: platform, Secret: appSecret},
			{AppID: officialAppID, Name: "Official", Kind: account.KindOfficial, Platform: platform, Secret: appSecret},
		},
		Client: client.Config{OpenURL: l.weChat.url, APIURL: l.weChat.url, Timeout: time.Minute},
		Login:  login.Config{TrustForeignStates: true},
	}
	w, err := wechat.New(cfg, wechat.Deps{JetStream: l.broker.js, Publisher: committer, Log: l.log(), Transport: l.waits})
	if err != nil {
		return err
	}
	router := chi.NewRouter()
	w.Routes(router)
	l.shop, err = serve(router)
	return err
}

// rawBucket writes values to a bucket as logins do, with nothing around it.
func (l *loggingIn) rawBucket(ctx context.Context) error {
	bucket, err := l.broker.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "bench", Storage: jetstream.FileStorage, MaxBytes: 64 << 20, TTL: time.Hour})
	if err != nil {
		return fmt.Errorf("make a bucket: %w", err)
	}
	value := make([]byte, 400)
	d, err := l.drive(ctx, work{title: "a bucket alone", times: l.logins, workers: l.connections, do: func(ctx context.Context, i int) error {
		_, err := bucket.Put(ctx, fmt.Sprint("code.", i), value)
		return err
	}})
	l.kv = rate(l.logins, d.took)
	l.report.add("beside", "values of a bucket alone", l.kv, "values/s")
	return err
}

// kind is a way to log in.
type kind struct{ title, appid, scope, path, code string }

func (l *loggingIn) measure(ctx context.Context, k kind) error {
	codes, err := l.mint(ctx, k)
	if err != nil {
		return err
	}
	direct, err := l.drive(ctx, work{title: k.title + ": the simulator alone", times: l.logins, workers: l.connections, do: func(ctx context.Context, i int) error {
		return l.exchange(ctx, k, codes[i])
	}})
	if err != nil {
		return err
	}
	if codes, err = l.mint(ctx, k); err != nil {
		return err
	}
	l.waits.reset()
	d, err := l.drive(ctx, work{title: k.title, times: l.logins, workers: l.connections, do: func(ctx context.Context, i int) error {
		return l.logIn(ctx, k, codes[i])
	}})
	if err != nil {
		return err
	}
	l.done += l.logins
	calls, waited := l.waits.reset()
	exchanges := rate(l.logins, direct.took)
	r := l.report
	r.add(k.title, "logins", rate(l.logins, d.took), "logins/s").between(nil, &Bound{inTurn(exchanges, l.kv/4), "simulator and four writes in turn"})
	r.quantiles(k.title, "login", d.calls)
	r.add(k.title, "of a login, waiting for the simulator, mean", millis(waited)/float64(l.logins), unitMillis)
	r.add(k.title, "the simulator alone", exchanges, "exchanges/s")
	return r.exact(k.title, "calls to WeChat", uint64(calls), uint64(l.logins*k.calls()))
}

// calls is how often a login of the kind asks WeChat.
func (k kind) calls() int {
	if k.scope == "" {
		return 1
	}
	return 2
}

// mint has the simulator make codes, of the users in turn.
func (l *loggingIn) mint(ctx context.Context, k kind) ([]string, error) {
	order := struct {
		AppID string   `json:"appid"`
		Users []string `json:"users"`
		Scope string   `json:"scope,omitempty"`
	}{AppID: k.appid, Scope: k.scope}
	for i := range l.logins {
		order.Users = append(order.Users, fmt.Sprint("u", 1+i%l.users))
	}
	body, err := json.Marshal(order)
	if err != nil {
		return nil, fmt.Errorf("order codes: %w", err)
	}
	var minted struct{ Codes []string }
	err = call{client: l.client, method: http.MethodPost, url: l.weChat.url + "/_sim/codes", header: jsonHeader, body: body, want: http.StatusOK}.do(ctx, &minted)
	if err == nil && len(minted.Codes) != l.logins {
		err = fmt.Errorf("the simulator made %d codes of %d", len(minted.Codes), l.logins)
	}
	return minted.Codes, err
}

var jsonHeader = http.Header{"Content-Type": {"application/json"}}

// exchange spends a code at the simulator directly, with the calls that a login makes.
func (l *loggingIn) exchange(ctx context.Context, k kind, code string) error {
	q := url.Values{"appid": {k.appid}, "secret": {appSecret}, k.code: {code}, "grant_type": {"authorization_code"}}
	var grant struct {
		OpenID      string `json:"openid"`
		AccessToken string `json:"access_token"`
		ErrMsg      string `json:"errmsg"`
	}
	get := call{client: l.client, method: http.MethodGet, url: l.weChat.url + k.path + "?" + q.Encode(), want: http.StatusOK}
	if err := get.do(ctx, &grant); err != nil {
		return err
	}
	if grant.OpenID == "" {
		return fmt.Errorf("exchange a code: %s", grant.ErrMsg)
	}
	if k.calls() == 1 {
		return nil
	}
	get.url = l.weChat.url + "/sns/userinfo?" + url.Values{"access_token": {grant.AccessToken}, "openid": {grant.OpenID}}.Encode()
	return get.do(ctx, nil)
}

// logIn posts a code to ingest.
func (l *loggingIn) logIn(ctx context.Context, k kind, code string) error {
	body, err := json.Marshal(map[string]string{"appid": k.appid, "code": code})
	if err != nil {
		return fmt.Errorf("post a code: %w", err)
	}
	return call{client: l.client, method: http.MethodPost, url: l.shop.url + "/api/user/wechat/login", header: jsonHeader, body: body, want: http.StatusOK}.do(ctx, nil)
}

// waits is ingest's way to the simulator, and adds up the time that calls take.
type waits struct {
	next http.RoundTripper

	mu    sync.Mutex
	calls int
	total time.Duration
}

// RoundTrip sends the request on.
func (w *waits) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	answer, err := w.next.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.total += time.Since(began)
	return answer, err
}

// reset returns what was added up, and begins again.
func (w *waits) reset() (calls int, total time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls, total = w.calls, w.total
	w.calls, w.total = 0, 0
	return calls, total
}
