package wechatsim

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

const (
	payScheme    = "WECHATPAY2-SHA256-RSA2048"
	payAlgorithm = "AEAD_AES_256_GCM"
	probePrefix  = "WECHATPAY/SIGNTEST/" // a signature that begins so is a probe: the receiver must refuse it
)

// payKey is WeChat Pay's key of this simulator: the same for one seed.
type payKey struct {
	private     *rsa.PrivateKey
	publicPEM   string
	publicID    string
	serial      string
	certificate string
	from, until time.Time
}

func newPayKey(seed string) (*payKey, error) {
	private, err := seededRSAKey([]byte(seed))
	if err != nil {
		return nil, fmt.Errorf("make payment key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode payment key: %w", err)
	}
	fingerprint := sha256.Sum256(der)
	k := &payKey{
		private:   private,
		publicPEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		publicID:  fmt.Sprintf("PUB_KEY_ID_01%020d00", binary.BigEndian.Uint64(fingerprint[:8])),
		serial:    fmt.Sprintf("%X", fingerprint[:20]),
		from:      time.Date(2024, 1, 1, 0, 0, 0, 0, beijing),
		until:     time.Date(2049, 1, 1, 0, 0, 0, 0, beijing),
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(fingerprint[:20]), NotBefore: k.from, NotAfter: k.until,
		Subject:            pkix.Name{CommonName: "Tenpay.com sign (simulated)", Organization: []string{"wechatsim"}},
		SignatureAlgorithm: x509.SHA256WithRSA, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(nil, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, fmt.Errorf("make payment certificate: %w", err)
	}
	k.certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return k, nil
}

// seededRSAKey makes an RSA key of 2048 bits from a seed. crypto/rsa will not: its keys are random, and a simulator's
// must not be, so that a receiver's configuration stays good from one start to the next. Never use it for a secret.
func seededRSAKey(seed []byte) (*rsa.PrivateKey, error) {
	exponent := big.NewInt(65537)
	one := big.NewInt(1)
	for try := uint64(0); ; try++ {
		p, q := seededPrime(seed, 2*try), seededPrime(seed, 2*try+1)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(exponent, phi)
		if d == nil || p.Cmp(q) == 0 {
			continue
		}
		key := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(exponent.Int64())}, D: d, Primes: []*big.Int{p, q},
		}
		key.Precompute()
		return key, key.Validate()
	}
}

// seededPrime is the first prime after a number of 1024 bits, the upper two and the lowest set.
func seededPrime(seed []byte, n uint64) *big.Int {
	var raw []byte
	for block := byte(0); len(raw) < 128; block++ {
		mac := hmac.New(sha512.New, seed)
		_ = binary.Write(mac, binary.BigEndian, n) // a hash takes every write
		mac.Write([]byte{block})
		raw = mac.Sum(raw)
	}
	raw[0] |= 0xc0
	raw[127] |= 1
	candidate, two := new(big.Int).SetBytes(raw[:128]), big.NewInt(2)
	for !candidate.ProbablyPrime(20) {
		candidate.Add(candidate, two)
	}
	return candidate
}

// sign is the signature WeChat Pay puts on a body: RSA with SHA-256 over the time, the nonce and the raw body.
func (k *payKey) sign(timestamp, nonce string, body []byte) (string, error) {
	sum := sha256.Sum256([]byte(timestamp + "\n" + nonce + "\n" + string(body) + "\n"))
	signature, err := rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// sealed is a resource encrypted under a merchant's APIv3 key.
type sealed struct {
	OriginalType   string `json:"original_type,omitempty"`
	Algorithm      string `json:"algorithm"`
	Ciphertext     string `json:"ciphertext"`
	AssociatedData string `json:"associated_data"`
	Nonce          string `json:"nonce"`
}

// seal encrypts with AES-256-GCM; the tag is the last 16 bytes of the ciphertext. The nonce is 12 characters.
func seal(apiV3Key, nonce, associated string, plain []byte) (sealed, error) {
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		return sealed{}, fmt.Errorf("seal resource: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return sealed{}, fmt.Errorf("seal resource: %w", err)
	}
	text := gcm.Seal(nil, []byte(nonce), plain, []byte(associated))
	return sealed{
		Algorithm: payAlgorithm, Ciphertext: base64.StdEncoding.EncodeToString(text), AssociatedData: associated, Nonce: nonce,
	}, nil
}

// authorization is the header with which a merchant signs a request.
type authorization struct {
	mchID, nonce, timestamp, serial, signature string
}

// parseAuthorization reads `WECHATPAY2-SHA256-RSA2048 mchid="…",nonce_str="…",signature="…",timestamp="…",serial_no="…"`.
func parseAuthorization(header string) (authorization, error) {
	var a authorization
	scheme, rest, _ := strings.Cut(header, " ")
	if scheme != payScheme {
		return a, fmt.Errorf("authorization: the scheme is not %s", payScheme)
	}
	fields := map[string]*string{
		"mchid": &a.mchID, "nonce_str": &a.nonce, "timestamp": &a.timestamp, "serial_no": &a.serial, "signature": &a.signature,
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		into, known := fields[name]
		if !ok || !known || len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			return a, errors.New("authorization: not a list of the known names and quoted values")
		}
		*into = value[1 : len(value)-1]
	}
	for name, value := range fields {
		if *value == "" {
			return a, fmt.Errorf("authorization: no %s", name)
		}
	}
	return a, nil
}

// verify checks a merchant's signature over its request. The target is the path with the query.
func (a *authorization) verify(key *rsa.PublicKey, method, target string, body []byte) error {
	signature, err := base64.StdEncoding.DecodeString(a.signature)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{method, target, a.timestamp, a.nonce, string(body), ""}, "\n")))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	return nil
}

// parsePublicKey reads an RSA public key, or the one in a certificate, in PEM.
func parsePublicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("not PEM")
	}
	var key any
	var err error
	if block.Type == "CERTIFICATE" {
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	} else {
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("not an RSA key")
	}
	return public, nil
}
