package wechatsim

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFaults(t *testing.T) {
	exchange := "/sns/oauth2/access_token"
	t.Run("an errcode, twice, leaves the code alone", func(t *testing.T) {
		b := newBench(t, nil)
		path := exchangePath(shop, shopKey, b.code(shop, "u1", scopeBase))
		b.admin("POST", "/_sim/faults", `{"route":"`+exchange+`","errcode":-1,"times":2}`)
		for i, want := range []int{-1, -1, 0} {
			if got := b.get(path); errcode(got) != want {
				t.Errorf("call %d: %v, want %d", i, got, want)
			}
		}
	})
	t.Run("an errcode that burns the code", func(t *testing.T) {
		b := newBench(t, nil)
		path := exchangePath(shop, shopKey, b.code(shop, "u1", scopeBase))
		b.admin("POST", "/_sim/faults", `{"route":"`+exchange+`","errcode":-1,"burn":true,"times":1}`)
		for i, want := range []int{-1, 40163} {
			if got := b.get(path); errcode(got) != want {
				t.Errorf("call %d: %v, want %d", i, got, want)
			}
		}
	})
	t.Run("a reply that is lost after it took effect", func(t *testing.T) {
		b := newBench(t, nil)
		path := exchangePath(shop, shopKey, b.code(shop, "u1", scopeBase))
		// Without "times", because net/http sends a GET again where the connection was cut before the answer began.
		b.admin("POST", "/_sim/faults", `{"route":"`+exchange+`","drop_reply":true}`)
		if resp, err := b.client.Get(b.url + path); err == nil {
			resp.Body.Close()
			t.Error("the reply came")
		}
		b.admin("DELETE", "/_sim/faults", "")
		if got := b.get(path); errcode(got) != 40163 {
			t.Errorf("afterwards: %v", got)
		}
	})
	t.Run("a gateway's 502 for one account", func(t *testing.T) {
		b := newBench(t, nil)
		id := b.admin("POST", "/_sim/faults", `{"route":"*","http_status":502,"appid":"`+shop+`"}`)["id"]
		resp, body := b.send(http.MethodGet, exchange+"?appid="+shop, "")
		if resp.StatusCode != 502 || strings.Contains(body, "errcode") {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
		if got := b.get(exchange + "?appid=" + cafe); errcode(got) != 41004 {
			t.Errorf("another account: %v", got)
		}
		if id != 1.0 {
			t.Errorf("id %v", id)
		}
		b.admin("DELETE", "/_sim/faults/1", "")
		if got := b.get(exchange + "?appid=" + shop); errcode(got) != 41004 {
			t.Errorf("taken away: %v", got)
		}
	})
	t.Run("latency is waited out", func(t *testing.T) {
		b := newBench(t, nil)
		b.admin("POST", "/_sim/faults", `{"route":"`+exchange+`","latency_ms":30}`)
		started := time.Now()
		b.get(exchange)
		if took := time.Since(started); took < 30*time.Millisecond {
			t.Errorf("answered after %v", took)
		}
	})
	t.Run("an error page", func(t *testing.T) {
		b := newBench(t, nil)
		b.admin("POST", "/_sim/faults", `{"route":"/connect/oauth2/authorize","errcode":10009}`)
		if _, body := b.send(http.MethodGet, authorizePath(nil), ""); !strings.Contains(body, "10009") || !strings.Contains(body, "操作太频繁") {
			t.Error(body)
		}
	})
	t.Run("a fault without effect is refused", func(t *testing.T) {
		b := newBench(t, nil)
		for _, body := range []string{`{"route":"*"}`, `{"errcode":1}`, `{"route":"*","http_status":200}`, `{"route":"*","errcode":1,"times":-1}`} {
			if resp, _ := b.send("POST", "/_sim/faults", body); resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d", body, resp.StatusCode)
			}
		}
	})
}

func TestKnobsOfTheAnswers(t *testing.T) {
	b := newBench(t, nil)
	login := b.login("u1", scopeUserinfo)
	info := func() (*http.Response, []byte) {
		resp, body := b.send(http.MethodGet, "/sns/userinfo?access_token="+login["access_token"].(string)+"&openid="+login["openid"].(string), "")
		return resp, []byte(body)
	}
	resp, body := info()
	if resp.Header.Get("Content-Type") != "application/json; encoding=utf-8" || bytes.Contains(body, []byte(`\/`)) {
		t.Errorf("%q %s", resp.Header.Get("Content-Type"), body)
	}
	for _, c := range []struct{ knob, want string }{
		{`{"nickname":"control"}`, "\x14"}, {`{"nickname":"invalid_utf8"}`, "\xff"}, {`{"nickname":"emoji"}`, "\ue13c"},
		{`{"nickname":"clean","escape_slashes":true}`, `https:\/\/thirdwx.qlogo.cn\/mmopen`},
	} {
		b.admin("PATCH", "/_sim/knobs", c.knob)
		if _, body := info(); !bytes.Contains(body, []byte(c.want)) {
			t.Errorf("%s: %q", c.knob, body)
		}
	}
	b.admin("PATCH", "/_sim/knobs", `{"escape_slashes":false,"content_type":"text/plain"}`)
	if resp, _ := info(); resp.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%q", resp.Header.Get("Content-Type"))
	}
	b.admin("PATCH", "/_sim/knobs", `{"content_type":""}`)
	if resp, _ := info(); len(resp.Header["Content-Type"]) != 0 {
		t.Errorf("%q", resp.Header["Content-Type"])
	}
	for style, want := range map[string]string{"comma": "invalid access_token, rid: ", "space": "invalid access_token rid: ", "hints": ", hints: [ req_id: ", "none": "invalid access_token"} {
		b.admin("PATCH", "/_sim/knobs", `{"rid":"`+style+`"}`)
		got := b.get("/sns/auth?access_token=x&openid=y")["errmsg"].(string)
		if !strings.Contains(got, want) || (style == "none" && got != want) {
			t.Errorf("%s: %q", style, got)
		}
	}
	if resp, _ := b.send("PATCH", "/_sim/knobs", `{"rid":"loud"}`); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a bad knob: %d", resp.StatusCode)
	}
	if got := b.admin("GET", "/_sim/knobs", "")["rid"]; got == "loud" {
		t.Error("a bad knob was set")
	}
}

func TestTokensEndOnDemand(t *testing.T) {
	b := newBench(t, nil)
	login, code, token := b.login("u1", scopeUserinfo), b.code(shop, "u1", scopeBase), b.token(shop, shopKey)
	b.admin("POST", "/_sim/accounts/"+shop+"/expire", `{"what":"all"}`)
	for path, want := range map[string]int{
		exchangePath(shop, shopKey, code): 40029,
		"/sns/auth?access_token=" + login["access_token"].(string) + "&openid=" + login["openid"].(string):                       42001,
		"/cgi-bin/user/get?access_token=" + token:                                                                                42001,
		"/sns/oauth2/refresh_token?grant_type=refresh_token&appid=" + shop + "&refresh_token=" + login["refresh_token"].(string): 42002,
	} {
		if got := b.get(path); errcode(got) != want {
			t.Errorf("%s: %v, want %d", path, got, want)
		}
	}
	if resp, _ := b.send("POST", "/_sim/accounts/"+shop+"/expire", `{"what":"time"}`); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", resp.StatusCode)
	}
}
