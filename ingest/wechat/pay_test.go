package wechat_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/ingest/wechat"
	"github.com/unionlink/unionlink/ingest/wechat/pay"
	"github.com/unionlink/unionlink/schemas"
)

func itoa(n int) string { return strconv.Itoa(n) }

// payWorld has a merchant, and WeChat Pay's schedule a thousand times as fast.
func payWorld(t *testing.T, change func(*wechat.Config)) *world {
	t.Helper()
	var w *world
	w = newWorldWith(t, func(made *world, c *wechat.Config) {
		w = made
		var key struct{ ID, PEM string }
		w.admin("GET", "/merchants/"+mchid+"/public_key", nil, &key)
		c.Pay.Merchants = []pay.Merchant{{MchID: mchid, APIv3Key: apiKey, PlatformKeys: []pay.PlatformKey{{ID: key.ID, PEM: key.PEM}}}}
		if change != nil {
			change(c)
		}
	})
	w.admin("PATCH", "/knobs", obj{"pay_time_scale": 1000}, nil)
	return w
}

// paid is the simulator's answer to a payment.
type paid struct {
	TransactionID string    `json:"transaction_id"`
	OutTradeNo    string    `json:"out_trade_no"`
	OpenID        string    `json:"openid"`
	SuccessTime   time.Time `json:"success_time"`
}

func (w *world) pay(order obj) (p paid) {
	w.t.Helper()
	order["mchid"] = mchid
	w.admin("POST", "/payments", order, &p)
	return p
}

func (w *world) refund(order obj) (id string) {
	w.t.Helper()
	var out struct {
		RefundID string `json:"refund_id"`
	}
	order["mchid"] = mchid
	w.admin("POST", "/refunds", order, &out)
	return out.RefundID
}

