package wechatsim

import (
	"crypto/rsa"
	"fmt"
	"time"
)

// merchant is a WeChat Pay merchant and its orders.
type merchant struct {
	Merchant
	public    *rsa.PublicKey // nil: signatures are not checked
	payments  []*payment     // as they were paid
	byTrade   map[string]*payment
	byID      map[string]*payment
	downloads map[string]billFile
}

// payment is a paid order. Amounts are fen.
type payment struct {
	transactionID, outTradeNo     string
	appID, openid                 string
	description, attach, currency string
	amount, refunded              int64
	paidAt                        time.Time
	refunds                       []*refund
}

// refund is a refund of a payment, or of a part of it.
type refund struct {
	payment                *payment
	refundID, outRefundNo  string
	status                 string
	amount                 int64
	createdAt, succeededAt time.Time
}

func (w *world) putMerchant(settings Merchant) error {
	var public *rsa.PublicKey
	if settings.PublicKey != "" {
		key, err := parsePublicKey(settings.PublicKey)
		if err != nil {
			return badRequest("public_key: %v", err)
		}
		public = key
	}
	m := w.merchants[settings.MchID]
	if m == nil {
		m = &merchant{byTrade: map[string]*payment{}, byID: map[string]*payment{}, downloads: map[string]billFile{}}
		w.merchants[settings.MchID] = m
	}
	m.Merchant, m.public = settings, public
	return nil
}

// paymentOrder asks for a payment and says how it is told to the merchant.
type paymentOrder struct {
	MchID       string    `json:"mchid"`
	AppID       string    `json:"appid"`
	User        string    `json:"user"`
	Amount      int64     `json:"amount"`
	Currency    string    `json:"currency"`
	OutTradeNo  string    `json:"out_trade_no"`
	Description string    `json:"description"`
	Attach      string    `json:"attach"`
	SuccessTime time.Time `json:"success_time"`
	noticeOrder
}

// noticeOrder says how a notification is sent.
type noticeOrder struct {
	Notify     *bool `json:"notify"`     // nil is true
	Duplicates int   `json:"duplicates"` // sent so many times more
	Probe      bool  `json:"probe"`      // and once with a signature that must be refused
}

func (o *noticeOrder) validate() error {
	if o.Duplicates < 0 || o.Duplicates > 100 {
		return badRequest("duplicates: %d is not within 0 to 100", o.Duplicates)
	}
	return nil
}

const maxAmount = 1_000_000_000_000 // fen; more is a mistake

func (w *world) pay(o paymentOrder, now time.Time) (*merchant, *payment, error) {
	m := w.merchants[o.MchID]
	if m == nil {
		return nil, nil, notFound("no merchant %q", o.MchID)
	}
	a, err := w.account(o.AppID)
	if err != nil {
		return nil, nil, err
	}
	u, err := w.liveUser(o.User)
	if err != nil {
		return nil, nil, err
	}
	if o.Amount < 1 || o.Amount > maxAmount {
		return nil, nil, badRequest("amount: %d fen is not within 1 to %d", o.Amount, int64(maxAmount))
	}
	if o.OutTradeNo != "" && m.byTrade[o.OutTradeNo] != nil {
		return nil, nil, conflict("out_trade_no %s is paid already", o.OutTradeNo)
	}
	paidAt := now
	if !o.SuccessTime.IsZero() {
		paidAt = o.SuccessTime
	}
	p := &payment{
		transactionID: w.mint.number("4200", 28, paidAt), outTradeNo: o.OutTradeNo, appID: a.AppID,
		openid: w.relate(a, u).openid, description: orElse(o.Description, "商品"), attach: o.Attach,
		currency: orElse(o.Currency, "CNY"), amount: o.Amount, paidAt: paidAt.Truncate(time.Second),
	}
	if p.outTradeNo == "" {
		p.outTradeNo = "S" + p.transactionID[4:]
	}
	m.payments = append(m.payments, p)
	m.byTrade[p.outTradeNo], m.byID[p.transactionID] = p, p
	return m, p, nil
}

