package ingest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hashPrefix + hex.EncodeToString(sum[:])
}

func TestKeys(t *testing.T) {
	cfg := Config{Keys: []Key{
		{Name: "plain", Key: secretKey, AppIDs: []string{appid}},
		{Name: "hashed", Key: sha("another-key"), AppIDs: []string{appid, otherAppid}},
		{Name: "expired", Key: "old-key", AppIDs: []string{appid}, Expires: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)},
		{Name: "expiring", Key: "new-key", AppIDs: []string{appid}, Expires: time.Date(2026, 11, 22, 12, 0, 0, 1, time.UTC)},
	}}
	s := start(t, cfg, roomy)
	for _, c := range []struct {
		name, authorization string
		status              int
	}{
		{"a plain key", "Bearer " + secretKey, 202},
		{"a hashed key, scheme in small letters", "bearer another-key", 202},
		{"a key about to expire", "Bearer new-key", 202},
		{"no header", "", 401},
		{"no key", "Bearer ", 401},
		{"a wrong key", "Bearer wrong", 401},
		{"a wrong scheme", "Basic " + secretKey, 401},
		{"an expired key", "Bearer old-key", 401},
		{"the hash instead of the key", "Bearer " + sha("another-key"), 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := (&stack{t: t, url: s.url}).json("logins", loginJSON("k"), "Authorization", c.authorization)
			if r.status != c.status {
				t.Fatalf("got %d %s, want %d", r.status, r.Detail, c.status)
			}
			if c.status == 401 {
				r.wantProblem(t, 401, ProblemUnauthorized)
				if !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer ") {
					t.Errorf("WWW-Authenticate is %q", r.header.Get("WWW-Authenticate"))
				}
			}
		})
	}
	t.Run("a key of two accounts", func(t *testing.T) {
		body := strings.Replace(loginJSON("two"), appid, otherAppid, 1)
		s.json("logins", body, "Authorization", "Bearer another-key").wantCounts(t, 202, 1, 0, 0)
	})
	t.Run("who keeps trying is slowed down, a valid key is not", func(t *testing.T) {
		var last reply
		for range failuresBurst + 1 {
			last = s.json("logins", loginJSON("k"), "Authorization", "Bearer guess")
		}
		last.wantProblem(t, 429, ProblemRateLimited)
		s.json("logins", loginJSON("k")).wantCounts(t, 202, 0, 1, 0)
	})
}

func TestRate(t *testing.T) {
	cfg := oneKey()
	cfg.Keys[0].EventsPerSecond, cfg.Keys[0].Burst = 2, 5
	s := start(t, cfg, roomy)
	s.json("logins", "["+loginJSON("1")+","+loginJSON("2")+","+loginJSON("3")+","+loginJSON("4")+"]").wantCounts(t, 202, 4, 0, 0)
	r := s.json("logins", "["+loginJSON("5")+","+loginJSON("6")+"]")
	r.wantProblem(t, 429, ProblemRateLimited)
	if r.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
	}
	s.now = s.now.Add(time.Minute)
	s.json("logins", "["+loginJSON("5")+","+loginJSON("6")+"]").wantCounts(t, 202, 2, 0, 0)
	s.now = s.now.Add(time.Minute)
	s.json("logins", "["+strings.Repeat(loginJSON("7")+",", 7)+loginJSON("8")+"]").wantProblem(t, 413, ProblemTooManyEvents)
}

