package schemas

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of an event. They keep one event's rows bounded and sums far from overflow.
const (
	// MaxIdentifierBytes bounds appid, openid, unionid, ids and key values.
	MaxIdentifierBytes = 128
	// MaxAmount bounds one order, in minor units: a hundred billion yuan.
	MaxAmount = 10_000_000_000_000
	// MaxRevision is the highest revision of a purchase (22 bits: see warehouse.PurchaseVersion).
	MaxRevision = 1<<22 - 1
	// MaxItems bounds the lines of one order, MaxKeys the keys of one login.
	MaxItems = 1000
	MaxKeys  = 32
	// MaxTextBytes bounds names, categories, nicknames and addresses.
	MaxTextBytes = 2048
	// MaxFuture is how far occurred_at may be ahead of the clock that judges it.
	MaxFuture = 24 * time.Hour
)

// SpaceMigrate is the space in which migrates are undone: an unlink of it voids the
// identity's migrates. No key may be in it.
const SpaceMigrate = "migrate"

// earliest is the first moment that an event may have happened: long before WeChat
// (2011), since real purchase histories reach further back, and after every
// "zero" date that broken publishers send.
var earliest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// unreal are values that programs write where they have none.
var unreal = []string{"undefined", "null", "none", "0", "nan", "[object object]"}

// CheckIdentifier refuses values that cannot be real identifiers: empty, the
// names of nothing in various languages, white space around or throughout,
// control characters, invalid UTF-8, more than MaxIdentifierBytes.
func CheckIdentifier(field, value string) error {
	if r := checkIdentifier(field, value); r != nil {
		return r
	}
	return nil
}

func checkIdentifier(field, value string) *Refusal {
	switch {
	case value == "":
		return refuse(RefusedMissing, field, "is required")
	case len(value) > MaxIdentifierBytes:
		return refuse(RefusedIdentifier, field, "is %d bytes long; at most %d are taken", len(value), MaxIdentifierBytes)
	case !utf8.ValidString(value):
		return refuse(RefusedUTF8, field, "is not valid UTF-8")
	case strings.TrimSpace(value) != value:
		return refuse(RefusedIdentifier, field, "has white space around it")
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) || r == '\uFEFF' || r == utf8.RuneError }):
		return refuse(RefusedIdentifier, field, "has control characters")
	}
	for _, u := range unreal {
		if strings.EqualFold(value, u) {
			return refuse(RefusedIdentifier, field, "%q is what programs write where they have no value", value)
		}
	}
	return nil
}

// checkWeChatID is checkIdentifier for identifiers that WeChat makes, which never
// hold white space. An appid is also part of a NATS subject.
func checkWeChatID(field, value string) *Refusal {
	if r := checkIdentifier(field, value); r != nil {
		return r
	}
	if strings.ContainsFunc(value, unicode.IsSpace) {
		return refuse(RefusedIdentifier, field, "has white space in it")
	}
	if field != "openid" && field != "unionid" && field != "from_openid" && strings.ContainsAny(value, ".*>") {
		return refuse(RefusedIdentifier, field, "has one of the characters . * > in it")
	}
	return nil
}

func checkText(field, value string) *Refusal {
	if len(value) > MaxTextBytes {
		return refuse(RefusedTooLarge, field, "is %d bytes long; at most %d are taken", len(value), MaxTextBytes)
	}
	if !utf8.ValidString(value) {
		return refuse(RefusedUTF8, field, "is not valid UTF-8")
	}
	return nil
}

// first returns the first fault as an error, nil where there is none.
func first(faults ...*Refusal) error {
	for _, f := range faults {
		if f != nil {
			return f
		}
	}
	return nil
}

func (e *Envelope) fault() *Refusal {
	if r := checkWeChatID("appid", e.AppID); r != nil {
		return r
	}
	if r := checkWeChatID("openid", e.OpenID); r != nil {
		return r
	}
	if e.EventID != "" {
		if r := checkIdentifier("event_id", e.EventID); r != nil {
			return r
		}
	}
	switch {
	case e.OccurredAt.IsZero():
		return refuse(RefusedMissing, "occurred_at", "is required")
	case e.OccurredAt.Before(earliest):
		return refuse(RefusedTime, "occurred_at", "is before %d", earliest.Year())
	}
	return nil
}

// CheckTime refuses an event that happened more than MaxFuture after now, the
// moment at which it was received. Ingest gives the wall clock, the linker the
// stream's time, so that a replay judges as the first delivery did.
func CheckTime(e Event, now time.Time) error {
	if e.Head().OccurredAt.After(now.Add(MaxFuture)) {
		return refuse(RefusedTime, "occurred_at", "is more than %d hours ahead of the time it was received", int(MaxFuture.Hours()))
	}
	return nil
}

func optionalUnionID(v string) *Refusal {
	if v == "" {
		return nil
	}
	return checkWeChatID("unionid", v)
}

