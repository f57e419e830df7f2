package schemas

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// canonical builds an event's canonical encoding: its CloudEvents type, then its
// fields in the order of section 2 of the design. A text is its length in bytes
// (big-endian uint32) and its bytes; a number is a big-endian int64; a time is
// its microseconds since 1970 as a number; a list is its length as a number and
// its elements. An absent text is an empty one.
type canonical struct{ buf []byte }

func (c *canonical) text(s string) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(s)))
	c.buf = append(c.buf, s...)
}

func (c *canonical) number(n int64) { c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(n)) }

func (c *canonical) flag(b bool) {
	if b {
		c.number(1)
		return
	}
	c.number(0)
}

func (c *canonical) head(k Kind, e *Envelope) {
	c.text(k.Type())
	c.text(e.EventID)
	c.number(e.OccurredAt.UnixMicro())
	c.text(e.AppID)
	c.text(e.OpenID)
}

func (l *Login) canonical(c *canonical) {
	c.head(KindLogin, &l.Envelope)
	c.text(l.UnionID)
	c.text(l.Scope)
	c.flag(l.SnapshotUser)
	p := l.Profile
	if p == nil {
		p = &Profile{}
	}
	c.text(p.Nickname)
	c.text(p.HeadImgURL)
	c.number(int64(len(l.Keys)))
	for _, k := range l.Keys {
		c.text(k.Space)
		c.text(k.Value)
	}
}

func (p *Purchase) canonical(c *canonical) {
	c.head(KindPurchase, &p.Envelope)
	c.text(p.OrderID)
	c.text(string(p.PurchaseKind))
	c.text(p.RefundID)
	c.number(p.Amount)
	c.text(p.Currency)
	c.number(int64(p.Revision))
	c.text(p.UnionID)
	c.number(int64(len(p.Items)))
	for _, i := range p.Items {
		c.text(i.SKU)
		c.text(i.Name)
		c.text(i.Category)
		c.number(i.Quantity)
		c.number(i.Amount)
	}
}

func (i *Identity) canonical(c *canonical) {
	c.head(KindIdentity, &i.Envelope)
	c.text(string(i.Action))
	c.text(i.Space)
	c.text(i.FromAppID)
	c.text(i.FromOpenID)
}

func digest(e Event) uint64 {
	c := canonical{buf: make([]byte, 0, 256)}
	e.canonical(&c)
	return xxhash.Sum64(c.buf)
}

// Digest is the XXH64 of the login's canonical encoding.
func (l *Login) Digest() uint64 { return digest(l) }

// Digest is the XXH64 of the purchase's canonical encoding.
func (p *Purchase) Digest() uint64 { return digest(p) }

// Digest is the XXH64 of the identity event's canonical encoding.
func (i *Identity) Digest() uint64 { return digest(i) }
