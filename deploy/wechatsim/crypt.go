package wechatsim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// pushSignature is how WeChat signs a push: the SHA-1 of the parts, sorted and joined. With the encrypted text as a
// fourth part it is msg_signature.
func pushSignature(parts ...string) string {
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return hex.EncodeToString(sum[:])
}

// aesBlock is the block that messages are padded to. It is not AES's own of 16.
const aesBlock = 32

// encryptMessage is WeChat's message encryption: AES-256-CBC under the decoded EncodingAESKey, whose first 16 bytes
// are the IV, of 16 random bytes, the length in 4 bytes, the message and the appid. The answer is base64.
func encryptMessage(key []byte, random, message, appID string) (string, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", fmt.Errorf("encrypt message: %w", err)
	}
	if len(random) != 16 {
		return "", fmt.Errorf("encrypt message: %d random bytes, not 16", len(random))
	}
	plain := binary.BigEndian.AppendUint32([]byte(random), uint32(len(message)))
	plain = append(plain, message...)
	plain = append(plain, appID...)
	pad := aesBlock - len(plain)%aesBlock
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, key[:aes.BlockSize]).CryptBlocks(plain, plain)
	return base64.StdEncoding.EncodeToString(plain), nil
}

// xmlField is one element of a pushed message. Numbers stand as they are, everything else in CDATA.
type xmlField struct {
	name, value string
	number      bool
}

func xmlMessage(fields []xmlField) string {
	var b strings.Builder
	b.WriteString("<xml>")
	for _, f := range fields {
		b.WriteString("<" + f.name + ">")
		if f.number {
			b.WriteString(f.value)
		} else {
			b.WriteString("<![CDATA[" + strings.ReplaceAll(f.value, "]]>", "]]]]><![CDATA[>") + "]]>")
		}
		b.WriteString("</" + f.name + ">")
	}
	b.WriteString("</xml>")
	return b.String()
}
