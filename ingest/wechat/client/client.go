// Package client calls WeChat's server routes and reads what WeChat really sends:
// JSON under a wrong content type, raw control characters and broken UTF-8 inside
// names, numbers as strings, business errors under status 200.
//
// It promises that a call is repeated only where a repetition cannot do harm (a
// login code may be burnt even if the answer was lost), that every failure is an
// *Error or a *TransportError, and that no error holds a secret, a token or a code.
// It never caches: tokens are kept by package token.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// Config says where WeChat is. The zero value, after WithDefaults, is the real one.
type Config struct {
	// OpenURL is the base of the browser's pages. Default https://open.weixin.qq.com.
	OpenURL string `yaml:"open_url"`
	// APIURL is the base of the server routes. Default https://api.weixin.qq.com.
	APIURL string `yaml:"api_url"`
	// Timeout bounds one call, connect to last byte. Default 8 s: code exchanges
	// of 20 s are reported, but a browser's user has left by then.
	Timeout time.Duration `yaml:"timeout"`
	// Retries is how often a harmless call is repeated after a failure that may
	// pass. Default 2.
	Retries int `yaml:"retries"`
	// Backoff is the pause before the first repetition; it doubles. Default 200 ms.
	Backoff time.Duration `yaml:"backoff"`
}

// WithDefaults fills what is not set.
func (c Config) WithDefaults() Config {
	if c.OpenURL == "" {
		c.OpenURL = "https://open.weixin.qq.com"
	}
	if c.APIURL == "" {
		c.APIURL = "https://api.weixin.qq.com"
	}
	if c.Timeout == 0 {
		c.Timeout = 8 * time.Second
	}
	if c.Retries == 0 {
		c.Retries = 2
	}
	if c.Backoff == 0 {
		c.Backoff = 200 * time.Millisecond
	}
	return c
}

// Validate returns every fault, joined.
func (c Config) Validate() error {
	var faults []error
	for _, u := range []struct{ name, value string }{{"open_url", c.OpenURL}, {"api_url", c.APIURL}} {
		parsed, err := url.Parse(u.value)
		if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
			faults = append(faults, fmt.Errorf("%s: %q is not an http or https address", u.name, u.value))
		}
	}
	if c.Timeout < 0 || c.Backoff < 0 || c.Retries < 0 {
		faults = append(faults, errors.New("timeout, retries, backoff: are not negative"))
	}
	return errors.Join(faults...)
}

// Client is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
}

// New makes a client; it dials nothing. transport may be nil: a clone of the default one.
func New(cfg Config, transport http.RoundTripper) (*Client, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if transport == nil {
		shared := http.DefaultTransport.(*http.Transport).Clone()
		shared.MaxIdleConnsPerHost = 64
		transport = shared
	}
	return &Client{cfg: cfg, http: &http.Client{
		Transport: transport,
		// WeChat's server routes never redirect; following one would hand the secret on.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// maxReply bounds a reply. The longest, 10 000 openids, is 310 kB.
const maxReply = 4 << 20

// call is one request to a server route. op names it in errors and is its path.
type call struct {
	op    string
	query url.Values
	// body, if not nil, is posted as JSON.
	body any
	// harmless calls may be repeated: they change nothing, or the same thing again.
	harmless bool
}

// reply is a struct that embeds failure.
type reply interface {
	failed() (errcode int, errmsg string)
}

// do runs the call and returns its reply, decoded afresh at each try.
func do[T reply](ctx context.Context, c *Client, k call) (T, error) {
	pause := c.cfg.Backoff
	for try := 0; ; try++ {
		var answer T
		err := c.once(ctx, k, &answer)
		if err == nil {
			if code, msg := answer.failed(); code != 0 {
				err = newError(k.op, code, msg)
			}
		}
		if err == nil || try >= c.cfg.Retries || !mayRepeat(k, err) || !sleep(ctx, pause) {
			return answer, err
		}
		pause *= 2
	}
}

// sleep waits for about d, half of it random so that processes do not return in
// step. It returns false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + rand.N(d/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// mayRepeat tells whether the call may be made again after err. A call that never
// left this machine may always be; others only where they are harmless.
func mayRepeat(k call, err error) bool {
	var lost *TransportError
	if errors.As(err, &lost) {
		return !lost.Sent || k.harmless
	}
	var refused *Error
	return errors.As(err, &refused) && refused.Code == CodeBusy && k.harmless
}

func (c *Client) once(ctx context.Context, k call, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := c.request(ctx, k)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return transportError(k.op, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	switch {
	case err != nil:
		return transportError(k.op, err)
	case resp.StatusCode != http.StatusOK:
		return &TransportError{Op: k.op, Status: resp.StatusCode, Sent: true}
	case len(data) > maxReply:
		return &TransportError{Op: k.op, Status: resp.StatusCode, Sent: true, cause: errors.New("the reply is too long")}
	}
	if err := decode(data, out); err != nil {
		return &TransportError{Op: k.op, Status: resp.StatusCode, Sent: true, cause: errors.New("the reply is not the JSON that was expected")}
	}
	return nil
}

// unrepeatable is an empty body. net/http itself repeats a GET without a body when a
// kept connection breaks before the answer, which burns a code a second time and
// answers 40163; one with a body that it cannot rewind it does not repeat.
type unrepeatable struct{}

// Read is at the end.
func (unrepeatable) Read([]byte) (int, error) { return 0, io.EOF }

// Close has nothing to do.
func (unrepeatable) Close() error { return nil }

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	target := c.cfg.APIURL + k.op + "?" + k.query.Encode()
	if k.body == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return nil, fmt.Errorf("make request %s: the address is not valid", k.op)
		}
		if !k.harmless {
			req.Body = unrepeatable{}
		}
		return req, nil
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(k.body); err != nil {
		return nil, fmt.Errorf("encode request %s: %w", k.op, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, &body)
	if err != nil {
		return nil, fmt.Errorf("make request %s: the address is not valid", k.op)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	return req, nil
}
