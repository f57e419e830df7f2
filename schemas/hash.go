package schemas

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// hashParts is the XXH64 (seed 0) of its parts, each preceded by its length in
// bytes as a big-endian uint32, so that no two lists of parts share an encoding.
func hashParts(parts ...string) uint64 {
	c := canonical{}
	for _, p := range parts {
		c.text(p)
	}
	return xxhash.Sum64(c.buf)
}

// IdentityHash is the 64-bit name of the identity (appid, openid): XXH64 over
// "unionlink.identity.v1", appid, openid, each length-prefixed.
func IdentityHash(appid, openid string) uint64 {
	return hashParts("unionlink.identity.v1", appid, openid)
}

// KeyHash is the 64-bit name of the key (space, value): XXH64 over
// "unionlink.key.v1", space, value, each length-prefixed.
func KeyHash(space, value string) uint64 {
	return hashParts("unionlink.key.v1", space, value)
}

// EdgeKey names the edge that a migrate from one identity to another states.
func EdgeKey(from, to uint64) uint64 {
	return hashParts("unionlink.migrate.v1", strconv.FormatUint(from, 16), strconv.FormatUint(to, 16))
}

// Pseudonym is the identity under which an erased identity's purchases are kept.
func Pseudonym(identity uint64) uint64 {
	return hashParts("unionlink.pseudonym.v1", strconv.FormatUint(identity, 16))
}

// PersonID shows a person's hash: "p_" and 16 hex digits.
func PersonID(h uint64) string { return fmt.Sprintf("p_%016x", h) }

// ParsePersonID is the inverse of PersonID. It returns a *Refusal of type
// "invalid-person-id" for anything else.
func ParsePersonID(s string) (uint64, error) {
	digits, ok := strings.CutPrefix(s, "p_")
	if ok && len(digits) == 16 && strings.ToLower(digits) == digits {
		if h, err := strconv.ParseUint(digits, 16, 64); err == nil {
			return h, nil
		}
	}
	return 0, refuse("invalid-person-id", "person_id", "a person id is p_ and 16 lower-case hex digits, as in p_00e1c2a93b5f7d10")
}

// FillEventID gives an event without an event_id one made of its content, so that
// a blind retry is the same event: "c_" and the hex of two XXH64 of its canonical
// encoding.
func FillEventID(e Event) {
	h := e.Head()
	if h.EventID != "" {
		return
	}
	c := canonical{}
	e.canonical(&c)
	d := xxhash.NewWithSeed(1)
	_, _ = d.Write(c.buf) // hash.Hash documents that Write never errs
	h.EventID = fmt.Sprintf("c_%016x%016x", xxhash.Sum64(c.buf), d.Sum64())
}

// PseudonymOpenID is the openid shown for a pseudonym.
func PseudonymOpenID(pseudonym uint64) string { return fmt.Sprintf("erased-%016x", pseudonym) }
