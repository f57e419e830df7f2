package ingest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// hashPrefix marks a key that is configured by its hash.
const hashPrefix = "sha256:"

// keyRing holds the API keys, by their SHA-256 alone.
type keyRing struct{ keys []*apiKey }

type apiKey struct {
	name    string
	digest  [sha256.Size]byte
	appids  map[string]bool
	expires time.Time
	limit   *rate.Limiter // nil: no limit
	secret  []byte        // signs bodies; nil: they are not signed
}

// newKeyRing takes a configuration that has been validated.
func newKeyRing(cfg Config) *keyRing {
	ring := &keyRing{}
	for _, k := range cfg.Keys {
		key := &apiKey{name: k.Name, digest: keyDigest(k.Key), appids: make(map[string]bool, len(k.AppIDs)), expires: k.Expires}
		for _, a := range k.AppIDs {
			key.appids[a] = true
		}
		if k.EventsPerSecond > 0 {
			key.limit = rate.NewLimiter(rate.Limit(k.EventsPerSecond), orDefault(k.Burst, cfg.MaxEvents))
		}
		if k.SigningSecret != "" {
			key.secret, _ = signingSecret(k.SigningSecret) // validated
		}
		ring.keys = append(ring.keys, key)
	}
	return ring
}

func keyDigest(configured string) (digest [sha256.Size]byte) {
	if text, ok := strings.CutPrefix(configured, hashPrefix); ok {
		_, _ = hex.Decode(digest[:], []byte(text)) // validated
		return digest
	}
	return sha256.Sum256([]byte(configured))
}

// find compares the token with every key, so that its time tells nothing.
func (r *keyRing) find(token string) *apiKey {
	digest := sha256.Sum256([]byte(token))
	var found *apiKey
	for _, k := range r.keys {
		if subtle.ConstantTimeCompare(digest[:], k.digest[:]) == 1 {
			found = k
		}
	}
	return found
}

// authenticate returns the key that the request bears, or the problem to answer.
func (g *Ingest) authenticate(r *http.Request) (*apiKey, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		return nil, g.unauthorized(r, challengeMissing, "the header Authorization: Bearer <key> is needed")
	}
	key := g.keys.find(token)
	switch {
	case key == nil:
		return nil, g.unauthorized(r, challengeWrong, "the key is not known")
	case !key.expires.IsZero() && !g.now().Before(key.expires):
		return nil, g.unauthorized(r, challengeWrong, "the key has expired")
	}
	return key, nil
}

// unauthorized is 401, or 429 to a client that keeps trying.
func (g *Ingest) unauthorized(r *http.Request, challenge, detail string) *Problem {
	client := g.clients.of(r)
	if !g.failures.allow(client, g.now()) {
		return newProblem(http.StatusTooManyRequests, ProblemRateLimited, "too many requests without a valid key").after(time.Second)
	}
	g.log.Warn("request without a valid key", "client", client, "reason", detail)
	return newProblem(http.StatusUnauthorized, ProblemUnauthorized, "%s", detail).with("WWW-Authenticate", challenge)
}

// spend takes n events from the key's rate, or returns the problem to answer.
func (k *apiKey) spend(n int, now time.Time) error {
	if k.limit == nil || n <= 0 {
		return nil
	}
	r := k.limit.ReserveN(now, n)
	if !r.OK() {
		return newProblem(http.StatusRequestEntityTooLarge, ProblemTooManyEvents, "the key may send %d events at once", k.limit.Burst())
	}
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return newProblem(http.StatusTooManyRequests, ProblemRateLimited, "the key may send %g events a second",
			float64(k.limit.Limit())).after(max(wait, time.Second))
	}
	return nil
}
