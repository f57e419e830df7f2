package wechatsim

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// paidBench is a simulator whose merchant has a receiver, and the key to check what it gets.
func paidBench(t *testing.T, answer func(int, http.ResponseWriter)) (*bench, *receiver, *rsa.PublicKey) {
	t.Helper()
	b, rec := newBench(t, nil), newReceiver(t, answer)
	b.run()
	b.admin("POST", "/_sim/merchants", fmt.Sprintf(`{"mchid":%q,"apiv3_key":%q,"notify_url":%q}`, mch, apiV3, rec.URL))
	key := b.admin("GET", "/_sim/merchants/"+mch+"/public_key", "")
	public, err := parsePublicKey(key["pem"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return b, rec, public
}

func verifyPay(key *rsa.PublicKey, h http.Header, body string) error {
	signature, err := base64.StdEncoding.DecodeString(h.Get("Wechatpay-Signature"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(h.Get("Wechatpay-Timestamp") + "\n" + h.Get("Wechatpay-Nonce") + "\n" + body + "\n"))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature)
}

func unseal(t *testing.T, box map[string]any) map[string]any {
	t.Helper()
	block, err := aes.NewCipher([]byte(apiV3))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(box["ciphertext"].(string))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, []byte(box["nonce"].(string)), text, []byte(box["associated_data"].(string)))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(plain))
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

const payFor = `{"mchid":"` + mch + `","appid":"` + shop + `","user":"u1","amount":12345,"out_trade_no":"A-1","attach":"table 7"`

func TestPaymentNotification(t *testing.T) {
	b, rec, key := paidBench(t, func(n int, rw http.ResponseWriter) { rw.WriteHeader(http.StatusNoContent) })
	paid := b.admin("POST", "/_sim/payments", payFor+"}")
	b.settled()
	got := rec.all()[0]
	if err := verifyPay(key, got.header, got.body); err != nil {
		t.Errorf("signature: %v", err)
	}
	if !strings.HasPrefix(got.header.Get("Wechatpay-Serial"), "PUB_KEY_ID_") || got.header.Get("Wechatpay-Timestamp") != fmt.Sprint(testStart.Unix()) {
		t.Errorf("headers: %v", got.header)
	}
	body := parse(t, got.body)
	if body["event_type"] != "TRANSACTION.SUCCESS" || !strings.HasPrefix(body["id"].(string), "EV-") {
		t.Errorf("body: %v", body)
	}
	box := body["resource"].(map[string]any)
	if box["algorithm"] != payAlgorithm || len(box["nonce"].(string)) != 12 || box["original_type"] != "transaction" {
		t.Errorf("resource: %v", box)
	}
	transaction := unseal(t, box)
	amount, payer := transaction["amount"].(map[string]any), transaction["payer"].(map[string]any)
	if amount["total"] != 12345.0 || payer["openid"] != b.openid("u1", shop) || transaction["attach"] != "table 7" ||
		transaction["transaction_id"] != paid["transaction_id"] || len(paid["transaction_id"].(string)) != 28 || transaction["success_time"] != "2026-11-22T10:00:00+08:00" {
		t.Errorf("transaction: %v", transaction)
	}
	t.Run("a refund names neither appid nor openid", func(t *testing.T) {
		b.admin("POST", "/_sim/refunds", `{"mchid":"`+mch+`","out_trade_no":"A-1","amount":345}`)
		b.settled()
		body := parse(t, rec.all()[1].body)
		refund := unseal(t, body["resource"].(map[string]any))
		if body["event_type"] != "REFUND.SUCCESS" || refund["appid"] != nil || refund["payer"] != nil ||
			refund["transaction_id"] != paid["transaction_id"] || refund["amount"].(map[string]any)["refund"] != 345.0 {
			t.Errorf("%v %v", body, refund)
		}
	})
	t.Run("what cannot be is refused", func(t *testing.T) {
		for body, want := range map[string]int{
			`/_sim/payments ` + payFor + "}": 409,
			`/_sim/payments {"mchid":"x"}`:   404,
			`/_sim/payments {"mchid":"` + mch + `","appid":"` + shop + `","user":"u1","amount":0}`:               400,
			`/_sim/payments {"mchid":"` + mch + `","appid":"` + shop + `","user":"nobody","amount":1}`:           404,
			`/_sim/payments {"mchid":"` + mch + `","appid":"` + shop + `","user":"u1","amount":1,"probes":true}`: 400,
			`/_sim/refunds {"mchid":"` + mch + `","out_trade_no":"A-1","amount":12001}`:                          400,
			`/_sim/refunds {"mchid":"` + mch + `","out_trade_no":"A-2","amount":1}`:                              404,
			`/_sim/refunds {"mchid":"` + mch + `","out_trade_no":"A-1","amount":1,"status":"SOON"}`:              400,
		} {
			path, order, _ := strings.Cut(body, " ")
			if resp, answer := b.send("POST", path, order); resp.StatusCode != want {
				t.Errorf("%s: %d %s", body, resp.StatusCode, answer)
			}
		}
	})
}

func TestNotificationsProbeDuplicateAndRepeat(t *testing.T) {
	var key *rsa.PublicKey
	var rec *receiver
	b, rec, key := paidBench(t, func(n int, rw http.ResponseWriter) {
		if got := rec.all()[n]; verifyPay(key, got.header, got.body) != nil {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	})
	b.admin("POST", "/_sim/payments", payFor+`,"probe":true,"duplicates":1}`)
	list := b.settled()
	if len(list) != 3 || list[0].Event != "SIGNTEST" || list[0].State != stateDelivered || list[2].State != stateDelivered {
		t.Errorf("deliveries: %+v", list)
	}
	probes := 0
	for _, got := range rec.all() {
		if strings.HasPrefix(got.header.Get("Wechatpay-Signature"), probePrefix) {
			probes++
		}
		if got.body != rec.all()[0].body {
			t.Error("a duplicate is another notification")
		}
	}
	if probes != 1 || len(rec.all()) != 3 {
		t.Errorf("%d probes in %d", probes, len(rec.all()))
	}
}

func TestPaymentSchedule(t *testing.T) {
	t.Run("fifteen repetitions over 24 hours and 4 minutes", func(t *testing.T) {
		var total time.Duration
		for _, wait := range paySchedule {
			total += wait
		}
		if len(paySchedule) != 15 || total != 24*time.Hour+4*time.Minute {
			t.Errorf("%d waits, %v", len(paySchedule), total)
		}
	})
	t.Run("each comes when its time has come, and no sooner", func(t *testing.T) {
		b, rec, _ := paidBench(t, func(_ int, rw http.ResponseWriter) { rw.WriteHeader(http.StatusInternalServerError) })
		b.admin("POST", "/_sim/payments", payFor+"}")
		first := func() delivery { return b.sim.courier.list("pay", "", 1)[0] }
		for n, wait := range paySchedule {
			b.eventually("attempt made", func() bool { return len(first().Attempts) == n+1 })
			if due := first().Due; !due.Equal(b.now().Add(wait)) {
				t.Fatalf("attempt %d is due at %v, now %v", n+2, due, b.now())
			}
			b.pass(wait)
		}
		b.settled()
		if first().State != stateGaveUp || len(rec.all()) != 16 {
			t.Errorf("%s after %d", first().State, len(rec.all()))
		}
	})
	t.Run("the scale shortens the waits", func(t *testing.T) {
		b, _, _ := paidBench(t, func(_ int, rw http.ResponseWriter) { rw.WriteHeader(http.StatusInternalServerError) })
		b.admin("PATCH", "/_sim/knobs", `{"pay_time_scale":15000}`)
		b.admin("POST", "/_sim/payments", payFor+"}")
		b.eventually("attempt made", func() bool { return len(b.sim.courier.list("pay", "", 1)[0].Attempts) == 1 })
		if due := b.sim.courier.list("pay", "", 1)[0].Due; !due.Equal(b.now().Add(time.Millisecond)) {
			t.Errorf("due %v, now %v", due, b.now())
		}
	})
}

// authorizationFor signs a request as a merchant does.
func authorizationFor(t *testing.T, key *rsa.PrivateKey, method, target string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(method + "\n" + target + "\n1\nn\n\n"))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`%s mchid="%s",nonce_str="n",signature="%s",timestamp="1",serial_no="S"`, payScheme, mch, base64.StdEncoding.EncodeToString(signature))
}

