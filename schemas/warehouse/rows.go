package warehouse

import "time"

// The rows that the linker writes, one type a table; see the migrations for what
// each column means. Amount is signed, in minor units. Times are in UTC.
type (
	// PurchaseRow is a row of purchases.
	PurchaseRow struct {
		Identity, OrderKey uint64
		AppID, OrderID     string
		RefundID, Kind     string
		Amount             int64
		Currency           string
		OccurredAt         time.Time
		Revision           uint32
		Digest             uint64
		EventID            string
		SKU, Name          []string
		Category           []string
		Quantity           []int64
		ItemAmount         []int64
		StreamTime         time.Time
	}
	// StatementRow is a row of statements.
	StatementRow struct {
		Identity       uint64
		Space          string
		OccurredAt     time.Time
		Digest         uint64
		Action         string
		Key            uint64
		Value, EventID string
		Source         string
		StreamTime     time.Time
	}
	// IdentityRow is a row of identities.
	IdentityRow struct {
		Identity      uint64
		AppID, OpenID string
		FirstSeen     time.Time
		OccurredAt    time.Time
	}
	// ProfileRow is a row of profiles.
	ProfileRow struct {
		Identity   uint64
		Field      string
		OccurredAt time.Time
		Digest     uint64
		Value      string
		StreamTime time.Time
	}
	// ErasureRow is a row of erasures.
	ErasureRow struct {
		Identity   uint64
		OccurredAt time.Time
		Digest     uint64
		EventID    string
		StreamTime time.Time
	}
	// MessageRow is a row of messages.
	MessageRow struct {
		Epoch, Seq, Identity uint64
		Outcome              string
		StreamTime           time.Time
	}
	// PersonRow is a row of persons.
	PersonRow struct {
		Identity uint64
		Learnt   time.Time
		Person   uint64
		Cause    string
		Written  uint64
	}
)