func orElse(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// number is an order number of WeChat Pay: a prefix, the day, and digits up to the length.
func (m *mint) number(prefix string, length int, at time.Time) string {
	head := prefix + at.In(beijing).Format("20060102")
	digits := make([]byte, length-len(head))
	for i, b := range m.next("number")[:len(digits)] {
		digits[i] = '0' + b%10
	}
	return head + string(digits)
}

// refundOrder asks for a refund and says how it is told to the merchant.
type refundOrder struct {
	MchID         string `json:"mchid"`
	OutTradeNo    string `json:"out_trade_no"`
	TransactionID string `json:"transaction_id"`
	Amount        int64  `json:"amount"`
	OutRefundNo   string `json:"out_refund_no"`
	Status        string `json:"status"`
	noticeOrder
}

func (w *world) refund(o refundOrder, now time.Time) (*merchant, *refund, error) {
	m := w.merchants[o.MchID]
	if m == nil {
		return nil, nil, notFound("no merchant %q", o.MchID)
	}
	p := m.byTrade[o.OutTradeNo]
	if o.TransactionID != "" {
		p = m.byID[o.TransactionID]
	}
	if p == nil {
		return nil, nil, notFound("no such payment")
	}
	status := orElse(o.Status, "SUCCESS")
	switch status {
	case "SUCCESS", "ABNORMAL", "CLOSED":
	default:
		return nil, nil, badRequest("status: %q is none of SUCCESS, ABNORMAL, CLOSED", status)
	}
	if o.Amount < 1 || o.Amount > p.amount-p.refunded {
		return nil, nil, badRequest("amount: %d fen is not within 1 to the %d that are left", o.Amount, p.amount-p.refunded)
	}
	r := &refund{
		payment: p, refundID: w.mint.number("5030", 29, now), outRefundNo: o.OutRefundNo, status: status, amount: o.Amount,
		createdAt: now.Truncate(time.Second),
	}
	if r.outRefundNo == "" {
		r.outRefundNo = "R" + r.refundID[4:]
	}
	if status == "SUCCESS" {
		r.succeededAt = r.createdAt
		p.refunded += o.Amount
	}
	p.refunds = append(p.refunds, r)
	return m, r, nil
}

type amountJSON struct {
	Total         int64  `json:"total"`
	PayerTotal    int64  `json:"payer_total"`
	Currency      string `json:"currency"`
	PayerCurrency string `json:"payer_currency"`
}

type payerJSON struct {
	OpenID string `json:"openid"`
}

// transactionJSON is a payment as WeChat Pay tells of it.
type transactionJSON struct {
	MchID          string     `json:"mchid"`
	AppID          string     `json:"appid"`
	OutTradeNo     string     `json:"out_trade_no"`
	TransactionID  string     `json:"transaction_id"`
	TradeType      string     `json:"trade_type"`
	TradeState     string     `json:"trade_state"`
	TradeStateDesc string     `json:"trade_state_desc"`
	BankType       string     `json:"bank_type"`
	Attach         string     `json:"attach"`
	SuccessTime    string     `json:"success_time"`
	Payer          payerJSON  `json:"payer"`
	Amount         amountJSON `json:"amount"`
}

func (m *merchant) transaction(p *payment) transactionJSON {
	return transactionJSON{
		MchID: m.MchID, AppID: p.appID, OutTradeNo: p.outTradeNo, TransactionID: p.transactionID, TradeType: "JSAPI",
		TradeState: "SUCCESS", TradeStateDesc: "支付成功", BankType: "OTHERS", Attach: p.attach,
		SuccessTime: payTime(p.paidAt), Payer: payerJSON{p.openid},
		Amount: amountJSON{p.amount, p.amount, p.currency, p.currency},
	}
}

type refundAmountJSON struct {
	Total       int64 `json:"total"`
	Refund      int64 `json:"refund"`
	PayerTotal  int64 `json:"payer_total"`
	PayerRefund int64 `json:"payer_refund"`
}

// refundJSON is a refund as WeChat Pay tells of it. It names neither the appid nor the openid.
type refundJSON struct {
	MchID               string           `json:"mchid"`
	OutTradeNo          string           `json:"out_trade_no"`
	TransactionID       string           `json:"transaction_id"`
	OutRefundNo         string           `json:"out_refund_no"`
	RefundID            string           `json:"refund_id"`
	RefundStatus        string           `json:"refund_status"`
	SuccessTime         string           `json:"success_time,omitempty"`
	UserReceivedAccount string           `json:"user_received_account"`
	Amount              refundAmountJSON `json:"amount"`
}

func (m *merchant) refundResource(r *refund) refundJSON {
	out := refundJSON{
		MchID: m.MchID, OutTradeNo: r.payment.outTradeNo, TransactionID: r.payment.transactionID,
		OutRefundNo: r.outRefundNo, RefundID: r.refundID, RefundStatus: r.status, UserReceivedAccount: "支付用户零钱",
		Amount: refundAmountJSON{r.payment.amount, r.amount, r.payment.amount, r.amount},
	}
	if !r.succeededAt.IsZero() {
		out.SuccessTime = payTime(r.succeededAt)
	}
	return out
}

func payTime(t time.Time) string { return t.In(beijing).Format(time.RFC3339) }

// yuan writes fen as the bills have them: with a point and two decimals.
func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100)
}
