package wechat_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/unionlink/unionlink/ingest/wechat"
	"github.com/unionlink/unionlink/ingest/wechat/push"
	"github.com/unionlink/unionlink/schemas"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// pushed makes the simulator push an account's events here.
func (w *world) pushed(appid, mode string) {
	w.t.Helper()
	key := ""
	if appid == cafe {
		key = aesKey
	}
	w.admin("PUT", "/accounts/"+appid+"/push", obj{"url": w.site.URL + "/wechat/" + appid + "/push", "token": token, "aes_key": key, "mode": mode}, nil)
}

// work runs the queue's workers until the test ends.
func (w *world) work() {
	ctx := w.t.Context()
	done := make(chan error, 1)
	go func() { done <- w.wechat.Run(ctx) }() // ends with the test's context
	w.t.Cleanup(func() {
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
}

func TestPush_follow_and_leave(t *testing.T) {
	for _, c := range []struct{ appid, mode string }{{shop, "plain"}, {cafe, "compatible"}, {cafe, "aes"}} {
		t.Run(c.mode, func(t *testing.T) {
			w := newWorld(t, nil)
			w.work()
			w.pushed(c.appid, c.mode)
			var ok struct{ OK bool }
			if w.admin("POST", "/accounts/"+c.appid+"/push/check", obj{}, &ok); !ok.OK {
				t.Fatal("the echo check failed")
			}
			w.admin("POST", "/users/u1/follow", obj{"appid": c.appid}, nil)
			u := w.user("u1", c.appid)
			events := w.until(2)
			first, second := events[0].(*schemas.Login), events[1].(*schemas.Login)
			if first.OpenID != u.OpenID || first.UnionID != "" || second.OpenID != u.OpenID || second.UnionID != u.UnionID {
				t.Fatal(show(events))
			}
			w.admin("POST", "/users/u1/unfollow", obj{"appid": c.appid}, nil)
			last := w.until(3)[2].(*schemas.Identity)
			if last.Action != schemas.ActionErase || last.OpenID != u.OpenID {
				t.Fatalf("%+v", last)
			}
		})
	}
}

func TestPush_repetitions_are_one_event(t *testing.T) {
	w := newWorld(t, nil)
	w.pushed(cafe, "aes")
	w.admin("POST", "/users/u1/follow", obj{"appid": cafe}, nil)
	w.until(1)
	for range 3 {
		w.settled("push")
		w.admin("POST", "/deliveries/"+itoa(w.deliveries("push")[0].ID)+"/resend", obj{}, nil)
	}
	w.settled("push")
	w.admin("POST", "/users/u2/follow", obj{"appid": cafe}, nil)
	w.until(2)
}

func TestPush_revocations(t *testing.T) {
	follow := func(w *world, users ...string) {
		w.pushed(cafe, "aes")
		for _, u := range users {
			w.browser(u).login(cafe, userinfo)
		}
		w.until(len(users))
	}
	t.Run("two users who revoke in one second are both erased", func(t *testing.T) {
		w := newWorld(t, nil)
		follow(w, "u1", "u2")
		for _, u := range []string{"u1", "u2"} {
			w.admin("POST", "/users/"+u+"/revoke", obj{"appid": cafe, "revoke_info": "205"}, nil)
		}
		erased := map[string]bool{}
		for _, e := range w.until(4)[2:] {
			if e.(*schemas.Identity).Action != schemas.ActionErase {
				t.Fatalf("%+v", e)
			}
			erased[e.Head().OpenID] = true
		}
		if !erased[w.user("u1", cafe).OpenID] || !erased[w.user("u2", cafe).OpenID] {
			t.Fatal(erased)
		}
	})
	t.Run("what is not stored needs no deletion", func(t *testing.T) {
		w := newWorld(t, nil)
		follow(w, "u1")
		w.admin("POST", "/users/u1/revoke", obj{"appid": cafe, "revoke_info": "201"}, nil)
		w.admin("POST", "/users/u1/revoke", obj{"appid": cafe, "revoke_info": "301"}, nil)
		if last := w.until(2)[1].(*schemas.Identity); last.Action != schemas.ActionErase {
			t.Fatalf("%+v", last)
		}
	})
	t.Run("a closed WeChat account is erased", func(t *testing.T) {
		w := newWorld(t, nil)
		follow(w, "u1")
		w.admin("POST", "/users/u1/cancel", obj{}, nil)
		if last := w.until(2)[1].(*schemas.Identity); last.Action != schemas.ActionErase {
			t.Fatalf("%+v", last)
		}
	})
	t.Run("policies", func(t *testing.T) {
		w := newWorld(t, func(c *wechat.Config) {
			c.Push = push.Config{OnRevokeProfile: push.PolicyIgnore, OnRevokeAll: push.PolicyUnlink}
		})
		follow(w, "u1")
		w.admin("POST", "/users/u1/revoke", obj{"appid": cafe, "revoke_info": "205"}, nil)
		w.admin("POST", "/users/u1/revoke", obj{"appid": cafe, "revoke_info": "301"}, nil)
		if last := w.until(2)[1].(*schemas.Identity); last.Action != schemas.ActionUnlink || last.Space != "main" {
			t.Fatalf("%+v", last)
		}
	})
}

func TestPush_forged(t *testing.T) {
	w := newWorld(t, nil)
	query := func(appid, signed string) string {
		q := url.Values{"timestamp": {"1700000000"}, "nonce": {"n"}, "echostr": {"echo"}, "signature": {signed}, "msg_signature": {signed}}
		return w.site.URL + "/wechat/" + appid + "/push?" + q.Encode()
	}
	good := push.Sign(token, "1700000000", "n")
	body := "<xml><FromUserName>oVictim000000000000000000000</FromUserName><MsgType>event</MsgType><Event>unsubscribe</Event><CreateTime>1700000000</CreateTime></xml>"
	for name, c := range map[string]struct {
		url  string
		want int
	}{
		"a wrong signature":                        {query(shop, "00"), 403},
		"a plain message to an account with a key": {query(cafe, good), 403},
		"an account without pushes":                {query(mini, good), 403},
		"an account that nobody knows":             {query("wxnobody", good), 403},
	} {
		resp, err := http.Post(c.url, "text/xml", strings.NewReader(body))
		w.check(err)
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, c.want)
		}
	}
	for url, want := range map[string]string{query(shop, good): "echo", query(shop, "00"): "forbidden\n"} {
		resp, err := http.Get(url)
		w.check(err)
		got, err := io.ReadAll(resp.Body)
		w.check(err)
		_ = resp.Body.Close()
		if string(got) != want {
			t.Errorf("the echo check answers %q, want %q", got, want)
		}
	}
	if len(w.events()) != 0 {
		t.Fatal(show(w.events()))
	}
}
