package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/export"
	"github.com/unionlink/unionlink/api/sso"
	"github.com/unionlink/unionlink/api/sso/ssotest"
	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

// The world of these tests: person p has bought in wx1 and wx2, linked by a unionid; person q in wx2 and wx3, by a
// membership number; lone, in wx1, is linked to nobody. Names and numbers hold what spreadsheets take for formulas.
var (
	p1, p2 = identityOf{"wx1", "o-p1"}, identityOf{"wx2", "o-p2"}
	q2, q3 = identityOf{"wx2", "o-q2"}, identityOf{"wx3", "o-q3"}
	lone   = identityOf{"wx1", "o-lone"}

	personP = schemas.KeyHash("plat", "union-p")
	personQ = schemas.KeyHash("crm", "M-1")
)

type identityOf struct{ appid, openid string }

func (i identityOf) hash() uint64 { return schemas.IdentityHash(i.appid, i.openid) }

// now is the clock of these tests.
var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// The tokens by the name of their owner; those that end in -1 may see wx1 only.
var tokens = map[string]string{}

func configured() []access.Token {
	var out []access.Token
	for _, role := range access.Roles {
		for _, limited := range []string{"", "-1"} {
			name := string(role) + limited
			t := access.Token{Name: name, Token: name + "-token-0123456789", Role: role}
			if limited != "" {
				t.Accounts = []string{"wx1"}
			}
			tokens[name] = t.Token
			out = append(out, t)
		}
	}
	return out
}

// rig is an API over the world.
type rig struct {
	api     *API
	url     string
	loader  driver.Conn
	metrics *prometheus.Registry
	log     *lockedLog
	js      jetstream.JetStream
	issuer  *ssotest.Issuer
	// schemas compiles those of the served document, once it was asked for.
	schemas *jsonschema.Compiler
}

// lockedLog keeps what is logged.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds to the log.
func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is everything logged.
func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// publisher publishes one by one to a real NATS.
type publisher struct{ js jetstream.JetStream }

// Publish waits for each event's acknowledgement.
func (p publisher) Publish(ctx context.Context, events []schemas.Event) ([]schemas.Outcome, error) {
	out := make([]schemas.Outcome, len(events))
	for i, e := range events {
		msg, err := stream.Message(e)
		if err == nil {
			var ack *jetstream.PubAck
			if ack, err = p.js.PublishMsg(ctx, msg); err == nil {
				out[i].Duplicate = ack.Duplicate
			}
		}
		out[i].Err = err
	}
	return out, nil
}

// letterBox reads the stream of dead letters.
type letterBox struct{ js jetstream.JetStream }

