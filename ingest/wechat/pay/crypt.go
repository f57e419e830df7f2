package pay

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// merchant is a Merchant with its keys ready.
type merchant struct {
	Merchant
	keys   map[string]*rsa.PublicKey
	sealed cipher.AEAD
}

func newMerchant(m Merchant) (*merchant, error) {
	known := &merchant{Merchant: m, keys: make(map[string]*rsa.PublicKey)}
	var faults []error
	if m.MchID == "" || strings.ContainsFunc(m.MchID, func(r rune) bool { return r < '0' || r > '9' }) {
		faults = append(faults, errors.New("mchid: is not digits"))
	}
	if m.OrderID != OrderIDTransaction && m.OrderID != OrderIDMerchant {
		faults = append(faults, fmt.Errorf("order_id: %q is neither transaction_id nor out_trade_no", m.OrderID))
	}
	if len(m.APIv3Key) != 32 {
		faults = append(faults, errors.New("apiv3_key: is not 32 bytes"))
	} else if block, err := aes.NewCipher([]byte(m.APIv3Key)); err != nil {
		faults = append(faults, fmt.Errorf("apiv3_key: %w", err))
	} else if known.sealed, err = cipher.NewGCM(block); err != nil {
		faults = append(faults, fmt.Errorf("apiv3_key: %w", err))
	}
	for i, k := range m.PlatformKeys {
		id, key, err := parseKey(k)
		if err != nil {
			faults = append(faults, fmt.Errorf("platform_keys[%d]: %w", i, err))
			continue
		}
		known.keys[id] = key
	}
	if len(m.PlatformKeys) == 0 {
		faults = append(faults, errors.New("platform_keys: one is required, or no notification can be believed"))
	}
	return known, errors.Join(faults...)
}

func parseKey(k PlatformKey) (id string, key *rsa.PublicKey, err error) {
	block, _ := pem.Decode([]byte(k.PEM))
	if block == nil {
		return "", nil, errors.New("pem: is not PEM")
	}
	var parsed any
	id = k.ID
	if block.Type == "CERTIFICATE" {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", nil, fmt.Errorf("pem: %w", err)
		}
		parsed = cert.PublicKey
		if id == "" {
			id = fmt.Sprintf("%X", cert.SerialNumber.Bytes())
		}
	} else if parsed, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return "", nil, fmt.Errorf("pem: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	switch {
	case !ok:
		return "", nil, errors.New("pem: is not an RSA key")
	case id == "":
		return "", nil, errors.New("id: is required for a public key")
	}
	return id, key, nil
}

// tolerance is how far WeChat Pay's clock may be from ours.
const tolerance = 5 * time.Minute

// verify proves that WeChat Pay sent the body, now. Its probes, whose signature
// begins WECHATPAY/SIGNTEST/, must fail, and do: they are not base64 of a signature.
func (m *merchant) verify(h http.Header, body []byte, now time.Time) error {
	timestamp, nonce := h.Get("Wechatpay-Timestamp"), h.Get("Wechatpay-Nonce")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return errors.New("the notification has no timestamp")
	}
	if age := now.Sub(time.Unix(seconds, 0)).Abs(); age >= tolerance {
		return fmt.Errorf("the notification's timestamp is %s off this clock", age.Round(time.Second))
	}
	key := m.keys[h.Get("Wechatpay-Serial")]
	if key == nil {
		return errors.New("the notification is signed with a key that is not configured: add the console's new key to platform_keys")
	}
	signature, err := base64.StdEncoding.DecodeString(h.Get("Wechatpay-Signature"))
	if err != nil {
		return errors.New("the notification's signature is not base64")
	}
	sum := sha256.New()
	for _, part := range []string{timestamp, nonce, string(body)} {
		sum.Write([]byte(part + "\n"))
	}
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum.Sum(nil), signature); err != nil {
		return errors.New("the notification's signature is wrong")
	}
	return nil
}

// notification is what a notification is about: one of the two, or neither for
// those that do not count.
type notification struct {
	transaction *transaction
	refund      *refund
}

// open decrypts a notification that was verified.
func (m *merchant) open(body []byte) (notification, error) {
	var n struct {
		EventType string `json:"event_type"`
		Resource  struct {
			Type       string `json:"original_type"`
			Algorithm  string `json:"algorithm"`
			Ciphertext string `json:"ciphertext"`
			Associated string `json:"associated_data"`
			Nonce      string `json:"nonce"`
		} `json:"resource"`
	}
	if err := json.Unmarshal(body, &n); err != nil {
		return notification{}, errors.New("the notification is not JSON")
	}
	r := n.Resource
	if r.Algorithm != "AEAD_AES_256_GCM" || len(r.Nonce) != m.sealed.NonceSize() {
		return notification{}, errors.New("the notification is not encrypted with AEAD_AES_256_GCM")
	}
	ciphertext, err := base64.StdEncoding.DecodeString(r.Ciphertext)
	if err != nil {
		return notification{}, errors.New("the notification's ciphertext is not base64")
	}
	plain, err := m.sealed.Open(nil, []byte(r.Nonce), ciphertext, []byte(r.Associated))
	if err != nil {
		return notification{}, errors.New("the notification is not encrypted with this merchant's APIv3 key")
	}
	return read(r.Type, n.EventType, plain)
}

// read decodes a decrypted resource. Refunds that WeChat Pay closed, or could not
// pay out yet, and payments in other states move no money.
func read(kind, event string, plain []byte) (notification, error) {
	switch kind {
	case "transaction":
		var t transaction
		if err := json.Unmarshal(plain, &t); err != nil {
			return notification{}, errors.New("the transaction is not the JSON that was expected")
		}
		if t.State != "SUCCESS" {
			return notification{}, nil
		}
		return notification{transaction: &t}, nil
	case "refund":
		var r refund
		if err := json.Unmarshal(plain, &r); err != nil {
			return notification{}, errors.New("the refund is not the JSON that was expected")
		}
		if event != "REFUND.SUCCESS" || r.Status != "SUCCESS" {
			return notification{}, nil
		}
		return notification{refund: &r}, nil
	}
	return notification{}, nil
}
