package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wechat answers every call with the replies in turn, the last one again and again.
func wechat(t *testing.T, replies ...http.HandlerFunc) (*Client, *atomic.Int64) {
	t.Helper()
	var calls atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(calls.Add(1))
		replies[min(n, len(replies))-1](w, r)
	}))
	t.Cleanup(srv.Close)
	c, err := New(Config{APIURL: srv.URL, OpenURL: srv.URL, Timeout: time.Minute, Backoff: time.Millisecond}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, &calls
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, body)
	}
}

func hangsUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

const busy = `{"errcode":-1,"errmsg":"system error rid: 65c17d8c-5cf05990-781aabe9"}`

var app = Credentials{AppID: "wx1", Secret: "the-secret"}

func TestClient_decodes(t *testing.T) {
	t.Run("a grant with numbers as strings, slashes escaped and the snapshot flag", func(t *testing.T) {
		c, _ := wechat(t, says(`{"access_token":"59_a\/b","expires_in":"7200","refresh_token":"r","openid":"oA","scope":"snsapi_base,snsapi_userinfo","is_snapshotuser":1,"unionid":"uA"}`))
		got, err := c.ExchangeCode(t.Context(), app, "code")
		want := Grant{AccessToken: "59_a/b", RefreshToken: "r", ExpiresIn: 2 * time.Hour, OpenID: "oA", UnionID: "uA", Scope: "snsapi_base,snsapi_userinfo", SnapshotUser: true}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Fatal(d, err)
		}
		if !got.ProfileGranted() || (Grant{Scope: ScopeBase}).ProfileGranted() {
			t.Fatal("scope misread")
		}
	})
	t.Run("a nickname with control characters and broken UTF-8", func(t *testing.T) {
		c, _ := wechat(t, says("\ufeff{\"openid\":\"oA\",\"nickname\":\"A\x14l\nice\xff\",\"sex\":0,\"headimgurl\":null,\"privilege\":[]}"))
		got, err := c.UserInfo(t.Context(), "token", "oA", "zh_CN")
		if d := cmp.Diff(UserInfo{OpenID: "oA", Nickname: "Alice\ufffd"}, got); d != "" || err != nil {
			t.Fatal(d, err)
		}
	})
	t.Run("keys with white space, and the end of the follower list", func(t *testing.T) {
		c, _ := wechat(t, says(`{"total":2,"count":2,"data":{"\nopenid":["o1","o2"]},"next_openid":"o2"}`), says(`{"total":2,"count":0,"next_openid":"o2"}`))
		got, err := c.FollowerPage(t.Context(), "token", "")
		if d := cmp.Diff(FollowerPage{Total: 2, OpenIDs: []string{"o1", "o2"}, Next: "o2"}, got); d != "" || err != nil {
			t.Fatal(d, err)
		}
		if got, err = c.FollowerPage(t.Context(), "token", "o2"); err != nil || got.Next != "" {
			t.Fatal(got, err)
		}
	})
	t.Run("errcode 0 is success", func(t *testing.T) {
		c, _ := wechat(t, says(`{"openid":"oA","session_key":"k","unionid":"uA","errcode":0,"errmsg":"ok"}`))
		if got, err := c.MiniProgramSession(t.Context(), app, "code"); err != nil || got != (Session{"oA", "uA"}) {
			t.Fatal(got, err)
		}
	})
	t.Run("changed openids with their reasons", func(t *testing.T) {
		c, _ := wechat(t, says(`{"errcode":0,"errmsg":"ok","result_list":[{"ori_openid":"o1","new_openid":"n1","err_msg":"ok"},{"ori_openid":"o2","err_msg":"ori_openid error"}]}`))
		got, err := c.ChangeOpenIDs(t.Context(), "token", "wxold", []string{"o1", "o2"})
		if d := cmp.Diff([]ChangedOpenID{{Old: "o1", New: "n1"}, {Old: "o2", Reason: "ori_openid error"}}, got); d != "" || err != nil {
			t.Fatal(d, err)
		}
	})
	t.Run("a success without an openid is no success", func(t *testing.T) {
		c, _ := wechat(t, says(`{}`))
		var lost *TransportError
		if _, err := c.ExchangeCode(t.Context(), app, "code"); !errors.As(err, &lost) {
			t.Fatal(err)
		}
	})
}

