package wechatsim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The vector is checked against another implementation's DecryptMsg and Signature (silenceper/wechat).
const (
	vectorKey     = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	vectorAppID   = "wx1234567890abcdef"
	vectorRandom  = "0123456789abcdef"
	vectorEncrypt = "Q3stYC6hdFzMh9T8HCvyDKSj6W297BTIvfT+PbfkEpEahNfGQIJ0QXSG33gXU7OwQe2i0zGk06EqRKKY513BEXDXgnwrCDiOYrBsNnlYgNCGyRiHEceSNUjOXzUNLbGr10X6YDo6wA3qNHVqf03FeraG49Md5d3G7qGDg1sQPTdYnlV4jYa+L4pTBUPGhWk9HwM0d8toBrqgVY6lHtj359Pn3gl0Jo4d5sZRQc0cknKBIT1t92Y5uI9gHUJnkyeuOnwOlvxkKtVaEDVPh96NgJgRQv6jTLSr4m4O1UwQEsctAAjYf75XmE2KYo8iBzMzmduVCigzJNIyjBYvPXC02cRBLCFTT4Nz3EtU5rCY1cNGpCgRh2TrhNX2VyPgjWxsxIh7h1KEqitPRs+9G85pXhKIBqSslyp6wgtl3eESIaQ="
)

func TestEncryptionVector(t *testing.T) {
	message := xmlMessage([]xmlField{
		{name: "ToUserName", value: "gh_sim"}, {name: "FromUserName", value: "oSimUser0000000000000000001"},
		{name: "CreateTime", value: "1700000000", number: true}, {name: "MsgType", value: "event"},
		{name: "Event", value: "unsubscribe"}, {name: "EventKey"},
	})
	key, err := decodeAESKey(vectorKey)
	if err != nil {
		t.Fatal(err)
	}
	got, err := encryptMessage(key, vectorRandom, message, vectorAppID)
	if err != nil || got != vectorEncrypt {
		t.Errorf("encrypted %q, %v", got, err)
	}
	if got := pushSignature("SimToken123", "1700000000", "nonce123"); got != "008c16c0843d556a3841f02d537593339fd708aa" {
		t.Errorf("signature %s", got)
	}
	if got := pushSignature("SimToken123", "1700000000", "nonce123", vectorEncrypt); got != "04408457d95b4a8228fceed91f0b3041397f3ea3" {
		t.Errorf("msg_signature %s", got)
	}
}

// decrypt is a receiver's side of encryptMessage.
func decrypt(t *testing.T, aesKey, text string) (message, appID string) {
	t.Helper()
	key, err := decodeAESKey(aesKey)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCDecrypter(block, key[:16]).CryptBlocks(raw, raw)
	raw = raw[16 : len(raw)-int(raw[len(raw)-1])]
	n := binary.BigEndian.Uint32(raw)
	return string(raw[4 : 4+n]), string(raw[4+n:])
}

func element(body, name string) string {
	_, rest, _ := strings.Cut(body, "<"+name+">")
	value, _, _ := strings.Cut(rest, "</"+name+">")
	return strings.TrimSuffix(strings.TrimPrefix(value, "<![CDATA["), "]]>")
}

func (b *bench) setPush(to *receiver, mode PushMode) {
	b.t.Helper()
	b.admin("PUT", "/_sim/accounts/"+shop+"/push", fmt.Sprintf(
		`{"url":%q,"token":"SimToken123","aes_key":%q,"mode":%q}`, to.URL+"/push?own=1", vectorKey, mode))
}

