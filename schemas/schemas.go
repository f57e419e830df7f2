// Package schemas is the contract: the events that account back ends publish,
// how each is decoded, validated, hashed and named, and nothing else.
//
// It is pure: no clock, no network, no log. What travels over NATS is in the
// sub-package stream, what is stored in ClickHouse in warehouse, the linking
// rule in identity.
//
// Decoding is strict where meaning is at stake (an unknown action or currency is
// refused) and tolerant where it is not (an unknown field is kept out).
package schemas

import "time"

// Kind says which of the three events a message is.
type Kind string

// The three kinds of event.
const (
	KindLogin    Kind = "login"
	KindPurchase Kind = "purchase"
	KindIdentity Kind = "identity"
)

// Kinds lists every kind, in the order of the documentation.
var Kinds = []Kind{KindLogin, KindPurchase, KindIdentity}

// Type is the CloudEvents type of a kind, such as "unionlink.login.v1".
func (k Kind) Type() string { return "unionlink." + string(k) + ".v1" }

// Valid tells whether k is one of the three.
func (k Kind) Valid() bool {
	return k == KindLogin || k == KindPurchase || k == KindIdentity
}

// Event is a login, a purchase or an identity event: *Login, *Purchase or *Identity.
type Event interface {
	// Kind says which one it is.
	Kind() Kind
	// Head is the part that all events share.
	Head() *Envelope
	// Validate returns the first fault as a *Refusal, or nil.
	Validate() error
	// Digest is the XXH64 of the canonical encoding, event_id included.
	Digest() uint64

	canonical(c *canonical)
}

// Envelope is what all events have.
type Envelope struct {
	// EventID is unique within the account; FillEventID makes one where it is absent.
	EventID string
	// OccurredAt is when it happened at the publisher, in UTC, to the microsecond.
	OccurredAt time.Time
	// AppID names the account, OpenID the user as that account sees them.
	AppID, OpenID string
}

// Head returns the envelope itself.
func (e *Envelope) Head() *Envelope { return e }

// Identity hashes (appid, openid): see IdentityHash.
func (e *Envelope) Identity() uint64 { return IdentityHash(e.AppID, e.OpenID) }

// Key is an identifier that may join identities, and the space it is unique in.
type Key struct {
	Space string `json:"space"`
	Value string `json:"value"`
}

// Profile is what WeChat tells of a user; an empty field states nothing.
type Profile struct {
	Nickname   string `json:"nickname,omitempty"`
	HeadImgURL string `json:"headimgurl,omitempty"`
}

// Login says that a user was seen by an account, with or without a unionid.
type Login struct {
	Envelope
	// UnionID is empty where WeChat gave none; such a login states no link and undoes none.
	UnionID string
	// Scope is the OAuth scope, such as "snsapi_userinfo"; may be empty.
	Scope string
	// SnapshotUser marks WeChat's virtual users: they state nothing and are counted apart.
	SnapshotUser bool
	Profile      *Profile
	Keys         []Key
}

// Kind is KindLogin.
func (*Login) Kind() Kind { return KindLogin }

// PurchaseKind is "purchase" or "refund".
type PurchaseKind string

// The two kinds of purchase event.
const (
	PurchaseKindPurchase PurchaseKind = "purchase"
	PurchaseKindRefund   PurchaseKind = "refund"
)

// Item is one line of an order. Amount is in the currency's minor unit.
type Item struct {
	SKU      string `json:"sku"`
	Name     string `json:"name,omitempty"`
	Category string `json:"category,omitempty"`
	Quantity int64  `json:"quantity"`
	Amount   int64  `json:"amount"`
}

// Purchase is an order paid or refunded. Its business key is (appid, order_id,
// kind, refund_id); the highest revision of a key counts, among equal ones the
// greatest digest.
type Purchase struct {
	Envelope
	OrderID      string
	PurchaseKind PurchaseKind
	// RefundID is set for refunds only.
	RefundID string
	// Amount is positive, in the currency's minor unit (fen, cents); a refund counts as negative.
	Amount int64
	// Currency is an ISO 4217 code.
	Currency string
	// Revision corrects an earlier event of the same business key; 0 to MaxRevision.
	Revision uint32
	UnionID  string
	Items    []Item
}

// Kind is KindPurchase.
func (*Purchase) Kind() Kind { return KindPurchase }

// OrderKey hashes the business key (appid, order_id, kind, refund_id).
func (p *Purchase) OrderKey() uint64 {
	return hashParts("unionlink.order.v1", p.AppID, p.OrderID, string(p.PurchaseKind), p.RefundID)
}

// Action is what an identity event asks for.
type Action string

// The actions of identity events; see section 3 of the design.
const (
	ActionUnlink  Action = "unlink"
	ActionMigrate Action = "migrate"
	ActionErase   Action = "erase"
)

// Identity is a statement about an identity itself.
type Identity struct {
	Envelope
	Action Action
	// Space is the key space that an unlink voids.
	Space string
	// FromAppID and FromOpenID name the old identity of a migrate.
	FromAppID, FromOpenID string
}

// Kind is KindIdentity.
func (*Identity) Kind() Kind { return KindIdentity }

// From hashes the old identity of a migrate.
func (i *Identity) From() uint64 { return IdentityHash(i.FromAppID, i.FromOpenID) }