func sign(secret []byte, id string, at time.Time, body string) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestSignature(t *testing.T) {
	secret := []byte("0123456789abcdef01234567")
	cfg := oneKey()
	cfg.Keys[0].SigningSecret = "whsec_" + base64.StdEncoding.EncodeToString(secret)
	s := start(t, cfg, roomy)
	body := loginJSON("signed")
	send := func(t *testing.T, body, id string, at time.Time, signature string) reply {
		return (&stack{t: t, url: s.url}).json("logins", body, "webhook-id", id, "webhook-timestamp", strconv.FormatInt(at.Unix(), 10), "webhook-signature", signature)
	}
	good := sign(secret, "m1", s.now, body)
	t.Run("right", func(t *testing.T) { send(t, body, "m1", s.now, good).wantCounts(t, 202, 1, 0, 0) })
	t.Run("right beside an older secret's", func(t *testing.T) {
		send(t, body, "m1", s.now, sign([]byte("old"), "m1", s.now, body)+" v1a,xx "+good).wantCounts(t, 202, 0, 1, 0)
	})
	t.Run("over the body as sent, in lines with a tail", func(t *testing.T) {
		long := body + strings.Repeat("\n", 100_000)
		r := s.post("logins", "application/x-ndjson", strings.NewReader(long), "webhook-id", "m2",
			"webhook-timestamp", strconv.FormatInt(s.now.Unix(), 10), "webhook-signature", sign(secret, "m2", s.now, long))
		r.wantCounts(t, 202, 0, 1, 0)
	})
	late := s.now.Add(-6 * time.Minute)
	for name, bad := range map[string]func(t *testing.T) reply{
		"of another body":   func(t *testing.T) reply { return send(t, loginJSON("forged"), "m1", s.now, good) },
		"of another id":     func(t *testing.T) reply { return send(t, body, "m3", s.now, good) },
		"of another secret": func(t *testing.T) reply { return send(t, body, "m1", s.now, sign([]byte("x"), "m1", s.now, body)) },
		"six minutes old":   func(t *testing.T) reply { return send(t, body, "m1", late, sign(secret, "m1", late, body)) },
		"no base64":         func(t *testing.T) reply { return send(t, body, "m1", s.now, "v1,?") },
		"absent":            func(t *testing.T) reply { return (&stack{t: t, url: s.url}).json("logins", body) },
		"with a bad time": func(t *testing.T) reply {
			return (&stack{t: t, url: s.url}).json("logins", body, "webhook-id", "m1", "webhook-timestamp", "noon", "webhook-signature", good)
		},
	} {
		t.Run(name, func(t *testing.T) { bad(t).wantProblem(t, 401, ProblemSignature) })
	}
	if n := s.stored(); n != 1 {
		t.Errorf("%d events are stored, want the signed one alone", n)
	}
}

func TestClientAddress(t *testing.T) {
	c := newClientAddress([]string{"10.0.0.0/8", "fd00::/8"})
	for _, x := range []struct{ name, peer, forwarded, want string }{
		{"straight", "203.0.113.7:5000", "", "203.0.113.7"},
		{"a stranger's header is not believed", "203.0.113.7:5000", "198.51.100.1", "203.0.113.7"},
		{"through a proxy", "10.0.0.1:5000", "203.0.113.7", "203.0.113.7"},
		{"through two proxies, with a forged first hop", "10.0.0.1:5000", "198.51.100.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"},
		{"through a proxy that says nothing", "10.0.0.1:5000", "", "10.0.0.1"},
		{"through a proxy that says nonsense", "10.0.0.1:5000", "203.0.113.7, unknown", "10.0.0.1"},
		{"IPv6 counts by its /64", "[2001:db8::1:2]:5000", "", "2001:db8::/64"},
		{"IPv4 in IPv6", "[::ffff:203.0.113.7]:5000", "", "203.0.113.7"},
		{"a Unix socket", "@", "", ""},
	} {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil)
		r.RemoteAddr = x.peer
		if x.forwarded != "" {
			r.Header.Set("X-Forwarded-For", x.forwarded)
		}
		if got := c.of(r); got != x.want {
			t.Errorf("%s: got %q, want %q", x.name, got, x.want)
		}
	}
}

func TestFailureLimitForgets(t *testing.T) {
	f, now := newFailureLimit(), time.Now()
	for i := range maxFailureClients + 10 {
		f.allow(strconv.Itoa(i), now)
	}
	if n := len(f.clients); n > maxFailureClients {
		t.Errorf("%d clients are remembered", n)
	}
}
