package schemas

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const at = `"occurred_at":"2026-11-22T10:00:00.123Z","appid":"wx1","openid":"oA"`

func TestDecode(t *testing.T) {
	got, err := Decode(KindPurchase, []byte(`{"event_id":"e1",`+at+`,"order_id":"A-17","kind":"refund","refund_id":"R1","amount":12345,"currency":"CNY","revision":2,"new":{"x":1},"items":[{"sku":"s","quantity":2,"amount":12345}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Purchase{
		Envelope: Envelope{EventID: "e1", OccurredAt: time.Date(2026, 11, 22, 10, 0, 0, 123e6, time.UTC), AppID: "wx1", OpenID: "oA"},
		OrderID:  "A-17", PurchaseKind: PurchaseKindRefund, RefundID: "R1", Amount: 12345, Currency: "CNY", Revision: 2,
		Items: []Item{{SKU: "s", Quantity: 2, Amount: 12345}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func TestDecode_refuses(t *testing.T) {
	purchase := `,"order_id":"A","kind":"purchase","amount":1,"currency":"CNY"`
	long := strings.Repeat("x", MaxIdentifierBytes+1)
	cases := []struct{ name, kind, body, typ, field string }{
		{"wrong type", "purchase", `{` + at + `,"order_id":7}`, RefusedFieldType, "order_id"},
		{"fractional amount", "purchase", `{` + at + `,"order_id":"A","kind":"purchase","amount":1.5,"currency":"CNY"}`, RefusedAmount, "amount"},
		{"negative amount", "purchase", `{` + at + `,"order_id":"A","kind":"purchase","amount":-1,"currency":"CNY"}`, RefusedAmount, "amount"},
		{"amount as text", "purchase", `{` + at + `,"order_id":"A","kind":"purchase","amount":"1","currency":"CNY"}`, RefusedAmount, "amount"},
		{"absent amount", "purchase", `{` + at + `,"order_id":"A","kind":"purchase","currency":"CNY"}`, RefusedMissing, "amount"},
		{"unknown currency", "purchase", `{` + at + `,"order_id":"A","kind":"purchase","amount":1,"currency":"RMB"}`, RefusedCurrency, "currency"},
		{"currency in small letters", "purchase", `{` + at + `,"order_id":"A","kind":"purchase","amount":1,"currency":"cny"}`, RefusedCurrency, "currency"},
		{"unknown kind", "purchase", `{` + at + `,"order_id":"A","kind":"gift","amount":1,"currency":"CNY"}`, RefusedKind, "kind"},
		{"refund without refund_id", "purchase", `{` + at + `,"order_id":"A","kind":"refund","amount":1,"currency":"CNY"}`, RefusedRefundID, "refund_id"},
		{"purchase with refund_id", "purchase", `{` + at + purchase + `,"refund_id":"R"}`, RefusedKind, "refund_id"},
		{"absent time", "login", `{"appid":"wx1","openid":"oA"}`, RefusedMissing, "occurred_at"},
		{"time without zone", "login", `{"occurred_at":"2026-11-22 10:00:00","appid":"wx1","openid":"oA"}`, RefusedTime, "occurred_at"},
		{"time before all", "login", `{"occurred_at":"0001-01-02T00:00:00Z","appid":"wx1","openid":"oA"}`, RefusedTime, "occurred_at"},
		{"nanoseconds", "login", `{"occurred_at":"2026-11-22T10:00:00.123456789Z","appid":"wx1","openid":"oA"}`, RefusedTime, "occurred_at"},
		{"openid undefined", "login", `{"occurred_at":"2026-11-22T10:00:00Z","appid":"wx1","openid":"undefined"}`, RefusedIdentifier, "openid"},
		{"openid of zero", "login", `{"occurred_at":"2026-11-22T10:00:00Z","appid":"wx1","openid":"0"}`, RefusedIdentifier, "openid"},
		{"unionid NULL", "login", `{` + at + `,"unionid":"NULL"}`, RefusedIdentifier, "unionid"},
		{"unionid [object Object]", "login", `{` + at + `,"unionid":"[object Object]"}`, RefusedIdentifier, "unionid"},
		{"unionid with a blank", "login", `{` + at + `,"unionid":"a b"}`, RefusedIdentifier, "unionid"},
		{"openid with a control character", "login", `{"occurred_at":"2026-11-22T10:00:00Z","appid":"wx1","openid":"a\u0000b"}`, RefusedIdentifier, "openid"},
		{"long openid", "login", `{"occurred_at":"2026-11-22T10:00:00Z","appid":"wx1","openid":"` + long + `"}`, RefusedIdentifier, "openid"},
		{"appid that is a subject", "login", `{"occurred_at":"2026-11-22T10:00:00Z","appid":"wx.>","openid":"oA"}`, RefusedIdentifier, "appid"},
		{"two values in one space", "login", `{` + at + `,"keys":[{"space":"crm","value":"1x"},{"space":"crm","value":"2x"}]}`, RefusedIdentifier, "keys[1].space"},
		{"unknown action", "identity", `{` + at + `,"action":"merge"}`, RefusedAction, "action"},
		{"unlink without space", "identity", `{` + at + `,"action":"unlink"}`, RefusedMissing, "space"},
		{"migrate to itself", "identity", `{` + at + `,"action":"migrate","from_appid":"wx1","from_openid":"oA"}`, RefusedIdentifier, "from_openid"},
		{"broken JSON", "login", `{"appid":`, RefusedJSON, ""},
		{"two objects", "login", `{` + at + `}{}`, RefusedJSON, ""},
		{"an array", "login", `[]`, RefusedFieldType, ""},
		{"invalid UTF-8", "login", "{\"appid\":\"\xff\"}", RefusedUTF8, ""},
		{"unknown event kind", "gift", `{}`, RefusedKind, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode(Kind(c.kind), []byte(c.body))
			var r *Refusal
			if !errors.As(err, &r) {
				t.Fatalf("got %v, want a refusal", err)
			}
			if r.Type != c.typ || r.Field != c.field {
				t.Fatalf("got %s %q (%s), want %s %q", r.Type, r.Field, r.Detail, c.typ, c.field)
			}
		})
	}
}

func TestCheckTime(t *testing.T) {
	e := &Login{Envelope: Envelope{OccurredAt: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)}}
	if err := CheckTime(e, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatalf("a day ahead is a wrong clock, and taken: %v", err)
	}
	if err := CheckTime(e, time.Date(2026, 1, 1, 23, 59, 59, 0, time.UTC)); err == nil {
		t.Fatal("more than a day ahead was taken")
	}
}

// TestVectors fixes the hashes: other languages, and stored rows, depend on them.
func TestVectors(t *testing.T) {
	login := &Login{Envelope: Envelope{EventID: "e1", OccurredAt: time.Date(2026, 11, 22, 10, 0, 0, 123e6, time.UTC), AppID: "wx1", OpenID: "oA"}, UnionID: "uA"}
	noID := *login
	noID.EventID = ""
	FillEventID(&noID)
	got := map[string]string{
		"identity": PersonID(IdentityHash("wx1", "oA")),
		"key":      PersonID(KeyHash("main", "uA")),
		"digest":   PersonID(login.Digest()),
		"event_id": noID.EventID,
		"alias":    PersonID(Pseudonym(IdentityHash("wx1", "oA"))),
	}
	want := map[string]string{
		"identity": "p_38454066e72b1fda",
		"key":      "p_eb56e968128b60fb",
		"digest":   "p_7af76643b8ae96ef",
		"event_id": "c_18909588008b813469e666fe98aedc59",
		"alias":    "p_04e3fd1410bd55f7",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if IdentityHash("wx1o", "A") == IdentityHash("wx1", "oA") {
		t.Fatal("parts run into each other")
	}
}

func TestPersonID(t *testing.T) {
	if h, err := ParsePersonID(PersonID(42)); err != nil || h != 42 {
		t.Fatal(h, err)
	}
	for _, bad := range []string{"", "p_", "p_1", "p_00000000000000GG", "x_0000000000000000", "p_00000000000000AB"} {
		if _, err := ParsePersonID(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestMinorDigits(t *testing.T) {
	for code, want := range map[string]int{"CNY": 2, "USD": 2, "JPY": 0, "KWD": 3} {
		if got := MinorDigits(code); got != want || !KnownCurrency(code) {
			t.Errorf("%s: %d digits, want %d", code, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("login", []byte(`{"event_id":"e",`+at+`,"unionid":"u","profile":{"nickname":"\u0014n"},"keys":[{"space":"crm","value":"M"}]}`))
	f.Add("purchase", []byte(`{`+at+`,"order_id":"A","kind":"purchase","amount":1,"currency":"CNY","items":[{"sku":"s","quantity":1,"amount":1}]}`))
	f.Add("identity", []byte(`{`+at+`,"action":"migrate","from_appid":"wx2","from_openid":"oB"}`))
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		e, err := Decode(Kind(kind), data)
		if err != nil {
			var r *Refusal
			if !errors.As(err, &r) || r.Type == "" || r.Detail == "" {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		again, err := Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		e2, err := Decode(Kind(kind), again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if e.Digest() != e2.Digest() {
			t.Fatalf("digest changed: %s", again)
		}
	})
}
