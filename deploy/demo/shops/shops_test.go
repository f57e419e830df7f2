package shops

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/unionlink/unionlink/schemas"
)

// unionlink stands in for the three things that a shop asks of it; the real one is walked
// in deploy/browser.
type unionlink struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu       sync.Mutex
	taken    []*schemas.Purchase
	statuses []int // of the next answers to purchases; 202 when used up
}

func newUnionlink(t *testing.T) *unionlink {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	u := &unionlink{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}}
		_ = json.NewEncoder(w).Encode(keys)
	})
	mux.HandleFunc("POST /v1/events/purchases", u.purchase)
	mux.HandleFunc("GET /v1/identities/wx1/o1", text(`{"person_id":"p_1"}`))
	mux.HandleFunc("GET /v1/persons/p_1", text(`{"person_id":"p_1","keys":[{"space":"s","value":"u"}],"totals":[{"appid":"wx2","currency":"CNY","orders":1,"net":300}]}`))
	mux.HandleFunc("GET /v1/persons/p_1/purchases", text(`{"rows":[{"appid":"wx2","order_id":"A","amount":300,"currency":"CNY"}]}`))
	u.Server = httptest.NewServer(mux)
	t.Cleanup(u.Close)
	return u
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer analyst" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, body)
	}
}

func (u *unionlink) purchase(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	event, err := schemas.Decode(schemas.KindPurchase, body)
	status := http.StatusAccepted
	if len(u.statuses) > 0 {
		status, u.statuses = u.statuses[0], u.statuses[1:]
	}
	if err != nil || event.Validate() != nil || r.Header.Get("Authorization") != "Bearer ingest" {
		status = http.StatusUnprocessableEntity
	} else {
		u.taken = append(u.taken, event.(*schemas.Purchase))
	}
	w.WriteHeader(status)
}

// token signs claims over those of a good token.
func (u *unionlink) token(t *testing.T, changed jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": "unionlink", "aud": "wx1", "sub": "p_1", "openid": "o1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(claims, changed)
	unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	unsigned.Header["kid"] = "k1"
	signed, err := unsigned.SignedString(u.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// openShop serves two shops and answers with the origin of the first.
func openShop(t *testing.T, up *unionlink) string {
	t.Helper()
	open, err := Open(Config{Beside: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Shops: []Shop{
		{AppID: "wx1", Name: "One 一", Kind: schemas.AccountKindOfficial, Currency: "CNY", Products: []Product{{SKU: "tea", Name: "Tea", Category: "tea", Price: 1250}}},
		{AppID: "wx2", Name: "Two 二", Kind: schemas.AccountKindWebsite, Currency: "CNY"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- open.Run(ctx, Upstream{URL: up.URL, IngestKey: "ingest", AnalystToken: "analyst"}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := open.Close(); err != nil {
			t.Errorf("close after the end: %v", err)
		}
	})
	return open.Origins()[0]
}

// ask sends a request and answers with status and body.
func ask(t *testing.T, method, url, token, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultTransport.RoundTrip(req) // without following redirects
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answered, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answered)
}

func TestShop(t *testing.T) {
	up := newUnionlink(t)
	origin := openShop(t, up)

	t.Run("only_a_good_token_of_this_account_is_let_in", func(t *testing.T) {
		stranger := newUnionlink(t)
		for name, token := range map[string]string{
			"none": "", "garbage": "a.b.c", "of another account": up.token(t, jwt.MapClaims{"aud": "wx2"}),
			"ended": up.token(t, jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}), "of another issuer": up.token(t, jwt.MapClaims{"iss": "other"}),
			"without an openid": up.token(t, jwt.MapClaims{"openid": ""}), "signed by a stranger": stranger.token(t, nil),
		} {
			if resp, _ := ask(t, http.MethodGet, origin+"/api/me", token, ""); resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("a token %s: %s", name, resp.Status)
			}
			if resp, _ := ask(t, http.MethodPost, origin+"/api/orders", token, `{"sku":"tea","quantity":1}`); resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("an order with a token %s: %s", name, resp.Status)
			}
		}
	})
	t.Run("a_visitor_sees_their_person", func(t *testing.T) {
		resp, body := ask(t, http.MethodGet, origin+"/api/me", up.token(t, nil), "")
		var p person
		if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %v", resp.Status, body, err)
		}
		if p.PersonID != "p_1" || len(p.Keys) != 1 || len(p.Totals) != 1 || p.Totals[0].Net != 300 || len(p.Orders) != 1 {
			t.Errorf("%+v", p)
		}
	})
	t.Run("who_is_not_counted_yet_sees_nothing", func(t *testing.T) {
		resp, body := ask(t, http.MethodGet, origin+"/api/me", up.token(t, jwt.MapClaims{"openid": "o9"}), "")
		if want := `{"person_id":"","keys":[],"totals":[],"orders":[]}` + "\n"; resp.StatusCode != http.StatusOK || body != want {
			t.Errorf("%s %s", resp.Status, body)
		}
	})
	t.Run("an_order_costs_what_the_shelf_says_and_is_sent_again_as_it_is", func(t *testing.T) {
		up.statuses = []int{http.StatusServiceUnavailable}
		resp, body := ask(t, http.MethodPost, origin+"/api/orders", up.token(t, nil), `{"sku":"tea","quantity":2}`)
		if resp.StatusCode != http.StatusCreated || !strings.Contains(body, `"amount":2500`) {
			t.Fatalf("%s %s", resp.Status, body)
		}
		if len(up.taken) != 2 || up.taken[0].Digest() != up.taken[1].Digest() {
			t.Fatalf("%d purchases, which must be one sent twice", len(up.taken))
		}
		if p := up.taken[0]; p.AppID != "wx1" || p.OpenID != "o1" || p.Amount != 2500 || p.Items[0].Quantity != 2 {
			t.Errorf("%+v", p)
		}
	})
	t.Run("what_is_not_on_the_shelf_is_not_sold", func(t *testing.T) {
		for body, want := range map[string]int{
			`{"sku":"gold","quantity":1}`: 422, `{"sku":"tea","quantity":0}`: 422, `{"sku":"tea","quantity":10}`: 422, `{"sku":"tea","quantity":-1}`: 422,
			`{"sku":"tea","quantity":1,"price":1}`: 400, `[]`: 400, ``: 400,
		} {
			if resp, _ := ask(t, http.MethodPost, origin+"/api/orders", up.token(t, nil), body); resp.StatusCode != want {
				t.Errorf("%s: %s", body, resp.Status)
			}
		}
	})
	t.Run("a_refused_purchase_is_told", func(t *testing.T) {
		up.statuses = []int{http.StatusUnprocessableEntity}
		if resp, _ := ask(t, http.MethodPost, origin+"/api/orders", up.token(t, nil), `{"sku":"tea","quantity":1}`); resp.StatusCode != http.StatusServiceUnavailable {
			t.Error(resp.Status)
		}
	})
}