// bill fetches the bill of the day before the simulator's, as a merchant does.
func (w *world) bill(day time.Time, kind string) string {
	w.t.Helper()
	get := func(url string) []byte {
		req, err := http.NewRequestWithContext(w.t.Context(), "GET", url, nil)
		w.check(err)
		req.Header.Set("Authorization", `WECHATPAY2-SHA256-RSA2048 mchid="`+mchid+`",nonce_str="n",signature="c2ln",timestamp="1",serial_no="s"`)
		resp, err := http.DefaultClient.Do(req)
		w.check(err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		w.check(err)
		if resp.StatusCode != 200 {
			w.t.Fatalf("bill: %d %s", resp.StatusCode, body)
		}
		return body
	}
	var at struct {
		URL string `json:"download_url"`
	}
	date := day.In(time.FixedZone("", 8*3600)).Format(time.DateOnly)
	w.check(json.Unmarshal(get(w.sim.URL+"/v3/bill/tradebill?tar_type=GZIP&bill_type="+kind+"&bill_date="+date), &at))
	return string(get(at.URL))
}

func purchases(t *testing.T, events []schemas.Event) []*schemas.Purchase {
	t.Helper()
	out := make([]*schemas.Purchase, 0, len(events))
	for _, e := range events {
		out = append(out, e.(*schemas.Purchase))
	}
	return out
}

func TestPay_notifications(t *testing.T) {
	t.Run("a payment, sent three times after a probe, and its refund", func(t *testing.T) {
		w := payWorld(t, nil)
		p := w.pay(obj{"appid": shop, "user": "u1", "amount": 12345, "duplicates": 2, "probe": true})
		got := purchases(t, w.until(1))[0]
		want := &schemas.Purchase{
			Envelope: schemas.Envelope{EventID: "wxpay_" + p.TransactionID, OccurredAt: p.SuccessTime.UTC(), AppID: shop, OpenID: p.OpenID},
			OrderID:  p.TransactionID, PurchaseKind: schemas.PurchaseKindPurchase, Amount: 12345, Currency: "CNY",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		id := w.refund(obj{"transaction_id": p.TransactionID, "amount": 100, "duplicates": 1})
		back := purchases(t, w.until(2))[1]
		if back.PurchaseKind != schemas.PurchaseKindRefund || back.RefundID != id || back.OrderID != p.TransactionID || back.Amount != 100 || back.OpenID != p.OpenID || back.AppID != shop {
			t.Fatalf("%+v", back)
		}
		w.settled("pay")
		w.until(2)
		for _, d := range w.deliveries("pay") {
			if d.State != "delivered" {
				t.Fatalf("%+v", d) // the probe counts as delivered only if it was refused
			}
		}
	})
	t.Run("a refund that moves no money is no event", func(t *testing.T) {
		w := payWorld(t, nil)
		p := w.pay(obj{"appid": shop, "user": "u1", "amount": 500})
		w.until(1)
		w.refund(obj{"transaction_id": p.TransactionID, "amount": 100, "status": "CLOSED"})
		w.refund(obj{"transaction_id": p.TransactionID, "amount": 100, "status": "ABNORMAL"})
		w.settled("pay")
		w.until(1)
	})
	t.Run("the merchant's own order number", func(t *testing.T) {
		w := payWorld(t, func(c *wechat.Config) { c.Pay.Merchants[0].OrderID = pay.OrderIDMerchant })
		w.pay(obj{"appid": shop, "user": "u1", "amount": 500, "out_trade_no": "A-17"})
		if got := purchases(t, w.until(1))[0]; got.OrderID != "A-17" {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("a notification that nobody signed", func(t *testing.T) {
		w := payWorld(t, nil)
		resp, err := http.Post(w.site.URL+"/wechat/pay/"+mchid+"/notify", "application/json", strings.NewReader(`{"event_type":"TRANSACTION.SUCCESS"}`))
		w.check(err)
		_ = resp.Body.Close()
		if resp.StatusCode != 401 {
			t.Fatal(resp.Status)
		}
	})
}

// delivery is the simulator's log of what it sent.
type delivery struct {
	ID           int
	Event, State string
	Attempts     []struct{ Status int }
}

func (w *world) deliveries(kind string) []delivery {
	w.t.Helper()
	var out struct{ Deliveries []delivery }
	w.admin("GET", "/deliveries?kind="+kind, nil, &out)
	return out.Deliveries
}

// settled waits until the simulator has nothing more to send.
func (w *world) settled(kind string) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		pending := 0
		for _, d := range w.deliveries(kind) {
			if d.State == "pending" {
				pending++
			}
		}
		if pending == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%d deliveries are pending", pending)
		}
	}
}

func TestPay_bill(t *testing.T) {
	t.Run("beside the notifications counts nothing twice", func(t *testing.T) {
		w := payWorld(t, nil)
		day := time.Now()
		told := w.pay(obj{"appid": shop, "user": "u1", "amount": 29, "description": "tea, green"})
		w.until(1)
		silent := w.pay(obj{"appid": cafe, "user": "u2", "amount": 1999999, "notify": false})
		w.refund(obj{"transaction_id": told.TransactionID, "amount": 9})
		w.refund(obj{"transaction_id": silent.TransactionID, "amount": 100, "notify": false})
		before := purchases(t, w.until(2))
		w.advance(36 * time.Hour)
		text := w.bill(day, "ALL")
		for run := range 2 {
			report, err := w.wechat.Bill(t.Context(), mchid, strings.NewReader(text), nil)
			w.check(err)
			if report.Rows != 4 || report.Payments != 2 || report.Refunds != 2 || report.Known != 2+2*run || len(report.Differ)+report.Foreign+report.Idle+report.Refused != 0 {
				t.Fatalf("%+v", report)
			}
			w.until(4)
		}
		after := purchases(t, w.events())
		if d := cmp.Diff(before, after[:2]); d != "" {
			t.Fatal(d)
		}
		sum := int64(0)
		for _, e := range after[2:] {
			if e.AppID != cafe || e.OpenID != silent.OpenID || e.OrderID != silent.TransactionID {
				t.Fatalf("%+v", e)
			}
			sum += e.Amount
		}
		if sum != 1999999+100 {
			t.Fatal(sum)
		}
	})
	t.Run("a refund waits for its payment, which only the bill knows", func(t *testing.T) {
		w := payWorld(t, nil)
		day := time.Now()
		p := w.pay(obj{"appid": shop, "user": "u1", "amount": 5000, "notify": false})
		w.advance(36 * time.Hour)
		text := w.bill(day, "SUCCESS")
		w.refund(obj{"transaction_id": p.TransactionID, "amount": 700})
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			if d := w.deliveries("pay"); len(d) > 0 && len(d[0].Attempts) > 0 {
				if d[0].Attempts[0].Status != 503 {
					t.Fatalf("%+v", d)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the refund was not sent")
			}
		}
		report, err := w.wechat.Bill(t.Context(), mchid, strings.NewReader(text), nil)
		w.check(err)
		if report.Payments != 1 {
			t.Fatalf("%+v", report)
		}
		got := purchases(t, w.until(2))
		if got[1].Amount != 700 || got[1].OpenID != p.OpenID {
			t.Fatalf("%+v", got[1])
		}
	})
	t.Run("rows that cannot count are told", func(t *testing.T) {
		w := payWorld(t, nil)
		head := "交易时间,公众账号ID,微信订单号,商户订单号,用户标识,交易状态,货币种类,订单金额\r\n"
		rows := "`2026-01-02 03:04:05,`wxother,`1,`a,`oA,`SUCCESS,`CNY,`1.00\r\n" +
			"`2026-01-02 03:04:05,`" + shop + ",`2,`b,`undefined,`SUCCESS,`CNY,`1.00\r\n" +
			"`2026-01-02 03:04:05,`" + shop + ",`3,`c,`oA,`REVOKED,`CNY,`1.00\r\n" +
			"`2026-01-02 03:04:05,`" + shop + ",`4,`d,`oA,`SUCCESS,`CNY,`1.00\r\n"
		report, err := w.wechat.Bill(t.Context(), mchid, strings.NewReader(head+rows+"总交易单数\r\n`4\r\n"), nil)
		w.check(err)
		if report.Rows != 4 || report.Payments != 1 || report.Foreign != 1 || report.Idle != 1 || report.Refused != 1 || !contains(report.Faults[0], "transaction 2") {
			t.Fatalf("%+v", report)
		}
		w.until(1)
	})
}
