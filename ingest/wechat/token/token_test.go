package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/ingest/wechat/account"
	"github.com/unionlink/unionlink/ingest/wechat/client"
)

// issuer is WeChat's stable_token and one route that wants the token. Unlike the
// simulator it counts and can be moved between any two requests.
type issuer struct {
	mu      sync.Mutex
	current int
	// expired makes the next normal request give a new token; superseded makes
	// WeChat refuse the current one while normal requests still give it.
	expired, superseded bool
	asked, forced       int
	hold                chan struct{}
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/sns/auth" {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.expired || i.superseded || r.URL.Query().Get("access_token") != i.name() {
			_, _ = io.WriteString(w, `{"errcode":42001,"errmsg":"access_token expired"}`)
			return
		}
		_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
		return
	}
	var body struct {
		Force bool `json:"force_refresh"`
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	if i.hold != nil {
		<-i.hold
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	if body.Force {
		i.forced++
	}
	if i.expired || body.Force {
		i.current++
		i.expired, i.superseded = false, false
	}
	fmt.Fprintf(w, `{"access_token":%q,"expires_in":7200}`, i.name())
}

func (i *issuer) name() string { return fmt.Sprintf("token-%d", i.current) }

func (i *issuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// world makes stores that share one NATS and one WeChat.
type world struct {
	issuer *issuer
	url    string
	js     func() jetstream.JetStream
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{issuer: &issuer{}}
	srv := httptest.NewServer(w.issuer)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	address := embeddedtest.StartNATS(t)
	w.js = func() jetstream.JetStream {
		nc, err := nats.Connect(address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		return js
	}
	return w
}

func (w world) store(t *testing.T, now func() time.Time) (*Store, *client.Client) {
	t.Helper()
	c, err := client.New(client.Config{APIURL: w.url, OpenURL: w.url, Timeout: time.Minute}, nil)
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := account.NewDirectory([]account.Account{{AppID: "wx1", Kind: account.KindOfficial, Secret: "s"}, {AppID: "wx2", Kind: account.KindOfficial}})
	if err != nil {
		t.Fatal(err)
	}
	return New(Deps{JetStream: w.js(), Client: c, Accounts: accounts, Now: now}), c
}

func TestStore(t *testing.T) {
	t.Run("a thousand expiries cost a thousand renewals, whoever reports them", func(t *testing.T) {
		w := newWorld(t)
		one, c := w.store(t, nil)
		two, _ := w.store(t, nil)
		use := func(s *Store) error {
			return s.Do(t.Context(), "wx1", func(tok string) error { return c.CheckGrant(t.Context(), tok, "o") })
		}
		if err := use(one); err != nil {
			t.Fatal(err)
		}
		const expiries = 1000
		for range expiries {
			w.issuer.set(func() { w.issuer.expired = true })
			var both sync.WaitGroup
			for _, s := range []*Store{one, two} {
				both.Go(func() {
					if err := use(s); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
		}
		if w.issuer.asked != expiries+1 || w.issuer.forced != 0 {
			t.Fatalf("wechat was asked %d times, %d by force; want %d, none by force", w.issuer.asked, w.issuer.forced, expiries+1)
		}
	})
}

func TestStore_renewal(t *testing.T) {
	t.Run("a token refused by WeChat but given again is forced, and not twice within 30 s", func(t *testing.T) {
		w := newWorld(t)
		s, c := w.store(t, nil)
		use := func() error {
			return s.Do(t.Context(), "wx1", func(tok string) error { return c.CheckGrant(t.Context(), tok, "o") })
		}
		w.issuer.superseded = true
		if err := use(); err != nil || w.issuer.forced != 1 {
			t.Fatal(err, w.issuer.forced)
		}
		w.issuer.set(func() { w.issuer.superseded = true })
		if err := use(); err == nil || w.issuer.forced != 1 {
			t.Fatal(err, w.issuer.forced)
		}
	})
	t.Run("a due token is renewed early and serves others meanwhile", func(t *testing.T) {
		w := newWorld(t)
		now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		one, _ := w.store(t, clock)
		two, _ := w.store(t, clock)
		if _, err := one.Get(t.Context(), "wx1"); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2*time.Hour - early)
		w.issuer.expired, w.issuer.hold = true, make(chan struct{})
		renewed := make(chan string)
		go func() {
			tok, err := one.Get(context.Background(), "wx1")
			if err != nil {
				tok = err.Error()
			}
			renewed <- tok
		}()
		w.issuer.hold <- struct{}{} // the refresher is at WeChat, or waits to be
		close(w.issuer.hold)
		if tok, err := two.Get(t.Context(), "wx1"); err != nil || (tok != "token-0" && tok != "token-1") {
			t.Fatal(tok, err)
		}
		if tok := <-renewed; tok != "token-1" {
			t.Fatal(tok)
		}
	})
	t.Run("the lease of a refresher that died runs out", func(t *testing.T) {
		w := newWorld(t)
		now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
		s, _ := w.store(t, func() time.Time { return now })
		dead := record{Lease: "dead", LeaseEnds: now.Add(LeaseTime)}
		if _, err := s.kv.Write(t.Context(), "wx1", dead, 0); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := s.Get(short, "wx1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		now = now.Add(LeaseTime)
		if tok, err := s.Get(t.Context(), "wx1"); err != nil || tok != "token-0" {
			t.Fatal(tok, err)
		}
	})
	t.Run("an account without a secret is told", func(t *testing.T) {
		w := newWorld(t)
		s, _ := w.store(t, nil)
		if _, err := s.Get(t.Context(), "wx2"); err == nil {
			t.Fatal("no error")
		}
	})
}
