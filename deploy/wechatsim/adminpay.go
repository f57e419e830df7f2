package wechatsim

import (
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"
)

func (s *Simulator) payRoutes(r chi.Router) {
	r.Get("/merchants", show(func(*http.Request) (any, error) {
		return map[string]any{"merchants": locked(s, s.copyMerchants)}, nil
	}))
	r.Post("/merchants", do(s.putMerchant))
	r.Get("/merchants/{mchid}/public_key", show(s.showPayKey))
	r.Get("/payments", show(s.listPayments))
	r.Post("/payments", do(s.createPayment))
	r.Post("/refunds", do(s.createRefund))
}

func (s *Simulator) putMerchant(_ *http.Request, settings Merchant) (any, error) {
	if faults := settings.faults(); len(faults) > 0 {
		return nil, badRequest("%v", errors.Join(faults...))
	}
	return done, locked(s, func() error { return s.world.putMerchant(settings) })
}

// payKeyJSON is WeChat Pay's key as the merchant console shows it.
type payKeyJSON struct {
	ID          string `json:"id"`
	PEM         string `json:"pem"`
	Serial      string `json:"serial"`
	Certificate string `json:"certificate"`
}

func (s *Simulator) showPayKey(r *http.Request) (any, error) {
	mchID := chi.URLParam(r, "mchid")
	if !locked(s, func() bool { return s.world.merchants[mchID] != nil }) {
		return nil, notFound("no merchant %q", mchID)
	}
	key, err := s.payKey()
	if err != nil {
		return nil, err
	}
	return payKeyJSON{key.publicID, key.publicPEM, key.serial, key.certificate}, nil
}

// paymentJSON is a payment as the admin API shows one. Amounts are fen.
type paymentJSON struct {
	MchID         string `json:"mchid"`
	AppID         string `json:"appid"`
	OpenID        string `json:"openid"`
	TransactionID string `json:"transaction_id"`
	OutTradeNo    string `json:"out_trade_no"`
	Amount        int64  `json:"amount"`
	Refunded      int64  `json:"refunded"`
	Currency      string `json:"currency"`
	SuccessTime   string `json:"success_time"`
}

func (m *merchant) describe(p *payment) paymentJSON {
	return paymentJSON{
		m.MchID, p.appID, p.openid, p.transactionID, p.outTradeNo, p.amount, p.refunded, p.currency, payTime(p.paidAt),
	}
}

func (s *Simulator) listPayments(r *http.Request) (any, error) {
	limit, err := limitOf(r, 100, 10_000)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.world.merchants[r.URL.Query().Get("mchid")]
	if m == nil {
		return nil, notFound("no merchant %q", r.URL.Query().Get("mchid"))
	}
	payments := []paymentJSON{}
	for i := len(m.payments) - 1; i >= 0 && len(payments) < limit; i-- {
		payments = append(payments, m.describe(m.payments[i]))
	}
	return map[string]any{"payments": payments}, nil
}

func (s *Simulator) createPayment(_ *http.Request, order paymentOrder) (any, error) {
	if err := order.noticeOrder.validate(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, p, err := s.world.pay(order, s.clock.now())
	if err != nil {
		return nil, err
	}
	return m.describe(p), s.notify(m, paymentNotice(m, p), order.noticeOrder)
}

// refundAnswer is a refund as the admin API shows one.
type refundAnswer struct {
	RefundID      string `json:"refund_id"`
	OutRefundNo   string `json:"out_refund_no"`
	TransactionID string `json:"transaction_id"`
	Amount        int64  `json:"amount"`
	Status        string `json:"status"`
}

func (s *Simulator) createRefund(_ *http.Request, order refundOrder) (any, error) {
	if err := order.noticeOrder.validate(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, r, err := s.world.refund(order, s.clock.now())
	if err != nil {
		return nil, err
	}
	answer := refundAnswer{r.refundID, r.outRefundNo, r.payment.transactionID, r.amount, r.status}
	return answer, s.notify(m, refundNotice(m, r), order.noticeOrder)
}
