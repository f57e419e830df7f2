package pay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/unionlink/unionlink/ingest/wechat/bucket"
	"github.com/unionlink/unionlink/ingest/wechat/outbox"
	"github.com/unionlink/unionlink/schemas"
)

// transaction is a payment as a notification tells it. Amounts are fen.
type transaction struct {
	AppID         string    `json:"appid"`
	TransactionID string    `json:"transaction_id"`
	OutTradeNo    string    `json:"out_trade_no"`
	State         string    `json:"trade_state"`
	SuccessTime   time.Time `json:"success_time"`
	Payer         struct {
		OpenID string `json:"openid"`
	} `json:"payer"`
	Amount struct {
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	} `json:"amount"`
}

// refund as a notification tells it: without account and user.
type refund struct {
	TransactionID string    `json:"transaction_id"`
	RefundID      string    `json:"refund_id"`
	Status        string    `json:"refund_status"`
	SuccessTime   time.Time `json:"success_time"`
	Amount        struct {
		Refund int64 `json:"refund"`
	} `json:"amount"`
}

// orderID is the event's order_id of a payment.
func (m *merchant) orderID(transactionID, outTradeNo string) string {
	if m.OrderID == OrderIDMerchant {
		return outTradeNo
	}
	return transactionID
}

// payment is the event of a payment, as this source tells it.
func (m *merchant) payment(t *transaction) *schemas.Purchase {
	currency := t.Amount.Currency
	if currency == "" {
		currency = "CNY"
	}
	return &schemas.Purchase{
		Envelope: schemas.Envelope{EventID: "wxpay_" + t.TransactionID, OccurredAt: t.SuccessTime, AppID: t.AppID, OpenID: t.Payer.OpenID},
		OrderID:  m.orderID(t.TransactionID, t.OutTradeNo), PurchaseKind: schemas.PurchaseKindPurchase, Amount: t.Amount.Total, Currency: currency,
	}
}

// refundOf is the event of a refund of a payment.
func refundOf(paid *schemas.Purchase, refundID string, at time.Time, amount int64) *schemas.Purchase {
	return &schemas.Purchase{
		Envelope: schemas.Envelope{EventID: "wxrefund_" + refundID, OccurredAt: at, AppID: paid.AppID, OpenID: paid.OpenID},
		OrderID:  paid.OrderID, PurchaseKind: schemas.PurchaseKindRefund, RefundID: refundID, Amount: amount, Currency: paid.Currency,
	}
}

func paymentKey(m *merchant, transactionID string) string { return bucket.Key(m.MchID, transactionID) }

func refundKey(m *merchant, transactionID, refundID string) string {
	return bucket.Key(m.MchID, transactionID, refundID)
}

// paid takes a payment's notification.
func (p *Pay) paid(ctx context.Context, m *merchant, t *transaction) (outcome string, err error) {
	if _, ok := p.deps.Accounts.Find(t.AppID); !ok {
		return "", &refusal{http.StatusUnprocessableEntity, "unknown_account", errors.New("the payment is of an account that is not configured")}
	}
	e, _, err := p.first(ctx, paymentKey(m, t.TransactionID), m.payment(t))
	if err != nil {
		return "", err
	}
	return p.publish(ctx, "payment", e)
}

// refunded takes a refund's notification.
func (p *Pay) refunded(ctx context.Context, m *merchant, r *refund) (outcome string, err error) {
	paid, err := p.known(ctx, paymentKey(m, r.TransactionID))
	if err != nil {
		return "", err
	}
	if paid == nil {
		return "", &refusal{http.StatusServiceUnavailable, "unknown_payment", errors.New("the refund is of a payment that is not known yet")}
	}
	e, _, err := p.first(ctx, refundKey(m, r.TransactionID, r.RefundID), refundOf(paid, r.RefundID, r.SuccessTime, r.Amount.Refund))
	if err != nil {
		return "", err
	}
	return p.publish(ctx, "refund", e)
}

func (p *Pay) publish(ctx context.Context, what string, e *schemas.Purchase) (outcome string, err error) {
	duplicates, err := outbox.Publish(ctx, p.deps.Publisher, e)
	if duplicates > 0 {
		what += "_again"
	}
	return what, err
}

// known returns the event stored under key, nil if there is none.
func (p *Pay) known(ctx context.Context, key string) (*schemas.Purchase, error) {
	var stored json.RawMessage
	revision, err := p.ledger.Read(ctx, key, &stored)
	if err != nil || revision == 0 {
		return nil, err
	}
	e, err := schemas.Decode(schemas.KindPurchase, stored)
	if err != nil {
		return nil, fmt.Errorf("decode the stored payment: %w", err)
	}
	return e.(*schemas.Purchase), nil
}

// first stores e under key unless there is an event already, and returns the one
// that counts and whether it was there before.
func (p *Pay) first(ctx context.Context, key string, e *schemas.Purchase) (counts *schemas.Purchase, before bool, err error) {
	e.OccurredAt = e.OccurredAt.UTC().Truncate(time.Microsecond)
	if err := e.Validate(); err != nil {
		return nil, false, &refusal{http.StatusUnprocessableEntity, "invalid", fmt.Errorf("check the payment: %w", err)}
	}
	data, err := schemas.Encode(e)
	if err != nil {
		return nil, false, fmt.Errorf("encode the payment: %w", err)
	}
	_, err = p.ledger.Write(ctx, key, json.RawMessage(data), 0)
	if err == nil {
		return e, false, nil
	}
	if !errors.Is(err, bucket.ErrChanged) {
		return nil, false, err
	}
	counts, err = p.known(ctx, key)
	if err == nil && counts == nil {
		err = errors.New("the stored payment ended just now; send it again")
	}
	return counts, true, err
}