func (b *bench) merchant(target, authorization string) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, b.url+target, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	return b.do(req)
}

func TestMerchantRoutes(t *testing.T) {
	b, _, public := paidBench(t, success)
	paid := b.admin("POST", "/_sim/payments", payFor+`,"notify":false}`)
	if len(b.settled()) != 0 {
		t.Error("notified though it was not wanted")
	}
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	target := "/v3/pay/transactions/out-trade-no/A-1?mchid=" + mch
	good := authorizationFor(t, own, "GET", target)
	for _, path := range []string{target, "/v3/pay/transactions/id/" + paid["transaction_id"].(string) + "?mchid=" + mch} {
		resp, body := b.merchant(path, good)
		if got := parse(t, body); resp.StatusCode != 200 || got["trade_state"] != "SUCCESS" || got["transaction_id"] != paid["transaction_id"] {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
		if err := verifyPay(public, resp.Header, body); err != nil {
			t.Errorf("the answer's signature: %v", err)
		}
	}
	for path, want := range map[string]int{"/v3/pay/transactions/out-trade-no/A-2?mchid=" + mch: 404, "/v3/pay/transactions/out-trade-no/A-1": 400} {
		if resp, body := b.merchant(path, good); resp.StatusCode != want {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	t.Run("the certificate comes encrypted", func(t *testing.T) {
		_, body := b.merchant("/v3/certificates", good)
		entry := parse(t, body)["data"].([]any)[0].(map[string]any)
		block, err := aes.NewCipher([]byte(apiV3))
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		box := entry["encrypt_certificate"].(map[string]any)
		text, err := base64.StdEncoding.DecodeString(box["ciphertext"].(string))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := gcm.Open(nil, []byte(box["nonce"].(string)), text, []byte(box["associated_data"].(string)))
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := parsePublicKey(string(plain))
		if err != nil || !certificate.Equal(public) {
			t.Errorf("certificate: %v", err)
		}
		b.admin("PATCH", "/_sim/knobs", `{"pay_certificate_serial":true}`)
		if resp, _ := b.merchant(target, good); resp.Header.Get("Wechatpay-Serial") != entry["serial_no"] {
			t.Errorf("serial %s, not %v", resp.Header.Get("Wechatpay-Serial"), entry["serial_no"])
		}
	})
	t.Run("signatures are checked once the merchant's key is known", func(t *testing.T) {
		der, err := x509.MarshalPKIXPublicKey(&own.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		settings, err := json.Marshal(Merchant{MchID: mch, APIv3Key: apiV3, PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
		if err != nil {
			t.Fatal(err)
		}
		b.admin("POST", "/_sim/merchants", string(settings))
		for name, c := range map[string]struct {
			path, header string
			want         int
		}{
			"good": {target, good, 200}, "another request's": {"/v3/certificates", good, 401}, "none": {target, "", 401},
			"another merchant": {target, strings.Replace(good, mch, "19", 1), 401},
		} {
			if resp, body := b.merchant(c.path, c.header); resp.StatusCode != c.want {
				t.Errorf("%s: %d %s", name, resp.StatusCode, body)
			}
		}
	})
}

func TestPayKeyFollowsFromTheSeed(t *testing.T) {
	a, err := newPayKey("one")
	if err != nil {
		t.Fatal(err)
	}
	again, err := newPayKey("one")
	if err != nil {
		t.Fatal(err)
	}
	if a.publicPEM != again.publicPEM || a.certificate != again.certificate || a.private.N.BitLen() != 2048 {
		t.Error("not the same key")
	}
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add(payScheme + ` mchid="1",nonce_str="n",signature="cw==",timestamp="1",serial_no="S"`)
	f.Add(payScheme + ` mchid="1"`)
	f.Add(payScheme + ` mchid=",nonce_str="`)
	f.Add("Bearer x")
	f.Fuzz(func(t *testing.T, header string) {
		a, err := parseAuthorization(header)
		if err != nil {
			return
		}
		for _, field := range []string{a.mchID, a.nonce, a.timestamp, a.serial, a.signature} {
			if field == "" || !strings.Contains(header, `"`+field+`"`) {
				t.Errorf("%q is not in %q", field, header)
			}
		}
	})
}

func TestClockSkew(t *testing.T) {
	b, rec, _ := paidBench(t, success)
	b.admin("PATCH", "/_sim/knobs", `{"clock_skew_seconds":-600}`)
	b.setPush(rec, PushPlain)
	b.admin("POST", "/_sim/payments", payFor+"}")
	b.admin("POST", "/_sim/users/u1/follow", `{"appid":"`+shop+`"}`)
	b.settled()
	want := fmt.Sprint(testStart.Unix() - 600)
	for _, got := range rec.all() {
		if stamp := got.header.Get("Wechatpay-Timestamp") + got.query.Get("timestamp"); stamp != want {
			t.Errorf("signed at %s, not %s", stamp, want)
		}
	}
	if len(rec.all()) != 2 {
		t.Errorf("%d arrived", len(rec.all()))
	}
}
