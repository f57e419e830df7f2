package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

func packed(t *testing.T, r io.Reader) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := io.Copy(w, r)
	must(t, err)
	must(t, w.Close())
	return &out
}

func TestRoutes(t *testing.T) {
	s := start(t, oneKey(), roomy)
	t.Run("one object of each kind", func(t *testing.T) {
		s.json("logins", loginJSON("one")).wantCounts(t, 202, 1, 0, 0)
		s.json("purchases", purchaseJSON("event_id", `"one-p"`)).wantCounts(t, 202, 1, 0, 0)
		s.json("identities", `{"event_id":"one-i","occurred_at":"2026-11-22T10:00:00Z","appid":"`+appid+`","openid":"o1","action":"erase"}`).wantCounts(t, 202, 1, 0, 0)
	})
	t.Run("the stream holds the event as the contract says", func(t *testing.T) {
		st, err := s.js.Stream(t.Context(), stream.Events)
		must(t, err)
		m, err := st.GetLastMsgForSubject(t.Context(), stream.Subject(schemas.KindLogin, appid))
		must(t, err)
		e, err := schemas.Decode(schemas.KindLogin, m.Data)
		must(t, err)
		if e.Head().EventID != "one" || m.Header.Get(nats.MsgIdHdr) != appid+":one" || m.Header.Get("ce-type") != "unionlink.login.v1" {
			t.Errorf("stored %s with headers %v", m.Data, m.Header)
		}
	})
	t.Run("an array", func(t *testing.T) {
		s.json("logins", "["+loginJSON("a1")+","+loginJSON("a2")+"]").wantCounts(t, 202, 2, 0, 0)
	})
	t.Run("an empty array", func(t *testing.T) { s.json("logins", "[]").wantCounts(t, 202, 0, 0, 0) })
	t.Run("without a content type, with a byte order mark", func(t *testing.T) {
		s.post("logins", "", strings.NewReader("\uFEFF"+loginJSON("bom"))).wantCounts(t, 202, 1, 0, 0)
	})
	t.Run("gzip", func(t *testing.T) {
		s.post("logins", "application/json", packed(t, strings.NewReader(loginJSON("zip"))), "Content-Encoding", "gzip").wantCounts(t, 202, 1, 0, 0)
	})
	t.Run("the same request again", func(t *testing.T) {
		s.json("logins", "["+loginJSON("a1")+","+loginJSON("a2")+","+loginJSON("a3")+"]").wantCounts(t, 202, 1, 2, 0)
	})
	t.Run("the same event twice in one request", func(t *testing.T) {
		s.json("logins", "["+loginJSON("twice")+","+loginJSON("twice")+"]").wantCounts(t, 202, 1, 1, 0)
	})
	t.Run("without an event_id, sent again", func(t *testing.T) {
		body := purchaseJSON("event_id", "", "order_id", `"no-id"`)
		s.json("purchases", body).wantCounts(t, 202, 1, 0, 0)
		s.json("purchases", body).wantCounts(t, 202, 0, 1, 0)
	})
	t.Run("unknown fields are kept out", func(t *testing.T) {
		s.json("purchases", purchaseJSON("event_id", `"extra"`, "campaign", `{"id":[1,2]}`)).wantCounts(t, 202, 1, 0, 0)
	})
	t.Run("a migrate from an account that is gone", func(t *testing.T) {
		s.json("identities", `{"occurred_at":"2026-11-22T10:00:00Z","appid":"`+appid+`","openid":"o1","action":"migrate","from_appid":"wxgone","from_openid":"o2"}`).wantCounts(t, 202, 1, 0, 0)
	})
	t.Run("ten thousand events", func(t *testing.T) {
		lines := make([]string, 10_000)
		for i := range lines {
			lines[i] = loginJSON(fmt.Sprint("many-", i))
		}
		s.post("logins", "application/x-ndjson", strings.NewReader(strings.Join(lines, "\n"))).wantCounts(t, 202, 10_000, 0, 0)
	})
	if got, want := s.stored(), uint64(s.count("unionlink_ingest_events_total", "accepted")); got != want || got < 10_000 {
		t.Errorf("%d events are stored, %d were accepted", got, want)
	}
}

func TestLines(t *testing.T) {
	s := start(t, oneKey(), roomy)
	t.Run("a broken line in the middle", func(t *testing.T) {
		body := loginJSON("n0") + "\r\n" + loginJSON("n1") + "\n{\"event_id\":\"n2\",\n\n" + strings.Repeat("x", schemas.MaxEventBytes+100) + "\n" + strings.Replace(loginJSON("n4"), "n4", "n4\xff", 1) + "\n" + loginJSON("n5")
		r := s.post("logins", "application/x-ndjson; charset=utf-8", strings.NewReader(body))
		r.wantCounts(t, 202, 3, 0, 3)
		var got []string
		for _, rejection := range r.Rejected {
			got = append(got, fmt.Sprint(rejection.Index, " ", rejection.Type))
		}
		want := []string{"2 invalid-json", "3 too-large", "4 invalid-utf8"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rejected (-want +got):\n%s", diff)
		}
	})
	t.Run("no line is JSON", func(t *testing.T) {
		s.post("logins", "application/x-ndjson", strings.NewReader("a\nb\n")).wantCounts(t, 422, 0, 0, 2)
	})
	t.Run("one good among bad ones of every sort", func(t *testing.T) {
		body := strings.Join([]string{`17`, `null`, `{}`, loginJSON("good"), strings.Replace(loginJSON("x"), appid, otherAppid, 1)}, "\n")
		r := s.post("logins", "application/x-ndjson", strings.NewReader(body))
		r.wantCounts(t, 202, 1, 0, 4)
		if s.count("unionlink_ingest_rejected_total", "login", schemas.RefusedNotAllowed) != 1 {
			t.Error("the rejection is not counted")
		}
	})
}

