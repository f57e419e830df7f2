package push

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/ingest/wechat/account"
)

// The vector was checked against another implementation (silenceper/wechat).
const (
	vectorKey     = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	vectorAppID   = "wx1234567890abcdef"
	vectorToken   = "SimToken123"
	vectorEncrypt = "Q3stYC6hdFzMh9T8HCvyDKSj6W297BTIvfT+PbfkEpEahNfGQIJ0QXSG33gXU7OwQe2i0zGk06EqRKKY513BEXDXgnwrCDiOYrBsNnlYgNCGyRiHEceSNUjOXzUNLbGr10X6YDo6wA3qNHVqf03FeraG49Md5d3G7qGDg1sQPTdYnlV4jYa+L4pTBUPGhWk9HwM0d8toBrqgVY6lHtj359Pn3gl0Jo4d5sZRQc0cknKBIT1t92Y5uI9gHUJnkyeuOnwOlvxkKtVaEDVPh96NgJgRQv6jTLSr4m4O1UwQEsctAAjYf75XmE2KYo8iBzMzmduVCigzJNIyjBYvPXC02cRBLCFTT4Nz3EtU5rCY1cNGpCgRh2TrhNX2VyPgjWxsxIh7h1KEqitPRs+9G85pXhKIBqSslyp6wgtl3eESIaQ="
)

func TestVector(t *testing.T) {
	if got := Sign(vectorToken, "1700000000", "nonce123"); got != "008c16c0843d556a3841f02d537593339fd708aa" {
		t.Fatal(got)
	}
	acc := account.Account{AppID: vectorAppID, Push: account.Push{Token: vectorToken, AESKey: vectorKey}}
	sealed := envelope{
		msgSignature: "04408457d95b4a8228fceed91f0b3041397f3ea3", timestamp: "1700000000", nonce: "nonce123",
		body: []byte("<xml><ToUserName><![CDATA[gh_sim]]></ToUserName><Encrypt><![CDATA[" + vectorEncrypt + "]]></Encrypt></xml>"),
	}
	got, err := open(acc, sealed)
	want := message{
		"ToUserName": "gh_sim", "FromUserName": "oSimUser0000000000000000001", "CreateTime": "1700000000",
		"MsgType": "event", "Event": "unsubscribe", "EventKey": "",
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Fatal(d, err)
	}
	t.Run("another account's message is forged", func(t *testing.T) {
		other := acc
		other.AppID = "wx0000000000000000"
		if _, err := open(other, sealed); !errors.Is(err, errForged) {
			t.Fatal(err)
		}
	})
	t.Run("a changed signature is forged", func(t *testing.T) {
		changed := sealed
		changed.msgSignature = strings.Replace(sealed.msgSignature, "0", "1", 1)
		if _, err := open(acc, changed); !errors.Is(err, errForged) {
			t.Fatal(err)
		}
	})
	t.Run("a plain message is not believed where there is an AES key", func(t *testing.T) {
		plain := envelope{signature: Sign(vectorToken, "1", "2"), timestamp: "1", nonce: "2", body: []byte("<xml><MsgType>event</MsgType></xml>")}
		if _, err := open(acc, plain); !errors.Is(err, errForged) {
			t.Fatal(err)
		}
		acc := acc
		acc.Push.AESKey = ""
		if m, err := open(acc, plain); err != nil || m["MsgType"] != "event" {
			t.Fatal(m, err)
		}
	})
}

func TestParse(t *testing.T) {
	t.Run("nested elements, control characters and broken UTF-8", func(t *testing.T) {
		m, err := parse([]byte("<xml><A>1</A><List><Item><A>2</A></Item></List><Content><![CDATA[x\x14y\xff]]></Content></xml>"))
		if err != nil || m["A"] != "1" || m["Content"] != "xy\ufffd" {
			t.Fatal(m, err)
		}
	})
	t.Run("JSON with blanks in its keys", func(t *testing.T) {
		m, err := parse([]byte(`{"MsgType":"event"," OpenID":"oA","CreateTime":1700000000,"List":[{"a":1}]}`))
		if d := cmp.Diff(message{"MsgType": "event", "OpenID": "oA", "CreateTime": "1700000000"}, m); d != "" || err != nil {
			t.Fatal(d, err)
		}
	})
	for name, body := range map[string]string{
		"nothing": "", "no fields": "<xml/>", "broken": "<xml><a>", "deep": strings.Repeat("<a>", 20), "an entity": `<!DOCTYPE x [<!ENTITY e "v">]><xml><a>&e;</a></xml>`,
	} {
		t.Run(name+" is an error", func(t *testing.T) {
			if m, err := parse([]byte(body)); err == nil {
				t.Fatal(m)
			}
		})
	}
}

func TestSubject_two_users_revoke_in_one_second(t *testing.T) {
	m := message{"FromUserName": "gh_platform", "CreateTime": "1700000000", "Event": "user_authorization_revoke", "RevokeInfo": "205"}
	acc := account.Account{AppID: "wx1"}
	if (subject{acc, "oA", m}).eventID() == (subject{acc, "oB", m}).eventID() {
		t.Fatal("two users' revocations are one event")
	}
	all := message{"CreateTime": "1700000000", "Event": "user_authorization_revoke", "RevokeInfo": "301"}
	if (subject{acc, "oA", m}).eventID() == (subject{acc, "oA", all}).eventID() {
		t.Fatal("two revocations of one user are one event")
	}
}

func TestMessage_created(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{"1700000000": time.Unix(1700000000, 0), "": now, "0": now, "x": now, "99999999999999": now} {
		if got := (message{"CreateTime": text}).created(now); !got.Equal(want) {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := (Config{}).WithDefaults().Validate(); err != nil {
		t.Fatal(err)
	}
	err := Config{OnUnsubscribe: "delete"}.WithDefaults().Validate()
	if err == nil || !strings.Contains(err.Error(), "on_unsubscribe") {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("<xml><ToUserName><![CDATA[gh_sim]]></ToUserName><CreateTime>1700000000</CreateTime></xml>"))
	f.Add([]byte(`{" OpenID":"o","CreateTime":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if m, err := parse(body); err == nil && len(m) == 0 {
			t.Fatal("a message without fields")
		}
	})
}

func FuzzDecrypt(f *testing.F) {
	sealed, err := base64.StdEncoding.DecodeString(vectorEncrypt)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{})
	f.Add(make([]byte, 32))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Decrypt(vectorKey, vectorAppID, base64.StdEncoding.EncodeToString(data))
		if err == nil && len(got) > len(data) {
			t.Fatal("longer than it was")
		}
	})
}
