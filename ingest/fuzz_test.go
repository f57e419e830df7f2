package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// FuzzBody holds that any body either is a problem or has each of its events visited
// once, and that what is taken can be encoded and taken again.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		"", "[]", "{}", "[{},{}]", "{}\n{}", "\n\n{}", "[{}", "[1,null,\"x\"]", "\uFEFF{}", "{\"a\":\"\xff\"}", "[[[[", `{"a":"\u0000"}`,
		loginJSON("x"), loginJSON("x") + "\n" + purchaseJSON(), "[" + loginJSON("x") + "]", cloudEventJSON(`"data":` + loginJSON("c1")),
	} {
		for layout := range 3 {
			f.Add(layout, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, layout int, data []byte) {
		kind := schemas.Kinds[uint(layout/3)%3]
		how := format(uint(layout) % 3)
		read := readJSON
		if how == formatLines {
			read = readLines
		}
		visits := 0
		err := read(bufio.NewReaderSize(bytes.NewReader(data), 16), func(raw []byte, refusal *schemas.Refusal) error {
			visits++
			if refusal != nil {
				return nil
			}
			e, err := decodeEvent(kind, how, raw)
			if err != nil {
				if !errors.As(err, &refusal) {
					t.Errorf("%q is refused untyped: %v", raw, err)
				}
				return nil
			}
			schemas.FillEventID(e)
			again, err := schemas.Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			if e2, err := schemas.Decode(kind, again); err != nil || e2.Digest() != e.Digest() {
				t.Errorf("%q was taken, and %q is not the same (%v)", raw, again, err)
			}
			return nil
		})
		var p *Problem
		if err != nil && !errors.As(err, &p) {
			t.Errorf("the error is no problem: %v", err)
		}
		if err == nil && visits == 0 && len(bytes.TrimSpace(data)) == 0 {
			t.Error("an empty body is no problem")
		}
	})
}

// FuzzCloudEvent holds that the event inside is JSON or refused with a type.
func FuzzCloudEvent(f *testing.F) {
	for _, seed := range []string{
		"{}", cloudEventJSON(`"data":{}`), cloudEventJSON(`"data":null`), cloudEventJSON(`"data_base64":"bnVsbA=="`),
		cloudEventJSON(`"data_base64":"e30="`), cloudEventJSON(`"data":{"event_id":null,"occurred_at":""}`), cloudEventJSON(`"data":` + loginJSON("c1")),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		inner, err := unwrapCloudEvent(schemas.KindLogin, data)
		var refusal *schemas.Refusal
		if err != nil {
			if !errors.As(err, &refusal) {
				t.Errorf("refused untyped: %v", err)
			}
			return
		}
		if first := bytes.TrimSpace(inner); len(first) == 0 || first[0] != '{' {
			t.Errorf("%q is no object", inner)
		}
	})
}

// fixedNow is the moment that the fuzzed signature is of.
var fixedNow = time.Unix(0, 0)

// FuzzHeaders holds that no header that a stranger may send breaks its reader.
func FuzzHeaders(f *testing.F) {
	f.Add("application/json", "1.2.3.4, ::1", "v1,AAAA v1,")
	f.Add("a/b;c=", ",,", "v1")
	c := newClientAddress([]string{"0.0.0.0/0", "::/0"})
	f.Fuzz(func(t *testing.T, contentType, forwarded, given string) {
		if _, err := formatOf(contentType); err != nil && problemOf(err).Status != http.StatusUnsupportedMediaType {
			t.Errorf("content type: %v", err)
		}
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header["X-Forwarded-For"] = []string{forwarded}
		c.of(r)
		h := http.Header{"Webhook-Id": {"x"}, "Webhook-Timestamp": {"0"}, "Webhook-Signature": {given}}
		s, err := newSignature(h, []byte("secret"), fixedNow)
		if err != nil {
			if given != "" {
				t.Errorf("signature: %v", err)
			}
			return
		}
		if s.verify() == nil {
			t.Error("a guessed signature was right")
		}
	})
}
