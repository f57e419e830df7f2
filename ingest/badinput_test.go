package ingest

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/unionlink/unionlink/schemas"
)

// TestBadEvents holds every event that must not be taken, and the type it is rejected with.
func TestBadEvents(t *testing.T) {
	s := start(t, oneKey(), roomy)
	login := func(changes ...string) string {
		body := loginJSON("l1")
		return strings.NewReplacer(changes...).Replace(body)
	}
	for _, c := range []struct{ name, path, body, wantType, wantField string }{
		{"openid is a number", "logins", login(`"o1"`, `17`), schemas.RefusedFieldType, "openid"},
		{"keys are an object", "logins", login(`"openid"`, `"keys":{},"openid"`), schemas.RefusedFieldType, "keys"},
		{"snapshot_user is a text", "logins", login(`"openid"`, `"snapshot_user":"yes","openid"`), schemas.RefusedFieldType, "snapshot_user"},
		{"the event is a text", "logins", `["login"]`, schemas.RefusedFieldType, ""},
		{"the event is null", "logins", `[null]`, schemas.RefusedFieldType, ""},
		{"the event is an array", "logins", `[[]]`, schemas.RefusedFieldType, ""},
		{"nested too deeply", "logins", login(`"openid"`, `"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`,"openid"`), schemas.RefusedJSON, ""},
		{"unknown currency", "purchases", purchaseJSON("currency", `"RMB"`), schemas.RefusedCurrency, "currency"},
		{"currency in small letters", "purchases", purchaseJSON("currency", `"cny"`), schemas.RefusedCurrency, "currency"},
		{"no currency", "purchases", purchaseJSON("currency", ""), schemas.RefusedMissing, "currency"},
		{"negative amount", "purchases", purchaseJSON("amount", "-1"), schemas.RefusedAmount, "amount"},
		{"fractional amount", "purchases", purchaseJSON("amount", "12.5"), schemas.RefusedAmount, "amount"},
		{"amount as a text", "purchases", purchaseJSON("amount", `"12345"`), schemas.RefusedAmount, "amount"},
		{"amount beyond all money", "purchases", purchaseJSON("amount", "99999999999999"), schemas.RefusedAmount, "amount"},
		{"amount beyond 64 bits", "purchases", purchaseJSON("amount", "99999999999999999999"), schemas.RefusedAmount, "amount"},
		{"no amount", "purchases", purchaseJSON("amount", ""), schemas.RefusedMissing, "amount"},
		{"refund without refund_id", "purchases", purchaseJSON("kind", `"refund"`), schemas.RefusedRefundID, "refund_id"},
		{"refund of nothing", "purchases", purchaseJSON("kind", `"refund"`, "refund_id", `"R"`, "amount", "0"), schemas.RefusedAmount, "amount"},
		{"unknown kind of purchase", "purchases", purchaseJSON("kind", `"gift"`), schemas.RefusedKind, "kind"},
		{"date in 1970", "purchases", purchaseJSON("occurred_at", `"1970-01-01T00:00:00Z"`), schemas.RefusedTime, "occurred_at"},
		{"date in the year 9999", "purchases", purchaseJSON("occurred_at", `"9999-12-31T00:00:00Z"`), schemas.RefusedTime, "occurred_at"},
		{"date two days ahead", "purchases", purchaseJSON("occurred_at", `"2026-11-24T12:00:01Z"`), schemas.RefusedTime, "occurred_at"},
		{"date without a zone", "purchases", purchaseJSON("occurred_at", `"2026-11-22T10:00:00"`), schemas.RefusedTime, "occurred_at"},
		{"date as a number", "purchases", purchaseJSON("occurred_at", `1795341600`), schemas.RefusedFieldType, "occurred_at"},
		{"the 30th of February", "purchases", purchaseJSON("occurred_at", `"2026-02-30T10:00:00Z"`), schemas.RefusedTime, "occurred_at"},
		{"no date", "purchases", purchaseJSON("occurred_at", ""), schemas.RefusedMissing, "occurred_at"},
		{"appid not the key's", "purchases", purchaseJSON("appid", `"`+otherAppid+`"`), schemas.RefusedNotAllowed, "appid"},
		{"appid not configured", "purchases", purchaseJSON("appid", `"wxnobody"`), schemas.RefusedAccount, "appid"},
		{"migrate from another's account", "identities", `{"occurred_at":"2026-11-22T10:00:00Z","appid":"` + appid + `","openid":"o1","action":"migrate","from_appid":"` + otherAppid + `","from_openid":"o2"}`, schemas.RefusedNotAllowed, "from_appid"},
		{"unknown action", "identities", `{"occurred_at":"2026-11-22T10:00:00Z","appid":"` + appid + `","openid":"o1","action":"merge"}`, schemas.RefusedAction, "action"},
		{"unlink without a space", "identities", `{"occurred_at":"2026-11-22T10:00:00Z","appid":"` + appid + `","openid":"o1","action":"unlink"}`, schemas.RefusedMissing, "space"},
		{"empty openid", "logins", login(`"o1"`, `""`), schemas.RefusedMissing, "openid"},
		{"openid undefined", "logins", login(`"o1"`, `"undefined"`), schemas.RefusedIdentifier, "openid"},
		{"openid null as a text", "logins", login(`"o1"`, `"null"`), schemas.RefusedIdentifier, "openid"},
		{"openid None", "logins", login(`"o1"`, `"None"`), schemas.RefusedIdentifier, "openid"},
		{"openid 0", "logins", login(`"o1"`, `"0"`), schemas.RefusedIdentifier, "openid"},
		{"openid NaN", "logins", login(`"o1"`, `"NaN"`), schemas.RefusedIdentifier, "openid"},
		{"openid [object Object]", "logins", login(`"o1"`, `"[object Object]"`), schemas.RefusedIdentifier, "openid"},
		{"openid of white space", "logins", login(`"o1"`, `"  "`), schemas.RefusedIdentifier, "openid"},
		{"openid with a control character", "logins", login(`"o1"`, `"o\u0000"`), schemas.RefusedIdentifier, "openid"},
		{"openid of 129 bytes", "logins", login(`"o1"`, `"`+strings.Repeat("o", 129)+`"`), schemas.RefusedIdentifier, "openid"},
		{"openid is not valid UTF-8", "logins", login(`"o1"`, "\"o\xff\""), schemas.RefusedUTF8, ""},
		{"event over 512 KiB", "logins", login(`"openid"`, `"x":"`+strings.Repeat("x", schemas.MaxEventBytes)+`","openid"`), schemas.RefusedTooLarge, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := (&stack{t: t, url: s.url}).json(c.path, c.body)
			r.wantCounts(t, http.StatusUnprocessableEntity, 0, 0, 1)
			if len(r.Rejected) == 1 && (r.Rejected[0].Type != c.wantType || r.Rejected[0].Field != c.wantField || r.Rejected[0].Detail == "") {
				t.Errorf("rejected as %+v, want type %q and field %q", r.Rejected[0], c.wantType, c.wantField)
			}
		})
	}
	if n := s.stored(); n != 0 {
		t.Errorf("%d bad events are stored", n)
	}
}

func TestBadRequests(t *testing.T) {
	s := start(t, oneKey(), roomy)
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		wantType                string
	}{
		{"no JSON at all", "application/json", "hello", 400, ProblemJSON},
		{"a number", "application/json", "42", 400, ProblemJSON},
		{"half an object", "application/json", `{"event_id":`, 400, ProblemJSON},
		{"half an array", "application/json", `[` + loginJSON("x") + `,`, 400, ProblemJSON},
		{"an array with a hole", "application/json", `[` + loginJSON("x") + `,,]`, 400, ProblemJSON},
		{"something after the array", "application/json", `[` + loginJSON("x") + `] 1`, 400, ProblemJSON},
		{"lines sent as one object", "application/json", loginJSON("x") + "\n" + loginJSON("y"), 400, ProblemJSON},
		{"nested without end", "application/json", strings.Repeat("[", 200_000), 400, ProblemJSON},
		{"empty", "application/json", "", 400, ProblemEmpty},
		{"white space alone", "application/json", " \r\n\t", 400, ProblemEmpty},
		{"no lines", "application/x-ndjson", "\n\n", 400, ProblemEmpty},
		{"a form", "application/x-www-form-urlencoded", "a=b", 415, ProblemMediaType},
		{"a broken content type", "application/", "{}", 415, ProblemMediaType},
	} {
		t.Run(c.name, func(t *testing.T) {
			(&stack{t: t, url: s.url}).post("logins", c.contentType, strings.NewReader(c.body)).wantProblem(t, c.status, c.wantType)
		})
	}
	t.Run("an unknown content encoding", func(t *testing.T) {
		r := s.json("logins", loginJSON("x"), "Content-Encoding", "br")
		r.wantProblem(t, 415, ProblemMediaType)
		if r.header.Get("Accept-Encoding") != "gzip" {
			t.Error("the answer does not say that gzip is taken")
		}
	})
	t.Run("gzip that is none", func(t *testing.T) {
		s.json("logins", loginJSON("x"), "Content-Encoding", "gzip").wantProblem(t, 400, ProblemEncoding)
	})
	t.Run("too many events", func(t *testing.T) {
		s.json("logins", "["+strings.Repeat("{},", 10_000)+"{}]").wantProblem(t, 413, ProblemTooManyEvents)
	})
	if n := s.stored(); n != 0 {
		t.Errorf("%d events of bad requests are stored", n)
	}
}

// endless is a body of n bytes that takes no memory.
type endless struct{ left int64 }

var blanks = bytes.Repeat([]byte(" "), 64<<10)

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), e.left)], blanks)
	e.left -= int64(n)
	return n, nil
}

func TestBodyOf50MB(t *testing.T) {
	s := start(t, oneKey(), roomy)
	const size = 50_000_000
	for _, c := range []struct {
		name, contentType string
		body              io.Reader
	}{
		{"of unknown length", "application/json", &endless{left: size}},
		{"of unknown length in lines", "application/x-ndjson", io.MultiReader(strings.NewReader(loginJSON("big")), &endless{left: size})},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s.post("logins", c.contentType, c.body).wantProblem(t, 413, ProblemBodyTooLarge)
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > size/2 {
				t.Errorf("%d bytes were allocated for it", grown)
			}
		})
	}
	t.Run("of known length", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/events/logins", &endless{left: size})
		must(t, err)
		req.ContentLength = size
		req.Header.Set("Authorization", "Bearer "+secretKey)
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %d", resp.StatusCode)
		}
	})
	t.Run("unpacked from 50 KB", func(t *testing.T) {
		s.post("logins", "application/json", packed(t, &endless{left: size}), "Content-Encoding", "gzip").wantProblem(t, 413, ProblemBodyTooLarge)
	})
	if n := s.stored(); n != 0 {
		t.Errorf("%d events are stored", n)
	}
}
