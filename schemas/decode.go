package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxEventBytes bounds one event's JSON, below NATS's default payload of 1 MiB.
const MaxEventBytes = 512 << 10

// wireHead is the envelope as JSON has it.
type wireHead struct {
	EventID    string `json:"event_id,omitempty"`
	OccurredAt string `json:"occurred_at"`
	AppID      string `json:"appid"`
	OpenID     string `json:"openid"`
}

type wireLogin struct {
	wireHead
	UnionID      string   `json:"unionid,omitempty"`
	Scope        string   `json:"scope,omitempty"`
	SnapshotUser bool     `json:"snapshot_user,omitempty"`
	Profile      *Profile `json:"profile,omitempty"`
	Keys         []Key    `json:"keys,omitempty"`
}

type wirePurchase struct {
	wireHead
	OrderID  string `json:"order_id"`
	Kind     string `json:"kind"`
	RefundID string `json:"refund_id,omitempty"`
	// Amount is a pointer since an absent amount is not one of zero.
	Amount   *int64 `json:"amount"`
	Currency string `json:"currency"`
	Revision uint32 `json:"revision"`
	UnionID  string `json:"unionid,omitempty"`
	Items    []Item `json:"items,omitempty"`
}

type wireIdentity struct {
	wireHead
	Action     string `json:"action"`
	Space      string `json:"space,omitempty"`
	FromAppID  string `json:"from_appid,omitempty"`
	FromOpenID string `json:"from_openid,omitempty"`
}

// Decode reads one event of the given kind and validates it. Unknown fields are
// kept out. The error is a *Refusal. An absent event_id stays empty: see FillEventID.
func Decode(kind Kind, data []byte) (Event, error) {
	e, err := decode(kind, data)
	if err != nil {
		return nil, err
	}
	if err := e.Validate(); err != nil {
		return nil, err
	}
	return e, nil
}

func decode(kind Kind, data []byte) (Event, error) {
	if len(data) > MaxEventBytes {
		return nil, refuse(RefusedTooLarge, "", "the event is %d bytes long; at most %d are taken", len(data), MaxEventBytes)
	}
	if !utf8.Valid(data) {
		return nil, refuse(RefusedUTF8, "", "the event is not valid UTF-8")
	}
	switch kind {
	case KindLogin:
		var w wireLogin
		if err := unmarshal(data, &w); err != nil {
			return nil, err
		}
		return w.event()
	case KindPurchase:
		var w wirePurchase
		if err := unmarshal(data, &w); err != nil {
			return nil, err
		}
		return w.event()
	case KindIdentity:
		var w wireIdentity
		if err := unmarshal(data, &w); err != nil {
			return nil, err
		}
		return w.event()
	}
	return nil, refuse(RefusedKind, "", "%q is not a kind of event", kind)
}

// unmarshal is encoding/json with its errors as refusals that name the field.
func unmarshal(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		field := strings.TrimPrefix(wrong.Field, "wireHead.")
		if strings.HasSuffix(field, "amount") || strings.HasSuffix(field, "quantity") {
			return refuse(RefusedAmount, field, "is %s; a whole number in minor units is wanted", wrong.Value)
		}
		return refuse(RefusedFieldType, field, "is %s; %s is wanted", wrong.Value, jsonKind(wrong.Type.Kind()))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(RefusedJSON, "", "the JSON ends too early")
	case err != nil:
		return refuse(RefusedJSON, "", "is not JSON: %s", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse(RefusedJSON, "", "has more after the JSON object")
	}
	return nil
}

// jsonKind names a Go kind as JSON calls it.
func jsonKind(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Struct, reflect.Pointer:
		return "an object"
	default:
		return "a whole number in range"
	}
}

func (w *wireHead) envelope() (Envelope, error) {
	e := Envelope{EventID: w.EventID, AppID: w.AppID, OpenID: w.OpenID}
	if w.OccurredAt == "" {
		return e, nil // Validate tells that it is missing
	}
	at, err := ParseTime(w.OccurredAt)
	if err != nil {
		return e, refuse(RefusedTime, "occurred_at", "%s", err)
	}
	e.OccurredAt = at
	return e, nil
}

// ParseTime reads RFC 3339 with up to microseconds and returns it in UTC.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, errors.New("is not an RFC 3339 time such as 2026-11-22T10:00:00.123Z")
	}
	if t.Nanosecond()%1000 != 0 {
		return time.Time{}, errors.New("is finer than a microsecond")
	}
	return t.UTC(), nil
}

func (w *wireLogin) event() (Event, error) {
	head, err := w.envelope()
	return &Login{Envelope: head, UnionID: w.UnionID, Scope: w.Scope, SnapshotUser: w.SnapshotUser, Profile: w.Profile, Keys: w.Keys}, err
}

func (w *wirePurchase) event() (Event, error) {
	head, err := w.envelope()
	if err != nil {
		return nil, err
	}
	if w.Amount == nil {
		return nil, refuse(RefusedMissing, "amount", "is required")
	}
	return &Purchase{
		Envelope: head, OrderID: w.OrderID, PurchaseKind: PurchaseKind(w.Kind), RefundID: w.RefundID, Amount: *w.Amount,
		Currency: w.Currency, Revision: w.Revision, UnionID: w.UnionID, Items: w.Items,
	}, nil
}

func (w *wireIdentity) event() (Event, error) {
	head, err := w.envelope()
	return &Identity{Envelope: head, Action: Action(w.Action), Space: w.Space, FromAppID: w.FromAppID, FromOpenID: w.FromOpenID}, err
}

// Encode writes an event as Decode reads it, without a trailing newline.
func Encode(e Event) ([]byte, error) {
	h := e.Head()
	head := wireHead{EventID: h.EventID, OccurredAt: h.OccurredAt.UTC().Format(time.RFC3339Nano), AppID: h.AppID, OpenID: h.OpenID}
	var w any
	switch e := e.(type) {
	case *Login:
		w = wireLogin{wireHead: head, UnionID: e.UnionID, Scope: e.Scope, SnapshotUser: e.SnapshotUser, Profile: e.Profile, Keys: e.Keys}
	case *Purchase:
		w = wirePurchase{
			wireHead: head, OrderID: e.OrderID, Kind: string(e.PurchaseKind), RefundID: e.RefundID, Amount: &e.Amount,
			Currency: e.Currency, Revision: e.Revision, UnionID: e.UnionID, Items: e.Items,
		}
	case *Identity:
		w = wireIdentity{wireHead: head, Action: string(e.Action), Space: e.Space, FromAppID: e.FromAppID, FromOpenID: e.FromOpenID}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
