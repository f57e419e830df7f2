package wechatsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
)

// payError is a failure of a /v3 route: its HTTP status means something, unlike that of the other routes.
type payError struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *payError) Error() string { return e.Code }

// rawAnswer is an answer that is not JSON and not signed: a bill's file.
type rawAnswer struct {
	contentType string
	body        []byte
}

// merchantOperation answers a merchant's signed request. It runs under the simulator's lock.
type merchantOperation func(m *merchant, r *http.Request, now time.Time) (any, error)

// merchantAPI serves an operation to merchants who sign their requests, and signs the answer. WeChat also refuses
// requests older than five minutes; the simulator does not, because its clock can be moved and theirs cannot.
func (s *Simulator) merchantAPI(op merchantOperation) http.Handler {
	return s.faulty(s.answerPayFault, func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		auth, err := parseAuthorization(r.Header.Get("Authorization"))
		s.mu.Lock()
		answer, err := s.merchantAnswer(op, r, body, auth, err)
		s.mu.Unlock()
		s.answerMerchant(rw, answer, err)
	})
}

func (s *Simulator) merchantAnswer(op merchantOperation, r *http.Request, body []byte, auth authorization, bad error) (any, error) {
	refused := &payError{http.StatusUnauthorized, "SIGN_ERROR", "Http头Authorization值格式错误或签名错误，请参考《微信支付商户REST API签名规则》"}
	if bad != nil {
		return nil, refused
	}
	m := s.world.merchants[auth.mchID]
	if m == nil {
		return nil, refused
	}
	if m.public != nil && auth.verify(m.public, r.Method, r.URL.RequestURI(), body) != nil {
		return nil, refused
	}
	return op(m, r, s.clock.now())
}

func (s *Simulator) answerPayFault(rw http.ResponseWriter, _ *http.Request, _ int) {
	s.answerMerchant(rw, nil, &payError{http.StatusInternalServerError, "SYSTEM_ERROR", "系统异常，请稍后重试"})
}

func (s *Simulator) answerMerchant(rw http.ResponseWriter, answer any, failure error) {
	if raw, ok := answer.(rawAnswer); ok && failure == nil {
		rw.Header().Set("Content-Type", raw.contentType)
		_, _ = rw.Write(raw.body) // the caller has hung up; nothing is left to tell it
		return
	}
	status := http.StatusOK
	if failure != nil {
		known := &payError{http.StatusInternalServerError, "SYSTEM_ERROR", failure.Error()}
		errors.As(failure, &known)
		status, answer = known.status, known
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer); err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	body := bytes.TrimRight(buf.Bytes(), "\n")
	if err := s.signAnswer(rw.Header(), body); err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(body) // as above
}

func (s *Simulator) signAnswer(h http.Header, body []byte) error {
	key, err := s.payKey()
	if err != nil {
		return err
	}
	s.mu.Lock()
	nonce, knobs := s.world.mint.nonce(32), s.world.knobs
	s.mu.Unlock()
	timestamp := strconv.FormatInt(s.clock.now().Unix()+int64(knobs.ClockSkewSeconds), 10)
	signature, err := key.sign(timestamp, nonce, body)
	if err != nil {
		return err
	}
	keyID := key.publicID
	if knobs.PayCertificateSerial {
		keyID = key.serial
	}
	setPayHeaders(h, keyID, timestamp, nonce, signature)
	return nil
}

// queryOrder is /v3/pay/transactions/id/{id} and /out-trade-no/{no}.
func queryOrder(m *merchant, r *http.Request, _ time.Time) (any, error) {
	if r.URL.Query().Get("mchid") != m.MchID {
		return nil, &payError{http.StatusBadRequest, "PARAM_ERROR", "参数错误: mchid"}
	}
	p := m.byID[chi.URLParam(r, "id")]
	if no := chi.URLParam(r, "no"); no != "" {
		p = m.byTrade[no]
	}
	if p == nil {
		return nil, &payError{http.StatusNotFound, "ORDER_NOT_EXIST", "订单不存在"}
	}
	answer := m.transaction(p)
	if p.refunded > 0 {
		answer.TradeState, answer.TradeStateDesc = "REFUND", "订单发生过退款"
	}
	return answer, nil
}

type certificateJSON struct {
	SerialNo           string `json:"serial_no"`
	EffectiveTime      string `json:"effective_time"`
	ExpireTime         string `json:"expire_time"`
	EncryptCertificate sealed `json:"encrypt_certificate"`
}

// certificates is /v3/certificates: the certificate, encrypted for the merchant.
func (s *Simulator) certificates(m *merchant, _ *http.Request, _ time.Time) (any, error) {
	key, err := s.payKey()
	if err != nil {
		return nil, err
	}
	box, err := seal(m.APIv3Key, s.world.mint.nonce(12), "certificate", []byte(key.certificate))
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"data": []certificateJSON{{key.serial, payTime(key.from), payTime(key.until), box}},
	}, nil
}