func cloudEventJSON(changes string) string {
	return `{"specversion":"1.0","id":"c1","source":"/shop","type":"unionlink.login.v1","time":"2026-11-22T10:00:00Z","datacontenttype":"application/json",` + changes + `}`
}

func TestCloudEvents(t *testing.T) {
	s := start(t, oneKey(), roomy)
	const one, batch = "application/cloudevents+json; charset=UTF-8", "application/cloudevents-batch+json"
	bare := `{"appid":"` + appid + `","openid":"o1"}`
	t.Run("id and time stand in", func(t *testing.T) {
		s.post("logins", one, strings.NewReader(cloudEventJSON(`"data":`+bare))).wantCounts(t, 202, 1, 0, 0)
		s.json("logins", loginJSON("c1")).wantCounts(t, 202, 0, 1, 0)
	})
	t.Run("in base64", func(t *testing.T) {
		data := base64.StdEncoding.EncodeToString([]byte(loginJSON("c1")))
		s.post("logins", one, strings.NewReader(cloudEventJSON(`"data_base64":"`+data+`"`))).wantCounts(t, 202, 0, 1, 0)
	})
	t.Run("a batch", func(t *testing.T) {
		body := "[" + strings.Join([]string{
			strings.Replace(cloudEventJSON(`"data":`+bare), `"c1"`, `"c2"`, 1),
			strings.Replace(cloudEventJSON(`"data":`+bare), `login.v1`, `purchase.v1`, 1),
			strings.Replace(cloudEventJSON(`"data":`+bare), `"1.0"`, `"0.3"`, 1),
			strings.Replace(cloudEventJSON(`"data":`+bare), `"/shop"`, `""`, 1),
			strings.Replace(cloudEventJSON(`"data":`+bare), `"c1"`, `7`, 1),
			cloudEventJSON(`"data":` + loginJSON("another")),
			cloudEventJSON(`"data":"text"`),
			cloudEventJSON(`"data_base64":"?"`),
		}, ",") + "]"
		r := s.post("logins", batch, strings.NewReader(body))
		r.wantCounts(t, 202, 1, 0, 7)
		for _, rejection := range r.Rejected {
			if rejection.Type != RejectedCloudEvent {
				t.Errorf("rejected as %+v", rejection)
			}
		}
	})
	t.Run("headers of binary mode may be there", func(t *testing.T) {
		s.json("logins", loginJSON("binary"), "ce-id", "else", "ce-specversion", "1.0").wantCounts(t, 202, 1, 0, 0)
	})
}

func TestDocuments(t *testing.T) {
	s := start(t, oneKey(), roomy)
	for path, want := range map[string]int{
		"/asyncapi.json": 200, "/schemas/v1/login.json": 200, "/schemas/v1/purchase.json": 200,
		"/schemas/v1/identity.json": 200, "/schemas/v1/other.json": 404,
	} {
		resp, err := http.Get(s.url + path)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestBodyThatNeverEnds(t *testing.T) {
	cfg := oneKey()
	cfg.ReadTimeout = 100 * time.Millisecond
	s := start(t, cfg, roomy)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /v1/events/logins HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{", secretKey)
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Errorf("got %q (%v)", answer, err)
	}
}

func TestEveryMetricMoves(t *testing.T) {
	s := start(t, oneKey(), roomy)
	s.json("logins", "["+loginJSON("m1")+","+loginJSON("m2")+","+loginJSON("m1")+",{}]").wantCounts(t, 202, 2, 1, 1)
	s.json("purchases", purchaseJSON()).wantCounts(t, 202, 1, 0, 0)
	s.json("logins", "no").wantProblem(t, 400, ProblemJSON)
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"unionlink_ingest_request_seconds", []string{"login", "202"}, 1},
		{"unionlink_ingest_request_seconds", []string{"login", "400"}, 1},
		{"unionlink_ingest_request_seconds", []string{"purchase", "202"}, 1},
		{"unionlink_ingest_rejected_total", []string{"login", schemas.RefusedMissing}, 1},
		{"unionlink_ingest_problems_total", []string{ProblemJSON}, 1},
		{"unionlink_ingest_events_total", []string{"login", "accepted"}, 2},
		{"unionlink_ingest_events_total", []string{"login", "duplicate"}, 1},
		{"unionlink_ingest_events_total", []string{"purchase", "accepted"}, 1},
		{"unionlink_ingest_batch_events", nil, 2},
		{"unionlink_ingest_publish_seconds", []string{"batch"}, 1},
		{"unionlink_ingest_publish_seconds", []string{"single"}, 1},
	} {
		if got := s.count(c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := start(t, oneKey(), roomy)
	must(t, s.committer.bytes.reserve(t.Context(), s.committer.bytes.max))
	s.json("logins", loginJSON("busy")).wantProblem(t, 503, ProblemBusy)
	if s.count("unionlink_ingest_publish_errors_total", "busy") != 1 || s.count("unionlink_ingest_problems_total", ProblemBusy) != 1 {
		t.Error("the refusal is not counted")
	}
	s.committer.bytes.release(s.committer.bytes.max)
	s.json("logins", loginJSON("busy")).wantCounts(t, 202, 1, 0, 0)
	if held := s.count("unionlink_ingest_inflight_bytes") + s.count("unionlink_ingest_body_bytes"); held != 0 {
		t.Errorf("%v bytes are still held", held)
	}
}