// Validate returns the first fault as a *Refusal, or nil.
func (l *Login) Validate() error {
	if err := first(l.fault(), optionalUnionID(l.UnionID), checkText("scope", l.Scope)); err != nil {
		return err
	}
	if p := l.Profile; p != nil {
		if err := first(checkText("profile.nickname", p.Nickname), checkText("profile.headimgurl", p.HeadImgURL)); err != nil {
			return err
		}
	}
	if len(l.Keys) > MaxKeys {
		return refuse(RefusedTooLarge, "keys", "has %d keys; at most %d are taken", len(l.Keys), MaxKeys)
	}
	spaces := make(map[string]bool, len(l.Keys))
	for i, k := range l.Keys {
		at := "keys[" + strconv.Itoa(i) + "]"
		if err := first(checkIdentifier(at+".space", k.Space), checkIdentifier(at+".value", k.Value)); err != nil {
			return err
		}
		if k.Space == SpaceMigrate {
			return refuse(RefusedIdentifier, at+".space", "%q is kept for migrate events", SpaceMigrate)
		}
		if spaces[k.Space] {
			return refuse(RefusedIdentifier, at+".space", "is given twice; within one space an identity holds one value")
		}
		spaces[k.Space] = true
	}
	return nil
}

// Validate returns the first fault as a *Refusal, or nil.
func (p *Purchase) Validate() error {
	if err := first(p.fault(), checkIdentifier("order_id", p.OrderID), optionalUnionID(p.UnionID)); err != nil {
		return err
	}
	switch {
	case p.PurchaseKind == "":
		return refuse(RefusedMissing, "kind", "is required: purchase or refund")
	case p.PurchaseKind != PurchaseKindPurchase && p.PurchaseKind != PurchaseKindRefund:
		return refuse(RefusedKind, "kind", "is neither purchase nor refund")
	case p.PurchaseKind == PurchaseKindRefund && p.RefundID == "":
		return refuse(RefusedRefundID, "refund_id", "is required for a refund")
	case p.PurchaseKind == PurchaseKindPurchase && p.RefundID != "":
		return refuse(RefusedKind, "refund_id", "is for refunds only")
	case p.Amount < 0 || p.Amount > MaxAmount || (p.Amount == 0 && p.PurchaseKind == PurchaseKindRefund):
		return refuse(RefusedAmount, "amount", "is an integer in minor units, from 0 (a refund: from 1) to %d", int64(MaxAmount))
	case p.Currency == "":
		return refuse(RefusedMissing, "currency", "is required: an ISO 4217 code such as CNY")
	case !KnownCurrency(p.Currency):
		return refuse(RefusedCurrency, "currency", "is not an ISO 4217 code in capitals")
	case p.Revision > MaxRevision:
		return refuse(RefusedFieldType, "revision", "is over %d", MaxRevision)
	case len(p.Items) > MaxItems:
		return refuse(RefusedTooLarge, "items", "has %d lines; at most %d are taken", len(p.Items), MaxItems)
	}
	if p.RefundID != "" {
		if r := checkIdentifier("refund_id", p.RefundID); r != nil {
			return r
		}
	}
	return p.validateItems()
}

func (p *Purchase) validateItems() error {
	for i, it := range p.Items {
		at := "items[" + strconv.Itoa(i) + "]"
		if it.SKU == "" {
			return refuse(RefusedMissing, at+".sku", "is required")
		}
		if err := first(checkText(at+".sku", it.SKU), checkText(at+".name", it.Name), checkText(at+".category", it.Category)); err != nil {
			return err
		}
		if it.Quantity < 0 || it.Quantity > 1_000_000_000 {
			return refuse(RefusedAmount, at+".quantity", "is a whole number from 0 to 1000000000")
		}
		if it.Amount < 0 || it.Amount > MaxAmount {
			return refuse(RefusedAmount, at+".amount", "is an integer in minor units, from 0 to %d", int64(MaxAmount))
		}
	}
	return nil
}

// Validate returns the first fault as a *Refusal, or nil.
func (i *Identity) Validate() error {
	if err := first(i.fault()); err != nil {
		return err
	}
	switch i.Action {
	case ActionUnlink:
		return first(checkIdentifier("space", i.Space))
	case ActionMigrate:
		if err := first(checkWeChatID("from_appid", i.FromAppID), checkWeChatID("from_openid", i.FromOpenID)); err != nil {
			return err
		}
		if i.FromAppID == i.AppID && i.FromOpenID == i.OpenID {
			return refuse(RefusedIdentifier, "from_openid", "is the identity itself")
		}
		return nil
	case ActionErase:
		return nil
	case "":
		return refuse(RefusedMissing, "action", "is required: unlink, migrate or erase")
	}
	return refuse(RefusedAction, "action", "is none of unlink, migrate, erase")
}
