package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Token is one analyst's token, as configured.
type Token struct {
	// Name tells tokens apart in the audit; it must be unique.
	Name string `yaml:"name"`
	// Token is the token itself, or "sha256:" and the hex digits of its hash.
	Token string `yaml:"token"`
	// Role is analyst unless set.
	Role Role `yaml:"role"`
	// Accounts are the appids the token may see; none means all.
	Accounts []string `yaml:"accounts"`
}

const hashed = "sha256:"

// minTokenBytes keeps tokens from being guessed.
const minTokenBytes = 16

type known struct {
	hash [sha256.Size]byte
	user User
}

func readTokens(tokens []Token) ([]known, error) {
	var faults []error
	names := make(map[string]bool, len(tokens))
	hashes := make(map[[sha256.Size]byte]bool, len(tokens))
	all := make([]known, 0, len(tokens))
	for i, t := range tokens {
		at := fmt.Sprintf("tokens[%d]", i)
		k, err := t.read()
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("%s.%w", at, err))
		case names[t.Name]:
			faults = append(faults, fmt.Errorf("%s.name: %q is given twice", at, t.Name))
		case hashes[k.hash]:
			faults = append(faults, fmt.Errorf("%s.token: is the same as another's", at))
		}
		names[t.Name], hashes[k.hash] = true, true
		all = append(all, k)
	}
	return all, errors.Join(faults...)
}

// read checks one token. Its error begins with the field at fault and never shows the token.
func (t Token) read() (known, error) {
	if t.Name == "" {
		return known{}, errors.New("name: is required")
	}
	if t.Role == "" {
		t.Role = RoleAnalyst
	}
	if !t.Role.Valid() {
		return known{}, fmt.Errorf("role: %q is none of %v", t.Role, Roles)
	}
	k := known{user: User{Name: t.Name, Role: t.Role}}
	if len(t.Accounts) > 0 {
		k.user.Accounts = append([]string{}, t.Accounts...)
	}
	if digits, ok := strings.CutPrefix(t.Token, hashed); ok {
		hash, err := hex.DecodeString(digits)
		if err != nil || len(hash) != sha256.Size {
			return known{}, errors.New("token: after sha256: come 64 hex digits")
		}
		copy(k.hash[:], hash)
		return k, nil
	}
	if len(t.Token) < minTokenBytes {
		return known{}, fmt.Errorf("token: is under %d bytes, which can be guessed", minTokenBytes)
	}
	k.hash = sha256.Sum256([]byte(t.Token))
	return k, nil
}

// byToken finds a token's owner; it looks at every token whatever it finds, so that
// its time tells nothing.
func (g *Gate) byToken(token string) (known, error) {
	return g.byHash(sha256.Sum256([]byte(token)))
}

func (g *Gate) byHash(hash [sha256.Size]byte) (known, error) {
	found := -1
	for i := range g.tokens {
		if subtle.ConstantTimeCompare(g.tokens[i].hash[:], hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return known{}, ErrUnauthenticated
	}
	return g.tokens[found], nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
