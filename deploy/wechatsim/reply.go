package wechatsim

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds what a request may carry.
const maxBody = 1 << 20

// call is one request to a route that answers in WeChat's JSON.
type call struct {
	path, method, url, ip string
	query                 url.Values
	body                  []byte
	now                   time.Time
}

// operation answers a call. It runs under the simulator's lock, and what it answers shares nothing with the world.
type operation func(w *world, c *call) (any, *wxError)

// api serves an operation as WeChat does: HTTP 200, whatever the outcome.
func (s *Simulator) api(op operation) http.Handler {
	return s.faulty(s.answerErrcode, func(rw http.ResponseWriter, r *http.Request) {
		c, err := s.newCall(rw, r)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		s.mu.Lock()
		answer, failure := op(s.world, c)
		s.mu.Unlock()
		s.answer(rw, c, answer, failure)
	})
}

// only refuses other methods with WeChat's errcodes for them.
func only(method string, op operation) operation {
	return func(w *world, c *call) (any, *wxError) {
		if c.method == method {
			return op(w, c)
		}
		if method == http.MethodGet {
			return nil, fail(codeRequireGET)
		}
		return nil, fail(codeRequirePOST)
	}
}

func (s *Simulator) newCall(rw http.ResponseWriter, r *http.Request) (*call, error) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	return &call{
		path: r.URL.Path, method: r.Method, url: r.URL.String(), ip: ip, query: r.URL.Query(), body: body, now: s.clock.now(),
	}, nil
}

// answerErrcode is the answer of a fault that was set.
func (s *Simulator) answerErrcode(rw http.ResponseWriter, r *http.Request, code int) {
	c := &call{path: r.URL.Path, method: r.Method, url: r.URL.String(), query: r.URL.Query(), now: s.clock.now()}
	s.answer(rw, c, nil, fail(code))
}

type errorAnswer struct {
	Errcode int    `json:"errcode"`
	Errmsg  string `json:"errmsg"`
}

func (s *Simulator) answer(rw http.ResponseWriter, c *call, answer any, failure *wxError) {
	s.mu.Lock()
	knobs := s.world.knobs
	if failure != nil {
		rid := s.world.mint.rid(c.now.Unix())
		answer = errorAnswer{failure.code, failure.msg + errmsgTail(knobs.RID, rid)}
		body := encodeJSON(answer, &knobs)
		s.world.requests.add(loggedRequest{
			RID: rid, InvokeTime: c.now.Unix(), RequestURL: c.url, RequestBody: string(c.body),
			ResponseBody: string(body), ClientIP: c.ip,
		})
	}
	s.mu.Unlock()
	rw.Header()["Content-Type"] = nil // or net/http would guess one
	if knobs.ContentType != "" {
		rw.Header().Set("Content-Type", knobs.ContentType)
	}
	_, _ = rw.Write(encodeJSON(answer, &knobs)) // the caller has hung up; nothing is left to tell it
}

func errmsgTail(style, rid string) string {
	switch style {
	case "comma":
		return ", rid: " + rid
	case "space":
		return " rid: " + rid
	case "hints":
		return ", hints: [ req_id: " + hex.EncodeToString([]byte(rid[:4])) + " ]"
	}
	return ""
}

// Marks that stand for bytes no JSON encoder writes; encodeJSON puts the bytes in.
const (
	markControl = "\x14"
	markInvalid = "\x15"
)

func spoil(nickname, how string) string {
	switch how {
	case "control":
		return nickname + markControl
	case "invalid_utf8":
		return nickname + markInvalid
	case "emoji":
		return nickname + "\ue13c"
	}
	return nickname
}

// encodeJSON writes the value as WeChat would, oddities included. It panics on values that are not JSON: all are
// structs of this package.
func encodeJSON(v any, knobs *Knobs) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("wechatsim: encode answer: " + err.Error())
	}
	out := bytes.TrimRight(buf.Bytes(), "\n")
	if knobs.EscapeSlashes {
		out = bytes.ReplaceAll(out, []byte("/"), []byte(`\/`))
	}
	switch knobs.Nickname {
	case "control":
		out = bytes.ReplaceAll(out, []byte(`\u0014`), []byte(markControl))
	case "invalid_utf8":
		out = bytes.ReplaceAll(out, []byte(`\u0015`), []byte{0xff})
	}
	return out
}

// decodeBody reads a JSON body the way WeChat's POST routes do.
func decodeBody(c *call, into any) *wxError {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return fail(codeEmptyBody)
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		return fail(codeDataFormat)
	}
	return nil
}

// loggedRequest is what rid/get tells of a failed request.
type loggedRequest struct {
	RID          string `json:"-"`
	InvokeTime   int64  `json:"invoke_time"`
	CostInMS     int64  `json:"cost_in_ms"`
	RequestURL   string `json:"request_url"`
	RequestBody  string `json:"request_body"`
	ResponseBody string `json:"response_body"`
	ClientIP     string `json:"client_ip"`
}

// requestLog keeps the latest failed requests.
type requestLog struct {
	ring [4096]loggedRequest
	next int
}

func (l *requestLog) add(r loggedRequest) {
	l.ring[l.next%len(l.ring)] = r
	l.next++
}

func (l *requestLog) find(rid string) (loggedRequest, bool) {
	rid = strings.TrimSpace(rid)
	for i := range l.ring {
		if rid != "" && l.ring[i].RID == rid {
			return l.ring[i], true
		}
	}
	return loggedRequest{}, false
}