func TestClient_repeats(t *testing.T) {
	profile := says(`{"openid":"oA","nickname":"A"}`)
	grant := says(`{"access_token":"a","openid":"oA"}`)
	read := func(c *Client) error { _, err := c.UserInfo(context.Background(), "t", "oA", ""); return err }
	spend := func(c *Client) error { _, err := c.ExchangeCode(context.Background(), app, "code"); return err }
	cases := []struct {
		name  string
		do    func(*Client) error
		first http.HandlerFunc
		then  http.HandlerFunc
		calls int64
		fails bool
	}{
		{"a reading after system error", read, says(busy), profile, 2, false},
		{"a reading after a lost answer", read, hangsUp, profile, 2, false},
		{"a reading after a gateway's 502", read, status(502), profile, 2, false},
		{"a reading after a page that is not JSON", read, says("<html>"), profile, 2, false},
		{"no reading after a refusal", read, says(`{"errcode":48001,"errmsg":"api unauthorized"}`), profile, 1, true},
		{"no code exchange after system error: the code may be burnt", spend, says(busy), grant, 1, true},
		{"no code exchange after a lost answer", spend, hangsUp, grant, 1, true},
		{"no code exchange after a gateway's 502", spend, status(502), grant, 1, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, calls := wechat(t, tc.first, tc.then)
			if err := tc.do(c); (err != nil) != tc.fails {
				t.Fatal(err)
			}
			if got := calls.Load(); got != tc.calls {
				t.Fatalf("%d calls, want %d", got, tc.calls)
			}
		})
	}
	t.Run("no code exchange on a kept connection that breaks, by net/http itself", func(t *testing.T) {
		c, calls := wechat(t, profile, hangsUp, grant)
		if err := read(c); err != nil { // leaves a connection that is kept
			t.Fatal(err)
		}
		if err := spend(c); err == nil || calls.Load() != 2 {
			t.Fatal(err, calls.Load())
		}
	})
	t.Run("a code exchange has no body", func(t *testing.T) {
		c, _ := wechat(t, func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength != 0 || len(r.TransferEncoding) != 0 || r.Method != http.MethodGet {
				t.Error(r.Method, r.ContentLength, r.TransferEncoding)
			}
			grant(w, r)
		})
		if err := spend(c); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a code exchange that never left", func(t *testing.T) {
		var dials atomic.Int64
		c, err := New(Config{APIURL: "http://127.0.0.1:1", Backoff: time.Millisecond}, &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				dials.Add(1)
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := spend(c); err == nil || dials.Load() != 3 {
			t.Fatal(err, dials.Load())
		}
	})
}

func TestClient_tells_no_secret(t *testing.T) {
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, answer := range map[string]http.HandlerFunc{
		"hang up": hangsUp, "time-out": slow, "status": status(500), "not JSON": says("secret the-secret"),
		"refusal": says(`{"errcode":40029,"errmsg":"invalid code hint: [oWhoever] rid: 65c17d8c-5cf05990-781aabe9"}`),
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := wechat(t, answer)
			c.cfg.Timeout = 50 * time.Millisecond
			_, err := c.ExchangeCode(t.Context(), app, "the-code")
			if err == nil {
				t.Fatal("no error")
			}
			for _, secret := range []string{"the-secret", "the-code", "oWhoever", "127.0.0.1"} {
				if name == "hang up" && secret == "127.0.0.1" {
					continue // a broken connection may name its ends
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q tells %s", err, secret)
				}
			}
		})
	}
}

func TestError(t *testing.T) {
	for code, want := range map[int]Class{
		-1: ClassRetry, 45011: ClassRetry, 45009: ClassQuota, 40001: ClassToken, 40014: ClassToken, 42001: ClassToken,
		40029: ClassReauthorize, 40163: ClassReauthorize, 42002: ClassReauthorize, 42007: ClassReauthorize,
		40013: ClassConfiguration, 40125: ClassConfiguration, 40164: ClassConfiguration, 48001: ClassConfiguration,
		40003: ClassPermanent, 40226: ClassPermanent, 99999: ClassPermanent,
	} {
		if got := newError("/sns/auth", code, "").Class; got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
	e := newError("/cgi-bin/stable_token", 40001, "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r rid: 65c17d8c-5cf05990-781aabe9")
	want := &Error{Op: "/cgi-bin/stable_token", Code: 40001, Message: "invalid credential, access_token is invalid or not latest", RID: "65c17d8c-5cf05990-781aabe9", Class: ClassConfiguration}
	if d := cmp.Diff(want, e); d != "" {
		t.Fatal(d)
	}
}

func TestClient_AuthorizeURL(t *testing.T) {
	c, err := New(Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx1&redirect_uri=https%3A%2F%2Fa.example%2Fb%3Fc%3Dd&response_type=code&scope=snsapi_base&state=s1#wechat_redirect"
	if got := c.AuthorizeURL("wx1", "https://a.example/b?c=d", ScopeBase, "s1"); got != want {
		t.Fatal(got)
	}
	if got := c.AuthorizeURL("wx1", "https://a.example/", ScopeLogin, "s1"); !strings.HasPrefix(got, "https://open.weixin.qq.com/connect/qrconnect?appid=wx1&") {
		t.Fatal(got)
	}
}

func TestConfig(t *testing.T) {
	if err := (Config{}).WithDefaults().Validate(); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{APIURL: "api.weixin.qq.com", OpenURL: "ftp://x", Timeout: -1}, nil)
	for _, want := range []string{"api_url", "open_url", "timeout"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell %s", err, want)
		}
	}
}

func FuzzTidy(f *testing.F) {
	f.Add([]byte(`{"a":"b\/c"," OpenID":"x","n":[1,"2"]}`))
	f.Add([]byte("{\"nickname\":\"\x14\xff\\ud83d\"}"))
	f.Add([]byte(`"\`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tidy := Tidy(data)
		if again := Tidy(tidy); string(again) != string(tidy) {
			t.Fatalf("not stable: %q became %q", tidy, again)
		}
		if json.Valid(data) && !json.Valid(tidy) {
			t.Fatalf("sound JSON was broken: %q became %q", data, tidy)
		}
		var grant grantReply
		if decode(data, &grant) == nil {
			_ = grant.grant()
		}
		var page struct {
			failure
			List []followerReply `json:"user_info_list"`
		}
		_ = decode(data, &page)
	})
}
