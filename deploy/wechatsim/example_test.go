package wechatsim_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"

	"github.com/unionlink/unionlink/deploy/wechatsim"
)

// simulated sends what is meant for WeChat's hosts to the simulator. An SDK that takes an http.Client, but no base
// URL, is pointed at it so.
type simulated struct{ host string }

func (s simulated) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if strings.HasSuffix(r.URL.Host, ".weixin.qq.com") {
		r.URL.Scheme, r.URL.Host = "http", s.host
	}
	return http.DefaultTransport.RoundTrip(r)
}

func ExampleSimulator_Handler() {
	sim, err := wechatsim.New(wechatsim.DefaultConfig(), wechatsim.Deps{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(sim.Handler())
	defer server.Close()
	client := &http.Client{Transport: simulated{strings.TrimPrefix(server.URL, "http://")}}

	minted, err := client.Post(server.URL+"/_sim/codes", "application/json",
		strings.NewReader(`{"appid":"wx51a0000000000001","user":"u1","scope":"snsapi_base"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer minted.Body.Close()
	body, err := io.ReadAll(minted.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	code := regexp.MustCompile(`0[0-9a-zA-Z]{31}`).Find(body)

	exchanged, err := client.Get("https://api.weixin.qq.com/sns/oauth2/access_token?" + url.Values{
		"appid": {"wx51a0000000000001"}, "secret": {"simulated-secret-1"}, "code": {string(code)}, "grant_type": {"authorization_code"},
	}.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer exchanged.Body.Close()
	body, err = io.ReadAll(exchanged.Body)
	fmt.Println(exchanged.StatusCode, err, regexp.MustCompile(`"openid":"[^"]+"`).FindString(string(body)))
	// Output: 200 <nil> "openid":"oRDNNf_5zUMfUZ4BBRfnxvsKtZOr"
}
