package push

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unionlink/unionlink/ingest/wechat/account"
)

// errForged says that a message does not prove to be WeChat's.
var errForged = errors.New("the message is not signed by wechat for this account")

// Sign is WeChat's signature: the SHA-1, in hex, of the parts sorted and joined.
func Sign(parts ...string) string {
	sorted := slices.Sorted(slices.Values(parts))
	sum := sha1.Sum([]byte(strings.Join(sorted, "")))
	return hex.EncodeToString(sum[:])
}

func sameSignature(given string, parts ...string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(Sign(parts...))) == 1
}

// padding is the block that WeChat pads to, twice that of AES.
const padding = 32

// Decrypt opens the content of an Encrypt element: AES-256-CBC over 16 random
// bytes, the length of the message, the message, and the appid, padded by PKCS #7
// to 32 bytes. It checks that the appid is the account's.
func Decrypt(aesKey, appid, encrypted string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(aesKey + "=")
	if err != nil || len(key) != 32 {
		return nil, errors.New("the AES key is not an EncodingAESKey of 43 characters")
	}
	data, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil {
		return nil, errors.New("the encrypted message is not base64")
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errors.New("the encrypted message is not whole blocks")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use the AES key: %w", err)
	}
	cipher.NewCBCDecrypter(block, key[:aes.BlockSize]).CryptBlocks(data, data)
	pad := int(data[len(data)-1])
	if pad < 1 || pad > padding || pad > len(data) {
		return nil, errors.New("the message is not encrypted with this account's AES key")
	}
	data = data[:len(data)-pad]
	const head = 16 + 4
	if len(data) < head {
		return nil, errors.New("the decrypted message is too short")
	}
	size := uint64(binary.BigEndian.Uint32(data[16:head]))
	data = data[head:]
	if size > uint64(len(data)) {
		return nil, errors.New("the decrypted message is shorter than it says")
	}
	if string(data[size:]) != appid {
		return nil, errForged
	}
	return data[:size], nil
}

// envelope is a push as it arrived.
type envelope struct {
	signature, msgSignature, timestamp, nonce string
	body                                      []byte
}

// open proves that a push is WeChat's, for this account, and reads it. With an AES
// key only the encrypted part counts, since a plain push's signature does not cover
// its body.
func open(acc account.Account, e envelope) (message, error) {
	outer, err := parse(e.body)
	if err != nil {
		return nil, err
	}
	if acc.Push.AESKey == "" {
		if !sameSignature(e.signature, acc.Push.Token, e.timestamp, e.nonce) {
			return nil, errForged
		}
		return outer, nil
	}
	encrypted := outer["Encrypt"]
	if encrypted == "" || !sameSignature(e.msgSignature, acc.Push.Token, e.timestamp, e.nonce, encrypted) {
		return nil, errForged
	}
	inner, err := Decrypt(acc.Push.AESKey, acc.AppID, encrypted)
	if err != nil {
		return nil, err
	}
	return parse(inner)
}
