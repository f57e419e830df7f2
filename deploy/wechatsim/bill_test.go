package wechatsim

import (
	"compress/gzip"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"
)

const anyMerchant = payScheme + ` mchid="` + mch + `",nonce_str="n",signature="s",timestamp="1",serial_no="S"`

// billed is a simulator with two payments and a refund on the 22nd, seen on the next day at ten.
func billed(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, nil)
	b.admin("POST", "/_sim/payments", payFor+`,"description":"coffee, large"}`)
	b.pass(time.Hour)
	b.admin("POST", "/_sim/payments", `{"mchid":"`+mch+`","appid":"`+cafe+`","user":"u2","amount":5,"out_trade_no":"A-2"}`)
	b.pass(time.Minute)
	b.admin("POST", "/_sim/refunds", `{"mchid":"`+mch+`","out_trade_no":"A-1","amount":345,"out_refund_no":"R-1"}`)
	b.admin("POST", "/_sim/refunds", `{"mchid":"`+mch+`","out_trade_no":"A-1","amount":1,"status":"CLOSED"}`)
	b.pass(22*time.Hour + 59*time.Minute)
	return b
}

func (b *bench) bill(query string) (status int, answer map[string]any) {
	b.t.Helper()
	resp, body := b.merchant("/v3/bill/tradebill?"+query, anyMerchant)
	return resp.StatusCode, parse(b.t, body)
}

func (b *bench) download(answer map[string]any) string {
	b.t.Helper()
	u, err := url.Parse(answer["download_url"].(string))
	if err != nil {
		b.t.Fatal(err)
	}
	resp, body := b.merchant(u.RequestURI(), anyMerchant)
	if resp.StatusCode != 200 {
		b.t.Fatalf("download: %d %s", resp.StatusCode, body)
	}
	return body
}

func TestBill(t *testing.T) {
	b := billed(t)
	_, answer := b.bill("bill_date=2026-11-22&bill_type=ALL")
	text := b.download(answer)
	sum := sha1.Sum([]byte(text))
	if answer["hash_type"] != "SHA1" || answer["hash_value"] != hex.EncodeToString(sum[:]) {
		t.Errorf("hash: %v", answer)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n")
	if len(lines) != 6 {
		t.Fatalf("%d lines: %s", len(lines), text)
	}
	header := "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
	if lines[0] != header {
		t.Errorf("header: %s", lines[0])
	}
	cells := func(line string) []string { return strings.Split(strings.TrimPrefix(line, "`"), ",`") }
	for i, want := range []struct{ at, appID, state, settled, refund, fee string }{
		{"2026-11-22 10:00:00", shop, "SUCCESS", "123.45", "0.00", "0.74000"},
		{"2026-11-22 11:00:00", cafe, "SUCCESS", "0.05", "0.00", "0.00000"},
		{"2026-11-22 11:01:00", shop, "REFUND", "0.00", "3.45", "-0.02000"},
	} {
		got := cells(lines[1+i])
		if len(got) != 27 {
			t.Fatalf("row %d has %d cells: %s", i, len(got), lines[1+i])
		}
		if got[0] != want.at || got[1] != want.appID || got[9] != want.state || got[12] != want.settled || got[16] != want.refund || got[22] != want.fee {
			t.Errorf("row %d: %q", i, got)
		}
	}
	if got := cells(lines[1]); got[7] != b.openid("u1", shop) || got[6] != "A-1" || got[20] != "coffee, large" {
		t.Errorf("first row: %q", got)
	}
	if lines[5] != "`3,`123.50,`3.45,`0.00,`0.72000,`123.50,`3.45" {
		t.Errorf("summary: %s", lines[5])
	}
	t.Run("the types have columns and rows of their own", func(t *testing.T) {
		for kind, want := range map[string][2]int{"SUCCESS": {20, 5}, "REFUND": {29, 4}} {
			_, answer := b.bill("bill_date=2026-11-22&bill_type=" + kind)
			lines := strings.Split(strings.TrimSuffix(b.download(answer), "\r\n"), "\r\n")
			if columns := len(strings.Split(lines[0], ",")); columns != want[0] || len(cells(lines[1])) != columns || len(lines) != want[1] {
				t.Errorf("%s: %d columns, %d lines", kind, columns, len(lines))
			}
		}
	})
	t.Run("compressed, with a byte order mark", func(t *testing.T) {
		b.admin("PATCH", "/_sim/knobs", `{"bill_bom":true}`)
		_, answer := b.bill("bill_date=2026-11-22&tar_type=GZIP")
		zip, err := gzip.NewReader(strings.NewReader(b.download(answer)))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(zip)
		if err != nil || string(plain) != "\ufeff"+text {
			t.Errorf("%v: %q", err, plain[:12])
		}
	})
	t.Run("an address is good for five minutes", func(t *testing.T) {
		_, answer := b.bill("bill_date=2026-11-22")
		b.pass(5 * time.Minute)
		u, err := url.Parse(answer["download_url"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if resp, _ := b.merchant(u.RequestURI(), anyMerchant); resp.StatusCode != 400 {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}

func TestBillIsRefused(t *testing.T) {
	b := billed(t)
	for query, want := range map[string]string{
		"":                                    "PARAM_ERROR",
		"bill_date=22.11.2026":                "PARAM_ERROR",
		"bill_date=2026-11-22&bill_type=SOME": "PARAM_ERROR",
		"bill_date=2026-11-22&tar_type=ZIP":   "PARAM_ERROR",
		"bill_date=2026-11-23":                "STATEMENT_CREATING",
		"bill_date=2026-11-21":                "NO_STATEMENT_EXIST",
		"bill_date=2026-08-01":                "PARAM_ERROR",
	} {
		if status, answer := b.bill(query); status != 400 || answer["code"] != want {
			t.Errorf("%s: %d %v, want %s", query, status, answer, want)
		}
	}
	b.pass(-time.Second)
	if _, answer := b.bill("bill_date=2026-11-22"); answer["code"] != "STATEMENT_CREATING" {
		t.Errorf("before ten: %v", answer)
	}
}

func FuzzYuan(f *testing.F) {
	f.Add(int64(0))
	f.Add(int64(-5))
	f.Add(int64(12345))
	f.Fuzz(func(t *testing.T, fen int64) {
		if fen < -maxAmount || fen > maxAmount {
			return
		}
		var whole, cents int64
		text := strings.TrimPrefix(yuan(fen), "-")
		if n, err := fmt.Sscanf(text, "%d.%02d", &whole, &cents); n != 2 || err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := whole*100 + cents; got != max(fen, -fen) || (fen < 0) != strings.HasPrefix(yuan(fen), "-") {
			t.Errorf("%d became %s", fen, yuan(fen))
		}
	})
}