// After reads letter by letter.
func (b letterBox) After(ctx context.Context, seq uint64, limit int) ([]DeadLetter, error) {
	s, err := b.js.Stream(ctx, stream.DeadLetters)
	if err != nil {
		return nil, err
	}
	var out []DeadLetter
	for seq++; seq <= s.CachedInfo().State.LastSeq && len(out) < limit; seq++ {
		msg, err := s.GetMsg(ctx, seq)
		if err != nil {
			return nil, err
		}
		appid := msg.Header.Get("appid")
		out = append(out, DeadLetter{Seq: seq, AppID: appid, Reason: "unknown-account", Subject: stream.Subject(schemas.KindLogin, appid), FailedAt: msg.Time, Data: string(msg.Data)})
	}
	return out, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T) *rig {
	t.Helper()
	server := embeddedtest.StartClickHouse(t)
	dsn := server.DSN(embedded.UserLoader)
	_, err := warehouse.Migrate(t.Context(), warehouse.MigrateOptions{DSN: dsn})
	must(t, err)
	loader, err := warehouse.OpenLoader(dsn)
	must(t, err)
	t.Cleanup(func() { loader.Close() })
	reader, err := warehouse.Open(server.DSN(embedded.UserAnalyst))
	must(t, err)
	t.Cleanup(func() { reader.Close() })
	limited, err := warehouse.Open(server.DSN(embedded.UserLimited))
	must(t, err)
	t.Cleanup(func() { limited.Close() })
	fill(t, loader)

	nc, err := nats.Connect(embeddedtest.StartNATS(t))
	must(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	must(t, err)
	must(t, stream.Provision(t.Context(), js, stream.Config{MaxBytes: 64 << 20}))

	clock := func() time.Time { return now }
	issuer := ssotest.Start(t, clock)
	r := &rig{issuer: issuer, loader: loader, metrics: prometheus.NewRegistry(), log: &lockedLog{}, js: js}
	r.api, err = New(Config{
		Tokens: configured(),
		OIDC: sso.Config{
			Issuer: issuer.URL, Name: "Company", ClientID: ssotest.ClientID, ClientSecret: ssotest.ClientSecret,
			RedirectURL: "https://unionlink.example.com" + sso.CallbackPath, RoleClaim: "groups", Roles: map[string]access.Role{"ops": access.RoleOperator},
		},
		Accounts: []Account{
			{AppID: "wx1", Name: "Shop 1", Kind: "official_account", Platform: "plat"},
			{AppID: "wx2", Name: "Shop 2", Kind: "mini_program", Platform: "plat"},
			{AppID: "wx3", Name: "Shop 3", Kind: "website", Platform: "other"},
		},
		Columnar: export.Columnar{URL: server.HTTPURL(), User: string(embedded.UserAnalyst), Password: server.Password(embedded.UserAnalyst)},
	}, Deps{
		Reader: reader, Limited: limited, Writer: loader, Publisher: publisher{js}, DeadLetters: letterBox{js}, Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Metrics: r.metrics, Now: clock, Secret: []byte(strings.Repeat("s", 32)),
		Console: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the console") }),
	})
	must(t, err)
	mux := chi.NewRouter()
	r.api.Routes(mux)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	r.url = web.URL
	return r
}

// fill makes the world.
func fill(t *testing.T, loader driver.Conn) {
	t.Helper()
	ctx, day := t.Context(), func(n int) time.Time { return now.AddDate(0, 0, -n) }
	var identities []warehouse.IdentityRow
	for _, i := range []identityOf{p1, p2, q2, q3, lone} {
		identities = append(identities, warehouse.IdentityRow{Identity: i.hash(), AppID: i.appid, OpenID: i.openid, FirstSeen: day(90)})
	}
	must(t, warehouse.Identities.Insert(ctx, loader, identities))
	hold := func(i identityOf, space, value string, n int) warehouse.StatementRow {
		return warehouse.StatementRow{
			Identity: i.hash(), Space: space, OccurredAt: day(n), Digest: uint64(n), Action: "hold", Key: schemas.KeyHash(space, value),
			Value: value, EventID: "login-" + i.openid, Source: i.appid, StreamTime: day(n),
		}
	}
	must(t, warehouse.Statements.Insert(ctx, loader, []warehouse.StatementRow{
		hold(p1, "plat", "union-p", 80), hold(p2, "plat", "union-p", 70), hold(q2, "crm", "M-1", 60), hold(q3, "crm", "M-1", 50),
		hold(p1, "plat", "union-old", 85),
	}))
	belongs := func(i identityOf, person uint64, n int) warehouse.PersonRow {
		return warehouse.PersonRow{Identity: i.hash(), Learnt: day(n), Person: person, Cause: "login-" + i.openid, Written: uint64(day(n).UnixNano())}
	}
	must(t, warehouse.InsertPersons(ctx, loader, []warehouse.PersonRow{
		belongs(p1, schemas.KeyHash("plat", "union-old"), 85), belongs(p1, personP, 80), belongs(p2, personP, 70), belongs(q2, personQ, 60), belongs(q3, personQ, 50),
	}))
	must(t, warehouse.Profiles.Insert(ctx, loader, []warehouse.ProfileRow{
		{Identity: p1.hash(), Field: "nickname", OccurredAt: day(80), Value: "=1+1", StreamTime: day(80)},
		{Identity: q3.hash(), Field: "headimgurl", OccurredAt: day(50), Value: "https://example.com/q3", StreamTime: day(50)},
	}))
	n := 0
	buy := func(i identityOf, order, kind string, amount int64, currency string, ago int) warehouse.PurchaseRow {
		n++
		refund := ""
		if kind == "refund" {
			refund = "r-" + order
		}
		return warehouse.PurchaseRow{
			Identity: i.hash(), OrderKey: schemas.KeyHash(i.appid+order, kind), AppID: i.appid, OrderID: order, RefundID: refund, Kind: kind, Amount: amount,
			Currency: currency, OccurredAt: day(ago), Digest: uint64(n), EventID: order + kind, StreamTime: day(ago),
			SKU: []string{"sku-" + i.appid}, Name: []string{"@name"}, Category: []string{"books"}, Quantity: []int64{2}, ItemAmount: []int64{max(amount, -amount)},
		}
	}
	must(t, warehouse.Purchases.Insert(ctx, loader, []warehouse.PurchaseRow{
		buy(p1, "=A-1", "purchase", 1000, "CNY", 40), buy(p1, "A-2", "purchase", 500, "USD", 30), buy(p2, "B-1", "purchase", 2000, "CNY", 20),
		buy(p2, "B-1", "refund", -300, "CNY", 10), buy(q2, "B-2", "purchase", 4000, "CNY", 35), buy(q3, "C-1", "purchase", 8000, "CNY", 5),
		buy(lone, "A-3", "purchase", 16000, "CNY", 3), buy(lone, "A-4", "purchase", 1, "CNY", 2),
	}))
	must(t, loader.Exec(ctx, "INSERT INTO progress (at, through, pending, dead) VALUES ('2026-11-22 10:00:00', '2026-11-22 09:59:58', 3, 1)"))
	must(t, warehouse.ReloadBase(ctx, loader))
	must(t, warehouse.ReloadRecent(ctx, loader))
}

// asked is an answer.
type asked struct {
	status  int
	header  http.Header
	trailer http.Header
	body    []byte
}

// object is the answer's JSON.
func (a asked) object(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(a.body, &out); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return out
}

// ask sends a request as the owner of a token, "" for nobody.
func (r *rig) ask(t *testing.T, who, method, path, body string) asked {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	must(t, err)
	if who != "" {
		req.Header.Set("Authorization", "Bearer "+tokens[who])
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return r.do(t, req)
}

func (r *rig) get(t *testing.T, who, path string) asked {
	t.Helper()
	return r.ask(t, who, http.MethodGet, path, "")
}

func (r *rig) do(t *testing.T, req *http.Request) asked {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return asked{resp.StatusCode, resp.Header, resp.Trailer, body}
}

// metric adds up the counters of a name that have a label of this value.
func (r *rig) metric(t *testing.T, name, label string) (sum float64) {
	t.Helper()
	families, err := r.metrics.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetValue() == label {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}