// settled waits until nothing is on its way and lists the deliveries, oldest first.
func (b *bench) settled() []delivery {
	b.t.Helper()
	b.eventually("all deliveries ended", func() bool { return b.sim.courier.countPending() == 0 })
	list := b.sim.courier.list("", "", 1000)
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func TestPushModes(t *testing.T) {
	for _, mode := range []PushMode{PushPlain, PushCompatible, PushAES} {
		t.Run(string(mode), func(t *testing.T) {
			b, rec := newBench(t, nil), newReceiver(t, success)
			b.run()
			b.setPush(rec, mode)
			b.admin("POST", "/_sim/users/u1/follow", `{"appid":"`+shop+`"}`)
			b.settled()
			got := rec.all()
			if len(got) != 1 {
				t.Fatalf("%d pushes", len(got))
			}
			q, body := got[0].query, got[0].body
			if q.Get("own") != "1" || q.Get("openid") != b.openid("u1", shop) || q.Get("signature") != pushSignature("SimToken123", q.Get("timestamp"), q.Get("nonce")) {
				t.Errorf("query %v", q)
			}
			if (element(body, "Event") == "subscribe") != (mode != PushAES) {
				t.Errorf("in clear: %s", body)
			}
			if mode == PushPlain {
				if q.Has("msg_signature") || strings.Contains(body, "Encrypt") {
					t.Errorf("encrypted: %v %s", q, body)
				}
				return
			}
			encrypted := element(body, "Encrypt")
			if q.Get("encrypt_type") != "aes" || q.Get("msg_signature") != pushSignature("SimToken123", q.Get("timestamp"), q.Get("nonce"), encrypted) {
				t.Errorf("query %v", q)
			}
			message, appID := decrypt(t, vectorKey, encrypted)
			if appID != shop || element(message, "Event") != "subscribe" || element(message, "FromUserName") != b.openid("u1", shop) {
				t.Errorf("decrypted %s for %s", message, appID)
			}
		})
	}
}

func TestPushedEvents(t *testing.T) {
	b, rec := newBench(t, nil), newReceiver(t, success)
	b.run()
	b.setPush(rec, PushPlain)
	b.login("u1", scopeUserinfo)
	about := `{"appid":"` + shop + `","scene":"42","text":"]]>hi"}`
	for _, order := range []string{"scan", "scan", "unfollow", "unfollow", "follow", "message"} {
		b.admin("POST", "/_sim/users/u1/"+order, about)
		b.settled()
	}
	b.admin("PATCH", "/_sim/knobs", `{"unionid_in_revoke":true}`)
	b.admin("POST", "/_sim/users/u1/modify", `{"nickname":"Other"}`)
	b.settled()
	b.admin("POST", "/_sim/users/u1/revoke", `{"appid":"`+shop+`"}`)
	b.settled()
	b.admin("POST", "/_sim/users/u1/cancel", "")
	b.settled()
	got := rec.all()
	var events []string
	for _, r := range got {
		events = append(events, element(r.body, "Event")+" "+element(r.body, "EventKey")+element(r.body, "RevokeInfo"))
	}
	want := "subscribe qrscene_42|SCAN 42|unsubscribe |subscribe | |user_info_modified |user_authorization_revoke 205|user_authorization_cancellation "
	if strings.Join(events, "|") != want {
		t.Fatalf("events %q", events)
	}
	revoke := got[6]
	if element(revoke.body, "OpenID") != b.openid("u1", shop) || element(revoke.body, "FromUserName") != DefaultKnobs().PlatformAccount ||
		element(revoke.body, "AppID") != shop || element(revoke.body, "UnionID") == "" || revoke.query.Has("openid") {
		t.Errorf("revoke: %v %s", revoke.query, revoke.body)
	}
	if got[0].body == got[1].body || element(got[0].body, "Ticket") == "" || element(got[4].body, "MsgId") == "" {
		t.Errorf("ticket or MsgId: %s", got[4].body)
	}
	if resp, _ := b.send("POST", "/_sim/users/u1/follow", about); resp.StatusCode != http.StatusConflict {
		t.Errorf("a closed account follows: %d", resp.StatusCode)
	}
}

func TestPushRetries(t *testing.T) {
	status := func(codes ...int) func(int, http.ResponseWriter) {
		return func(n int, rw http.ResponseWriter) { rw.WriteHeader(codes[min(n, len(codes)-1)]) }
	}
	for _, c := range []struct {
		name, knobs string
		answer      func(int, http.ResponseWriter)
		attempts    int
		state       string
	}{
		{"an empty 200 is enough", `{}`, status(200), 1, stateDelivered},
		{"the second try succeeds", `{}`, status(500, 200), 2, stateDelivered},
		{"three tries, then never again", `{}`, status(500), 3, stateGaveUp},
		{"a bad status may end it", `{"push_retry_on_status":false}`, status(500), 1, stateGaveUp},
		{"a timeout is tried again", `{"push_timeout_ms":50}`, func(n int, rw http.ResponseWriter) {
			if n == 0 {
				time.Sleep(200 * time.Millisecond)
			}
		}, 2, stateDelivered},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, rec := newBench(t, nil), newReceiver(t, c.answer)
			b.run()
			b.admin("PATCH", "/_sim/knobs", c.knobs)
			b.setPush(rec, PushPlain)
			b.admin("POST", "/_sim/users/u1/follow", `{"appid":"`+shop+`"}`)
			d := b.settled()[0]
			if d.State != c.state || len(d.Attempts) < c.attempts || (c.knobs != `{"push_timeout_ms":50}` && len(d.Attempts) != c.attempts) {
				t.Errorf("%s after %d attempts", d.State, len(d.Attempts))
			}
			for _, r := range rec.all() {
				if r.body != rec.all()[0].body {
					t.Errorf("another message: %s", r.body)
				}
			}
		})
	}
	t.Run("a push is lost, another sent again by hand", func(t *testing.T) {
		b, rec := newBench(t, nil), newReceiver(t, success)
		b.run()
		b.setPush(rec, PushPlain)
		b.admin("POST", "/_sim/faults", `{"route":"push","drop_reply":true,"times":1}`)
		b.admin("POST", "/_sim/users/u1/follow", `{"appid":"`+shop+`"}`)
		b.admin("POST", "/_sim/users/u2/follow", `{"appid":"`+shop+`"}`)
		list := b.settled()
		if list[0].State != stateLost || list[1].State != stateDelivered {
			t.Fatalf("%s, %s", list[0].State, list[1].State)
		}
		b.admin("POST", "/_sim/deliveries/2/resend", "")
		b.settled()
		if got := rec.all(); len(got) != 2 || got[0].body != got[1].body {
			t.Errorf("received %d", len(got))
		}
	})
	t.Run("what is not sent when the run ends is sent by the next", func(t *testing.T) {
		b, rec := newBench(t, nil), newReceiver(t, success)
		b.setPush(rec, PushPlain)
		b.admin("POST", "/_sim/users/u1/follow", `{"appid":"`+shop+`"}`)
		if b.sim.courier.countPending() != 1 {
			t.Fatal("sent without a run")
		}
		b.run()
		if b.settled()[0].State != stateDelivered {
			t.Error("not sent")
		}
	})
}

