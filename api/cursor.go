package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// cursorMAC is how many bytes of HMAC-SHA256 a cursor ends with.
const cursorMAC = 16

// cursors seals positions in an answer into opaque strings that cannot be made up, nor
// used with another question.
type cursors struct{ key []byte }

// seal writes a position; question is what it belongs to.
func (c cursors) seal(question string, position any) (string, error) {
	b, err := json.Marshal(position)
	if err != nil {
		return "", fmt.Errorf("seal a cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(b, c.mac(question, b)...)), nil
}

// open reads a position that seal wrote for the same question into position.
func (c cursors) open(question, cursor string, position any) error {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < cursorMAC {
		return badCursor()
	}
	b, mac := b[:len(b)-cursorMAC], b[len(b)-cursorMAC:]
	if !hmac.Equal(mac, c.mac(question, b)) {
		return badCursor()
	}
	if err := json.Unmarshal(b, position); err != nil {
		return badCursor()
	}
	return nil
}

func (c cursors) mac(question string, b []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	fmt.Fprintf(h, "%d:%s", len(question), question)
	h.Write(b)
	return h.Sum(nil)[:cursorMAC]
}

func badCursor() *Problem {
	p := problem("invalid-cursor", "take next_cursor of the page before, with the same other parameters")
	p.Parameter = "cursor"
	return p
}
