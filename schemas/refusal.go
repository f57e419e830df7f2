package schemas

import "fmt"

// Refusal is why an event is not taken. Type is stable and part of the contract;
// Field is the JSON name of the field at fault, empty where it is the whole event.
type Refusal struct {
	Type   string
	Field  string
	Detail string
}

// Error shows field and detail.
func (r *Refusal) Error() string {
	if r.Field == "" {
		return r.Detail
	}
	return r.Field + ": " + r.Detail
}

// The types of refusal that this package gives. Ingest and linker add
// "unknown-account" and ingest "account-not-allowed".
const (
	RefusedJSON       = "invalid-json"
	RefusedUTF8       = "invalid-utf8"
	RefusedFieldType  = "invalid-type"
	RefusedMissing    = "missing-field"
	RefusedIdentifier = "refused-identifier"
	RefusedTime       = "invalid-time"
	RefusedAmount     = "invalid-amount"
	RefusedCurrency   = "unknown-currency"
	RefusedKind       = "unknown-kind"
	RefusedAction     = "unknown-action"
	RefusedRefundID   = "missing-refund-id"
	RefusedTooLarge   = "too-large"
	RefusedAccount    = "unknown-account"
	RefusedNotAllowed = "account-not-allowed"
)

func refuse(typ, field, format string, args ...any) *Refusal {
	return &Refusal{Type: typ, Field: field, Detail: fmt.Sprintf(format, args...)}
}
