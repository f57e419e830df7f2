package wechatsim

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// mint makes every identifier from the seed. Those of users depend on nothing else; those handed out one after
// another (codes, tokens, nonces) also on a counter, so one order of calls gives one set of answers.
type mint struct {
	seed  []byte
	count uint64
}

func (m *mint) digest(parts ...string) []byte {
	mac := hmac.New(sha512.New, m.seed)
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return mac.Sum(nil)
}

// next is the digest of the label and the counter, which it moves on.
func (m *mint) next(label string) []byte {
	m.count++
	return m.digest(label, strconv.FormatUint(m.count, 10))
}

// openID is 28 characters beginning with o, one for each user and account.
func (m *mint) openID(userID, appID string) string {
	return "o" + base64.RawURLEncoding.EncodeToString(m.digest("openid", userID, appID))[:27]
}

// unionID is 28 characters beginning with o, one for each user and Open Platform account; empty where there is none.
func (m *mint) unionID(userID, platform string) string {
	if platform == "" {
		return ""
	}
	return "o" + base64.RawURLEncoding.EncodeToString(m.digest("unionid", userID, platform))[:27]
}

// code is 32 characters beginning with 0, as WeChat's authorization codes.
func (m *mint) code() string { return "0" + alphanumeric(m.next("code"), 31) }

// token is an access or refresh token of 89 characters.
func (m *mint) token() string { return "59_" + base64.RawURLEncoding.EncodeToString(m.next("token")) }

// nonce is n letters and digits, n at most 64.
func (m *mint) nonce(n int) string { return alphanumeric(m.next("nonce"), n) }

// rid is the request id in errmsg; its first group is the Unix time in hexadecimal.
func (m *mint) rid(unix int64) string {
	d := m.next("rid")
	return fmt.Sprintf("%08x-%x-%x", unix, d[:4], d[4:8])
}

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func alphanumeric(digest []byte, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[int(digest[i])%len(alphabet)]
	}
	return string(out)
}

var (
	familyNames = []rune("王李张刘陈杨黄赵周吴徐孙马朱胡郭何林高罗")
	givenNames  = []rune("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚")
)

// nickname makes a name up for a user who was given none.
func (m *mint) nickname(userID string) string {
	d := m.digest("nickname", userID)
	name := []rune{familyNames[int(d[0])%len(familyNames)], givenNames[int(d[1])%len(givenNames)]}
	if d[2]%2 == 0 {
		name = append(name, givenNames[int(d[3])%len(givenNames)])
	}
	return string(name)
}

// avatarPath is the path of a user's picture; it changes with each new version of the profile.
func (m *mint) avatarPath(userID string, version int) string {
	d := m.digest("avatar", userID, strconv.Itoa(version))
	return "/mmopen/vi_32/" + base64.RawURLEncoding.EncodeToString(d[:48]) + "/132"
}

// sessionKey is 16 bytes in base64, as jscode2session hands out.
func (m *mint) sessionKey() string {
	return base64.StdEncoding.EncodeToString(m.next("session_key")[:16])
}
