// Package jsonschema holds the contract in the languages of others: a JSON Schema
// (2020-12) for each kind of event and an AsyncAPI 3 document of the channels.
//
// The schemas say what schemas.Decode takes, as far as JSON Schema can say it: bytes
// are counted as characters, no clock judges a time, and that each key space occurs
// once stands in words. The folder examples shows what is taken and, in files named
// *.invalid.json, what is not; a test holds the schemas and schemas.Decode to both.
package jsonschema

import (
	_ "embed"

	"github.com/unionlink/unionlink/schemas"
)

//go:embed login.json
var login []byte

//go:embed purchase.json
var purchase []byte

//go:embed identity.json
var identity []byte

// AsyncAPI is the AsyncAPI 3 document, in JSON. Its payloads refer to the paths under
// which ingest serves the schemas: /schemas/v1/<kind>.json. It must not be changed.
//
//go:embed asyncapi.json
var AsyncAPI []byte

// Schema returns the JSON Schema of a kind of event; ok is false for any other kind.
// The bytes must not be changed.
func Schema(k schemas.Kind) (schema []byte, ok bool) {
	switch k {
	case schemas.KindLogin:
		return login, true
	case schemas.KindPurchase:
		return purchase, true
	case schemas.KindIdentity:
		return identity, true
	}
	return nil, false
}
