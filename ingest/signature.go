package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Standard Webhooks (standardwebhooks.com, specification 1.0): the signature is the
// HMAC-SHA256 of "id.timestamp.body", in base64 behind "v1,".
const (
	headerWebhookID        = "Webhook-Id"
	headerWebhookTimestamp = "Webhook-Timestamp"
	headerWebhookSignature = "Webhook-Signature"
	signatureTolerance     = 5 * time.Minute
)

// signingSecret reads a secret as the standard writes it, or takes plain text as it is.
func signingSecret(configured string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(configured, "whsec_")
	if !ok {
		return []byte(configured), nil
	}
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(secret) == 0 {
		return nil, errors.New("whsec_ is followed by base64")
	}
	return secret, nil
}

// signature checks a body while it is read: write the body as sent (packed, where
// it is), then ask verify.
type signature struct {
	mac   hash.Hash
	given string
}

func badSignature(detail string) *Problem {
	return newProblem(http.StatusUnauthorized, ProblemSignature, "%s", detail).with("WWW-Authenticate", challengeMissing)
}

// newSignature reads the headers and judges the time.
func newSignature(h http.Header, secret []byte, now time.Time) (*signature, error) {
	id, stamp, given := h.Get(headerWebhookID), h.Get(headerWebhookTimestamp), h.Get(headerWebhookSignature)
	if id == "" || stamp == "" || given == "" {
		return nil, badSignature("this key needs the headers webhook-id, webhook-timestamp and webhook-signature")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, badSignature("webhook-timestamp is not a number of seconds since 1970")
	}
	if now.Sub(time.Unix(seconds, 0)).Abs() > signatureTolerance {
		return nil, badSignature("webhook-timestamp is more than 5 minutes off")
	}
	s := &signature{mac: hmac.New(sha256.New, secret), given: given}
	s.mac.Write([]byte(id + "." + stamp + "."))
	return s, nil
}

// verify tells whether one of the given signatures is right; while a secret is being
// replaced, senders give two.
func (s *signature) verify() error {
	want := s.mac.Sum(nil)
	for one := range strings.FieldsSeq(s.given) {
		version, encoded, _ := strings.Cut(one, ",")
		got, err := base64.StdEncoding.DecodeString(encoded)
		if version == "v1" && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return badSignature("webhook-signature does not fit the body")
}
