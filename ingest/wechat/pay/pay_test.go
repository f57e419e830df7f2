package pay

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const apiKey = "0123456789abcdef0123456789abcdef"

func testMerchant(t *testing.T) (*merchant, *rsa.PrivateKey) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMerchant(Merchant{
		MchID: "1900000001", APIv3Key: apiKey, OrderID: OrderIDTransaction,
		PlatformKeys: []PlatformKey{{ID: "PUB_KEY_ID_1", PEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, private
}

func TestMerchant_verify(t *testing.T) {
	m, private := testMerchant(t)
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	body := []byte(`{"id":"EV-1"}`)
	signed := func(at time.Time) http.Header {
		stamp := strconv.FormatInt(at.Unix(), 10)
		sum := sha256.Sum256([]byte(stamp + "\nnonce\n" + string(body) + "\n"))
		signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		h.Set("Wechatpay-Serial", "PUB_KEY_ID_1")
		h.Set("Wechatpay-Timestamp", stamp)
		h.Set("Wechatpay-Nonce", "nonce")
		h.Set("Wechatpay-Signature", base64.StdEncoding.EncodeToString(signature))
		return h
	}
	cases := []struct {
		name   string
		change func(http.Header)
		at     time.Time
		body   []byte
		ok     bool
	}{
		{"a good one", nil, now, body, true},
		{"4 minutes old", nil, now.Add(-4 * time.Minute), body, true},
		{"5 minutes old", nil, now.Add(-5 * time.Minute), body, false},
		{"5 minutes ahead", nil, now.Add(5 * time.Minute), body, false},
		{"another body", nil, now, []byte(`{"id":"EV-2"}`), false},
		{"an unknown key", func(h http.Header) { h.Set("Wechatpay-Serial", "PUB_KEY_ID_2") }, now, body, false},
		{"another nonce", func(h http.Header) { h.Set("Wechatpay-Nonce", "x") }, now, body, false},
		{"no timestamp", func(h http.Header) { h.Del("Wechatpay-Timestamp") }, now, body, false},
		{"WeChat Pay's probe", func(h http.Header) {
			h.Set("Wechatpay-Signature", "WECHATPAY/SIGNTEST/"+h.Get("Wechatpay-Signature"))
		}, now, body, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := signed(c.at)
			if c.change != nil {
				c.change(h)
			}
			if err := m.verify(h, c.body, now); (err == nil) != c.ok {
				t.Fatal(err)
			}
		})
	}
}

func TestParseAmount(t *testing.T) {
	for text, want := range map[string]int64{
		"0.01": 1, "0.29": 29, "1.1": 110, "123": 12300, "123.45": 12345, "1.150": 115, "99999999999.99": 9999999999999, "0.00": 0, "007.00": 700,
	} {
		if got, err := parseAmount(text, 2); got != want || err != nil {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".", ".5", "-1.00", "1.234", "1e3", "1,000.00", "１", " 1", "123456789012345"} {
		if got, err := parseAmount(text, 2); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
	if got, err := parseAmount("1200.00", 0); got != 1200 || err != nil {
		t.Fatal(got, err)
	}
}

const billHead = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n"

const billRows = "`2026-11-22 09:59:58,`wx1,`1900000001,`0,`,`42000001,`A-1,`oA,`JSAPI,`SUCCESS,`OTHERS,`CNY,`123.45,`0.00,`0,`0,`0.00,`0.00,`,`,`tea, green,`hot,`,`0.74000,`0.60%,`123.45,`0.00,`\r\n" +
	"`2026-11-22 12:00:00,`wx1,`1900000001,`0,`,`42000001,`A-1,`oA,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`50000001,`R-1,`1.00,`0.00,`ORIGINAL,`SUCCESS,`tea,`,`0.00000,`0.60%,`0.00,`1.10,`\r\n"

const billEnd = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n`2,`123.45,`1.00,`0.00,`0.74,`123.45,`1.10\r\n"

func readAll(r io.Reader) (rows []row, err error) {
	b, err := newBill(r)
	if err != nil {
		return nil, err
	}
	for {
		next, err := b.read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, next)
	}
}

func TestBill(t *testing.T) {
	paidAt, refundedAt := time.Date(2026, 11, 22, 1, 59, 58, 0, time.UTC), time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	want := []row{
		{at: paidAt, refundAt: paidAt, appid: "wx1", openid: "oA", transactionID: "42000001", outTradeNo: "A-1", currency: "CNY", amount: 12345, tradeState: "SUCCESS"},
		{at: refundedAt, refundAt: refundedAt, appid: "wx1", openid: "oA", transactionID: "42000001", outTradeNo: "A-1", currency: "CNY", refundID: "50000001", refunded: 110, tradeState: "REFUND", refundState: "SUCCESS"},
	}
	whole := "\ufeff" + billHead + billRows + billEnd
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := io.WriteString(zip, whole); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	for name, source := range map[string]io.Reader{"plain": strings.NewReader(whole), "gzip": &packed} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(source)
			if d := cmp.Diff(want, got, cmp.AllowUnexported(row{}), cmp.Comparer(time.Time.Equal)); d != "" || err != nil {
				t.Fatal(d, err)
			}
		})
	}
	for name, text := range map[string]string{
		"nothing": "", "another file": "a,b,c\r\n", "a bill cut off": billHead + billRows,
		"a row cut off": billHead + billRows[:100] + "\r\n" + billEnd, "a wrong amount": strings.Replace(whole, "`123.45,`0.00,`\r", "`12a.45,`0.00,`\r", 1),
		"a wrong time": strings.Replace(whole, "2026-11-22 09", "2026-13-22 09", 1),
	} {
		t.Run(name+" is an error", func(t *testing.T) {
			if rows, err := readAll(strings.NewReader(text)); err == nil {
				t.Fatal(rows)
			}
		})
	}
}

func TestNewMerchant_tells_every_fault(t *testing.T) {
	_, err := newMerchant(Merchant{MchID: "m", APIv3Key: "short", OrderID: "x", PlatformKeys: []PlatformKey{{PEM: "no"}}})
	for _, want := range []string{"mchid", "apiv3_key", "order_id", "platform_keys[0]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell %s", err, want)
		}
	}
}

func FuzzBill(f *testing.F) {
	f.Add([]byte(billHead + billRows + billEnd))
	f.Add([]byte("\ufeff" + billHead))
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := readAll(bytes.NewReader(data))
		for _, r := range rows {
			if r.amount < 0 || r.refunded < 0 {
				t.Fatal("a negative amount", err)
			}
		}
	})
}

func FuzzNotification(f *testing.F) {
	// Only the encryption is at stake here: the fault told is that there is no key.
	m, err := newMerchant(Merchant{MchID: "1900000001", APIv3Key: apiKey, OrderID: OrderIDTransaction})
	if m.sealed == nil {
		f.Fatal(err)
	}
	seal := func(plain string) string {
		return base64.StdEncoding.EncodeToString(m.sealed.Seal(nil, []byte("nonce0123456"), []byte(plain), []byte("transaction")))
	}
	f.Add("transaction", "TRANSACTION.SUCCESS", `{"transaction_id":"1","trade_state":"SUCCESS","payer":{"openid":"o"},"amount":{"total":1}}`)
	f.Add("refund", "REFUND.SUCCESS", `{"transaction_id":"1","refund_id":"2","refund_status":"SUCCESS","success_time":"2026-11-22T10:00:00+08:00"}`)
	f.Add("", "", "null")
	f.Fuzz(func(t *testing.T, kind, event, plain string) {
		n, err := read(kind, event, []byte(plain))
		if err == nil && n.transaction != nil && n.refund != nil {
			t.Fatal("both")
		}
		body := []byte(`{"event_type":` + strconv.Quote(event) + `,"resource":{"original_type":` + strconv.Quote(kind) +
			`,"algorithm":"AEAD_AES_256_GCM","associated_data":"transaction","nonce":"nonce0123456","ciphertext":"` + seal(plain) + `"}}`)
		_, _ = m.open(body)
		_, _ = m.open([]byte(plain))
	})
}
