package wechat_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/unionlink/unionlink/ingest/wechat"
	"github.com/unionlink/unionlink/ingest/wechat/account"
)

// TestLogin_errcodes is the table of what a caller of the login route sees.
func TestLogin_errcodes(t *testing.T) {
	w := newWorld(t, func(c *wechat.Config) { c.Login.TrustForeignStates = true })
	cases := []struct {
		errcode, status int
		// again tells that the caller should send the same code again.
		again bool
	}{
		{-1, 503, true}, {45011, 503, true}, {45009, 503, true},
		{40029, 401, false}, {40163, 401, false}, {42003, 401, false}, {42007, 401, false},
		{40003, 403, false}, {40226, 403, false}, {50002, 403, false},
		{40013, 500, false}, {40125, 500, false}, {40164, 500, false}, {40243, 500, false}, {48001, 500, false}, {48004, 500, false},
		{40002, 500, false}, {41002, 500, false}, {41004, 500, false}, {43001, 500, false}, {89503, 500, false},
	}
	for _, kind := range []struct{ appid, route, scope string }{{shop, exchange, "snsapi_base"}, {mini, "/sns/jscode2session", ""}} {
		for _, c := range cases {
			t.Run(kind.appid+" "+strconv.Itoa(c.errcode), func(t *testing.T) {
				code := w.code(kind.appid, "u1", kind.scope)
				w.admin("POST", "/faults", obj{"route": kind.route, "times": 1, "errcode": c.errcode}, nil)
				b := w.browser("u1")
				got := b.post(kind.appid, code, "attempt")
				if got.Status != c.status || got.Code != c.errcode || got.Msg == "" || (got.Header.Get("Retry-After") != "") != c.again {
					t.Fatalf("%+v", got)
				}
				if anOpenID.MatchString(got.Msg) {
					t.Fatal("the message names a user")
				}
				if kind.appid == mini && c.again {
					if got := b.post(kind.appid, code, "attempt"); got.Code != 0 {
						t.Fatalf("the same code again: %+v", got)
					}
				}
			})
		}
	}
}

func TestLogin_faults(t *testing.T) {
	t.Run("an answer lost after the code was burnt: begin again", func(t *testing.T) {
		w := newWorld(t, nil)
		w.admin("POST", "/faults", obj{"route": exchange, "times": 1, "drop_reply": true}, nil)
		b := w.browser("u1")
		at := b.authorize(shop, "", "allow")
		if at.Query().Get("unionlink_error") != "1006" {
			t.Fatal(at)
		}
		if n := w.calls.of(exchange); n != 1 {
			t.Fatalf("a burnt code was sent %d times", n)
		}
		if got := b.login(shop, ""); got.Code != 0 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a code exchange that takes too long", func(t *testing.T) {
		w := newWorld(t, func(c *wechat.Config) { c.Client.Timeout = 100 * time.Millisecond })
		w.admin("POST", "/faults", obj{"route": "/sns/jscode2session", "times": 1, "latency_ms": 2000}, nil)
		if got := w.browser("u1").post(mini, w.code(mini, "u1", ""), "attempt"); got.Status != 504 || got.Code != 1006 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a gateway's page instead of an answer", func(t *testing.T) {
		w := newWorld(t, nil)
		w.admin("POST", "/faults", obj{"route": "/sns/jscode2session", "times": 1, "http_status": 502}, nil)
		if got := w.browser("u1").post(mini, w.code(mini, "u1", ""), "attempt"); got.Status != 502 || got.Code != 1006 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a profile that fails once is asked for again", func(t *testing.T) {
		w := newWorld(t, nil)
		w.admin("POST", "/faults", obj{"route": "/sns/userinfo", "times": 1, "errcode": -1}, nil)
		if got := w.browser("u1").login(shop, userinfo); got.Code != 0 || got.Data.Nickname == "" {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a profile that stays away does not cost the login", func(t *testing.T) {
		w := newWorld(t, nil)
		w.admin("POST", "/faults", obj{"route": "/sns/userinfo", "errcode": -1}, nil)
		got := w.browser("u1").login(shop, userinfo)
		if got.Code != 0 || got.Data.Nickname != "" || got.Data.UnionID == "" {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a wrong secret is the operator's, and told as such", func(t *testing.T) {
		w := newWorld(t, func(c *wechat.Config) { c.Accounts[2].Secret = "wrong" })
		if got := w.browser("u1").post(mini, w.code(mini, "u1", ""), "attempt"); got.Status != 500 || got.Code != 40125 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("the minute's quota", func(t *testing.T) {
		w := newWorld(t, nil)
		w.admin("PUT", "/accounts/"+mini+"/quota", obj{"path": "/sns/jscode2session", "per_minute": 1}, nil)
		b := w.browser("u1")
		if got := b.post(mini, w.code(mini, "u1", ""), "attempt1"); got.Code != 0 {
			t.Fatalf("%+v", got)
		}
		if got := b.post(mini, w.code(mini, "u1", ""), "attempt2"); got.Status != 503 || got.Code != 45011 || got.Header.Get("Retry-After") != "60" {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("an expired code", func(t *testing.T) {
		w := newWorld(t, nil)
		code := w.code(mini, "u1", "")
		w.admin("POST", "/accounts/"+mini+"/expire", obj{"what": "codes"}, nil)
		if got := w.browser("u1").post(mini, code, "attempt"); got.Status != 401 || got.Code != 40029 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("an account without a platform links nobody", func(t *testing.T) {
		w := newWorld(t, func(c *wechat.Config) {
			c.Accounts[2] = account.Account{AppID: mini, Kind: account.KindMiniProgram, Secret: secret}
		})
		got := w.browser("u1").post(mini, w.code(mini, "u1", ""), "attempt")
		if got.Code != 0 || got.Data.PersonID == "" {
			t.Fatalf("%+v", got)
		}
	})
}

func TestConfig(t *testing.T) {
	if err := (wechat.Config{}).WithDefaults().Validate(); err != nil {
		t.Fatal(err)
	}
	bad := wechat.Config{Accounts: []account.Account{{AppID: "wx1"}}}
	bad.Client.APIURL, bad.Login.PublicURL, bad.Push.OnCancel, bad.Pay.Remember = "x", "y", "z", 1
	bad.Login.Origins, bad.Login.ReturnTo, bad.Backfill.RetryWait = []string{"*"}, []string{"/page"}, -1
	err := bad.WithDefaults().Validate()
	if err == nil {
		t.Fatal("taken")
	}
	for _, path := range []string{"accounts[0]", "client.api_url", "login.public_url", "origins[0]", "return_to[0]", "push.on_cancel", "pay.remember", "backfill."} {
		if !contains(err.Error(), path) {
			t.Errorf("%s is not told: %v", path, err)
		}
	}
}