func TestPage(t *testing.T) {
	origin := openShop(t, newUnionlink(t))

	t.Run("it_speaks_both_languages", func(t *testing.T) {
		for query, want := range map[string]string{"": `lang="zh-CN"`, "?lang=en": `<html lang="en">`, "?lang=zh": `<html lang="zh-CN">`} {
			resp, body := ask(t, http.MethodGet, origin+"/"+query, "", "")
			if resp.StatusCode != http.StatusOK || !strings.Contains(body, want) || !strings.Contains(body, "¥12.50") {
				t.Errorf("%q: %s\n%s", query, resp.Status, body)
			}
			if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self' http://127.0.0.1:") || strings.Contains(csp, "unsafe") {
				t.Errorf("policy %q", csp)
			}
		}
	})
	t.Run("another_name_of_the_address_leads_home", func(t *testing.T) {
		resp, _ := ask(t, http.MethodGet, strings.Replace(origin, "127.0.0.1", "localhost", 1)+"/?lang=en", "", "")
		if resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != origin+"/?lang=en" {
			t.Errorf("%s to %s", resp.Status, resp.Header.Get("Location"))
		}
	})
	t.Run("both_languages_say_the_same_things", func(t *testing.T) {
		if zh, en := slices.Sorted(maps.Keys(texts["zh"])), slices.Sorted(maps.Keys(texts["en"])); !slices.Equal(zh, en) {
			t.Errorf("zh has %v\nen has %v", zh, en)
		}
	})
}

func TestPrice(t *testing.T) {
	for _, c := range []struct {
		amount   int64
		currency string
		want     string
	}{{1250, "CNY", "¥12.50"}, {5, "CNY", "¥0.05"}, {1250, "JPY", "1250 JPY"}, {1250, "USD", "12.50 USD"}} {
		if got := price(c.amount, c.currency); got != c.want {
			t.Errorf("%d %s: %q, want %q", c.amount, c.currency, got, c.want)
		}
	}
}

func TestOpen(t *testing.T) {
	for _, beside := range []string{"", "127.0.0.1", "127.0.0.1:http"} {
		if _, err := Open(Config{Beside: beside}); err == nil {
			t.Errorf("%q is taken for an address", beside)
		}
	}
}
