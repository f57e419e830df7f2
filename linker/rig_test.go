package linker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

var accounts = []schemas.Account{
	{AppID: "wx1", Name: "One", Kind: schemas.AccountKindOfficial, Platform: "main"},
	{AppID: "wx2", Name: "Two", Kind: schemas.AccountKindMiniProgram, Platform: "main"},
	{AppID: "wx3", Name: "Three", Kind: schemas.AccountKindWebsite, Platform: "other"},
}

// rig is a stream, a database, and as many linkers as a test wants.
type rig struct {
	t    *testing.T
	dsn  string
	url  string
	conn driver.Conn
	js   jetstream.JetStream
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dsn: embeddedtest.Database(t), url: embeddedtest.StartNATS(t)}
	if _, err := warehouse.Migrate(t.Context(), warehouse.MigrateOptions{DSN: r.dsn}); err != nil {
		t.Fatal(err)
	}
	r.conn, r.js = r.warehouse(), r.jetstream()
	if err := stream.Provision(t.Context(), r.js, stream.Config{MaxBytes: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	return r
}

// in is the rig as a subtest uses it.
func (r *rig) in(t *testing.T) *rig {
	sub := *r
	sub.t = t
	return &sub
}

func (r *rig) warehouse() driver.Conn {
	r.t.Helper()
	conn, err := warehouse.OpenLoader(r.dsn)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (r *rig) jetstream() jetstream.JetStream {
	r.t.Helper()
	nc, err := nats.Connect(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		r.t.Fatal(err)
	}
	return js
}

// running is a linker under way.
type running struct {
	*linker.Linker
	conn driver.Conn
	stop func()
}

// kill takes the store away in the middle of whatever the linker does, and stops it.
func (r *running) kill() {
	_ = r.conn.Close()
	r.stop()
}

func (r *rig) link(cfg linker.Config) *running {
	r.t.Helper()
	cfg.MaxIdentitiesPerKey = 3
	conn := r.warehouse()
	l, err := linker.New(cfg, linker.Deps{
		JetStream: r.jetstream(), Warehouse: conn, Accounts: accounts,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }() // ends with cancel
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	}
	r.t.Cleanup(stop)
	return &running{Linker: l, conn: conn, stop: stop}
}

func (r *rig) publish(events ...schemas.Event) {
	r.t.Helper()
	for _, e := range events {
		m, err := stream.Message(e)
		if err != nil {
			r.t.Fatal(err)
		}
		m.Header.Del(nats.MsgIdHdr) // repeated events shall reach the linker
		if _, err := r.js.PublishMsgAsync(m); err != nil {
			r.t.Fatal(err)
		}
	}
	select {
	case <-r.js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		r.t.Fatal("the events were not published within a minute")
	}
}

// counted waits until every message of the stream is acknowledged.
func (r *rig) counted() {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), stream.Events)
	if err != nil {
		r.t.Fatal(err)
	}
	last := s.CachedInfo().State.LastSeq
	r.until("all events are counted", func() bool {
		c, err := r.js.Consumer(r.t.Context(), stream.Events, stream.Consumer)
		if err != nil {
			r.t.Fatal(err)
		}
		i := c.CachedInfo()
		return i.NumPending == 0 && i.NumAckPending == 0 && i.Delivered.Stream >= last
	})
}

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited two minutes in vain until %s", what)
		}
	}
}

// ask returns the rows of a query as aligned text, one row a line.
func (r *rig) ask(query string) string {
	r.t.Helper()
	rows, err := r.conn.Query(r.t.Context(), "SELECT arrayStringConcat(arrayMap(x -> toString(x), array(*)), ' ') FROM ("+query+")")
	if err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func (r *rig) want(query, want string) {
	r.t.Helper()
	if got := r.ask(query); got != want {
		r.t.Fatalf("%s\ngot:\n%s\nwant:\n%s", query, got, want)
	}
}

func (r *rig) exec(query string) {
	r.t.Helper()
	if err := r.conn.Exec(r.t.Context(), query); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
}

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var events int

func head(appid, openid string, hour int) schemas.Envelope {
	events++
	return schemas.Envelope{EventID: fmt.Sprintf("e%d", events), OccurredAt: day.Add(time.Duration(hour) * time.Hour), AppID: appid, OpenID: openid}
}

func login(appid, openid, unionid string, hour int) *schemas.Login {
	return &schemas.Login{Envelope: head(appid, openid, hour), UnionID: unionid}
}

func buy(appid, openid, order string, amount int64, hour int) *schemas.Purchase {
	return &schemas.Purchase{
		Envelope: head(appid, openid, hour), OrderID: order, PurchaseKind: schemas.PurchaseKindPurchase, Amount: amount, Currency: "CNY",
		Items: []schemas.Item{{SKU: "s", Quantity: 1, Amount: amount}},
	}
}

func deadLetters(t *testing.T, js jetstream.JetStream) []*jetstream.RawStreamMsg {
	t.Helper()
	s, err := js.Stream(t.Context(), stream.DeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	var out []*jetstream.RawStreamMsg
	for seq := s.CachedInfo().State.FirstSeq; seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}