func TestNewFollowersArePushedWhenAsked(t *testing.T) {
	b, rec := newBench(t, nil), newReceiver(t, success)
	b.run()
	b.setPush(rec, PushPlain)
	b.admin("POST", "/_sim/users", `{"count":5,"follow":["`+shop+`"]}`)
	b.admin("POST", "/_sim/users", `{"count":3,"follow":["`+shop+`"],"push":true}`)
	b.settled()
	if got := rec.all(); len(got) != 3 || element(got[0].body, "Event") != "subscribe" {
		t.Errorf("%d pushes", len(got))
	}
}

func TestPushCheck(t *testing.T) {
	b := newBench(t, nil)
	good := newReceiver(t, nil)
	good.next = func(n int, rw http.ResponseWriter) { _, _ = io.WriteString(rw, good.all()[n].query.Get("echostr")) }
	if resp, _ := b.send("POST", "/_sim/accounts/"+shop+"/push/check", ""); resp.StatusCode != http.StatusConflict {
		t.Errorf("no url: %d", resp.StatusCode)
	}
	b.setPush(good, PushAES)
	if got := b.admin("POST", "/_sim/accounts/"+shop+"/push/check", ""); got["ok"] != true {
		t.Errorf("echoed: %v", got)
	}
	b.setPush(newReceiver(t, success), PushAES)
	if got := b.admin("POST", "/_sim/accounts/"+shop+"/push/check", ""); got["ok"] != false {
		t.Errorf("not echoed: %v", got)
	}
}

func FuzzEncryptMessage(f *testing.F) {
	f.Add("", "")
	f.Add("<xml></xml>", vectorAppID)
	key, err := decodeAESKey(vectorKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, message, appID string) {
		text, err := encryptMessage(key, vectorRandom, message, appID)
		if err != nil {
			t.Fatal(err)
		}
		if m, a := decrypt(t, vectorKey, text); m != message || a != appID {
			t.Errorf("%q for %q came back as %q for %q", message, appID, m, a)
		}
		if raw, _ := base64.StdEncoding.DecodeString(text); len(raw)%aesBlock != 0 || bytes.Contains(raw, []byte(vectorRandom)) {
			t.Errorf("%d bytes", len(raw))
		}
	})
}
