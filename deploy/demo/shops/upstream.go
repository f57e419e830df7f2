package shops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/unionlink/unionlink/schemas"
)

// upstream is what the shops' back ends ask of unionlink. It is safe for concurrent use.
type upstream struct {
	Upstream
	client *http.Client
	keys   oidc.KeySet
}

// newUpstream dials nothing. ctx bounds the fetching of public keys.
func newUpstream(ctx context.Context, up Upstream) *upstream {
	client := &http.Client{Timeout: 20 * time.Second}
	return &upstream{Upstream: up, client: client, keys: oidc.NewRemoteKeySet(oidc.ClientContext(ctx, client), up.URL+"/.well-known/jwks.json")}
}

// visitor is who a session token names.
type visitor struct{ OpenID string }

// issuer is the iss of unionlink's session tokens.
const issuer = "unionlink"

// verify checks a session token: signed by unionlink, for this account, not ended.
func (u *upstream) verify(ctx context.Context, token, appid string) (visitor, error) {
	rules := oidc.Config{ClientID: appid, SupportedSigningAlgs: []string{oidc.ES256}}
	checked, err := oidc.NewVerifier(issuer, u.keys, &rules).Verify(ctx, token)
	if err != nil {
		return visitor{}, fmt.Errorf("verify the session token: %w", err)
	}
	var claims struct {
		OpenID string `json:"openid"`
	}
	if err := checked.Claims(&claims); err != nil {
		return visitor{}, fmt.Errorf("read the session token: %w", err)
	}
	if claims.OpenID == "" {
		return visitor{}, errors.New("read the session token: it names no openid")
	}
	return visitor(claims), nil
}

// publishTries is how often a purchase is sent before the visitor is told to try again.
const publishTries = 4

// publish returns nil once the purchase is on stable storage. Only the very same event is
// sent again, so a lost answer never makes a second order.
func (u *upstream) publish(ctx context.Context, p *schemas.Purchase) error {
	body, err := schemas.Encode(p)
	if err != nil {
		return fmt.Errorf("encode the purchase: %w", err)
	}
	for try := 1; ; try++ {
		wait, err := u.send(ctx, body)
		if err == nil || wait == 0 || try == publishTries {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(wait):
		}
	}
}

// send posts the purchase once. After a failure that may pass it returns how long to wait.
func (u *upstream) send(ctx context.Context, body []byte) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.URL+"/v1/events/purchases", bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("publish the purchase: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+u.IngestKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := u.client.Do(req)
	if err != nil {
		return time.Second, fmt.Errorf("publish the purchase: %w", err)
	}
	defer drain(resp)
	switch resp.StatusCode {
	case http.StatusAccepted:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // absent or odd: a second
		return time.Duration(max(seconds, 1)) * time.Second, fmt.Errorf("publish the purchase: %s", resp.Status)
	}
	return 0, fmt.Errorf("publish the purchase: %s", resp.Status)
}

// person is what the page shows of one: the analysts' answer, and the latest orders.
type person struct {
	PersonID string        `json:"person_id"`
	Keys     []schemas.Key `json:"keys"`
	Totals   []total       `json:"totals"`
	Orders   []order       `json:"orders"`
}

// total is what a person bought in one account. Amounts are in the currency's minor unit.
type total struct {
	AppID    string `json:"appid"`
	Currency string `json:"currency"`
	Orders   int64  `json:"orders"`
	Net      int64  `json:"net"`
}

type order struct {
	AppID      string    `json:"appid"`
	OrderID    string    `json:"order_id"`
	Amount     int64     `json:"amount"`
	Currency   string    `json:"currency"`
	OccurredAt time.Time `json:"occurred_at"`
	Items      []struct {
		Name string `json:"name"`
	} `json:"items"`
}

// errUnknown says that the analysts' API does not know what is asked for, or not yet.
var errUnknown = errors.New("not known")

// person asks the analysts' API who is behind an identity, and what they bought.
func (u *upstream) person(ctx context.Context, appid, openid string) (*person, error) {
	p := &person{}
	if err := u.ask(ctx, "/v1/identities/"+url.PathEscape(appid)+"/"+url.PathEscape(openid), p); err != nil {
		return nil, err
	}
	path := "/v1/persons/" + url.PathEscape(p.PersonID)
	if err := u.ask(ctx, path, p); err != nil {
		return nil, err
	}
	var latest struct {
		Rows []order `json:"rows"`
	}
	if err := u.ask(ctx, path+"/purchases?limit=5", &latest); err != nil {
		return nil, err
	}
	p.Orders = latest.Rows
	return p, nil
}

// ask reads an answer of the analysts' API.
func (u *upstream) ask(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.URL+path, nil)
	if err != nil {
		return fmt.Errorf("ask the analysts' api: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+u.AnalystToken)
	resp, err := u.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the analysts' api: %w", err)
	}
	defer drain(resp)
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return errUnknown
	default:
		return fmt.Errorf("ask the analysts' api: %s", resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the analysts' api's answer: %w", err)
	}
	return nil
}

// drain lets the connection be used again.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // what fails here fails the next request
	_ = resp.Body.Close()
}
