package session

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
)

// published fetches the keys as a back end does.
func published(t *testing.T, s *Signer) jose.JSONWebKeySet {
	t.Helper()
	w := httptest.NewRecorder()
	s.JWKS(w, httptest.NewRequestWithContext(t.Context(), "GET", "/.well-known/jwks.json", nil))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err, w.Body)
	}
	for _, k := range set.Keys {
		if !k.IsPublic() {
			t.Fatal("a private key is published")
		}
	}
	return set
}

// check verifies a token by published keys and returns its claims.
func check(t *testing.T, set jose.JSONWebKeySet, token string, now time.Time) (jwt.MapClaims, error) {
	t.Helper()
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(tok *jwt.Token) (any, error) {
		found := set.Key(tok.Header["kid"].(string))
		if len(found) != 1 {
			t.Fatalf("key of the token is published %d times", len(found))
		}
		return found[0].Key, nil
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(func() time.Time { return now }))
	return claims, err
}

func TestSigner(t *testing.T) {
	nc, err := nats.Connect(embeddedtest.StartNATS(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	signer := func() *Signer {
		s, err := New(Config{}, js, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := signer(), signer()

	tok, err := one.Sign(t.Context(), Claims{AppID: "wx1", PersonID: "p_1", OpenID: "oA"})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := check(t, published(t, two), tok, now)
	if err != nil {
		t.Fatal("another process does not know the key:", err)
	}
	if claims["aud"] != "wx1" || claims["sub"] != "p_1" || claims["openid"] != "oA" || claims["iss"] != "unionlink" {
		t.Fatal(claims)
	}
	if _, err := check(t, published(t, two), tok, now.Add(25*time.Hour)); err == nil {
		t.Fatal("a token of yesterday is good")
	}

	// Two months, hour by hour: every token signed by one process is good by the keys
	// that the other published an hour before, until it ends.
	first := published(t, one).Keys[0].KeyID
	before := published(t, two)
	type signed struct {
		token string
		at    time.Time
	}
	var alive []signed
	for range 60 * 24 {
		now = now.Add(time.Hour)
		tok, err := one.Sign(t.Context(), Claims{AppID: "wx1", PersonID: "p_1", OpenID: "oA"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := check(t, before, tok, now); err != nil {
			t.Fatal(err)
		}
		before = published(t, two)
		alive = append(alive, signed{tok, now})
		if oldest := alive[0]; now.Sub(oldest.at) >= 23*time.Hour {
			if _, err := check(t, before, oldest.token, now); err != nil {
				t.Fatal(err)
			}
			alive = alive[1:]
		}
	}
	if len(before.Keys) > 2 || len(before.Key(first)) != 0 {
		t.Fatalf("%d keys are published after two months", len(before.Keys))
	}
}
