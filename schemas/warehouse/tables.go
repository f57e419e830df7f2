package warehouse

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The tables that the linker writes.
var (
	// Purchases is the table purchases; purchases_log follows by itself.
	Purchases = Table[PurchaseRow]{"purchases", []columnOf[PurchaseRow]{
		col("identity", func(r *PurchaseRow) uint64 { return r.Identity }),
		col("order_key", func(r *PurchaseRow) uint64 { return r.OrderKey }),
		col("appid", func(r *PurchaseRow) string { return r.AppID }),
		col("order_id", func(r *PurchaseRow) string { return r.OrderID }),
		col("refund_id", func(r *PurchaseRow) string { return r.RefundID }),
		col("kind", func(r *PurchaseRow) string { return r.Kind }),
		col("amount", func(r *PurchaseRow) int64 { return r.Amount }),
		col("currency", func(r *PurchaseRow) string { return r.Currency }),
		col("occurred_at", func(r *PurchaseRow) time.Time { return r.OccurredAt }),
		col("revision", func(r *PurchaseRow) uint32 { return r.Revision }),
		col("digest", func(r *PurchaseRow) uint64 { return r.Digest }),
		col("event_id", func(r *PurchaseRow) string { return r.EventID }),
		col("sku", func(r *PurchaseRow) []string { return r.SKU }),
		col("name", func(r *PurchaseRow) []string { return r.Name }),
		col("category", func(r *PurchaseRow) []string { return r.Category }),
		col("quantity", func(r *PurchaseRow) []int64 { return r.Quantity }),
		col("item_amount", func(r *PurchaseRow) []int64 { return r.ItemAmount }),
		col("stream_time", func(r *PurchaseRow) time.Time { return r.StreamTime }),
	}}
	// Statements is the table statements; key_identities follows by itself.
	Statements = Table[StatementRow]{"statements", []columnOf[StatementRow]{
		col("identity", func(r *StatementRow) uint64 { return r.Identity }),
		col("space", func(r *StatementRow) string { return r.Space }),
		col("occurred_at", func(r *StatementRow) time.Time { return r.OccurredAt }),
		col("digest", func(r *StatementRow) uint64 { return r.Digest }),
		col("action", func(r *StatementRow) string { return r.Action }),
		col("key", func(r *StatementRow) uint64 { return r.Key }),
		col("value", func(r *StatementRow) string { return r.Value }),
		col("event_id", func(r *StatementRow) string { return r.EventID }),
		col("source", func(r *StatementRow) string { return r.Source }),
		col("stream_time", func(r *StatementRow) time.Time { return r.StreamTime }),
	}}
	// Identities is the table identities.
	Identities = Table[IdentityRow]{"identities", []columnOf[IdentityRow]{
		col("identity", func(r *IdentityRow) uint64 { return r.Identity }),
		col("appid", func(r *IdentityRow) string { return r.AppID }),
		col("openid", func(r *IdentityRow) string { return r.OpenID }),
		col("first_seen", func(r *IdentityRow) time.Time { return r.FirstSeen }),
		col("occurred_at", func(r *IdentityRow) time.Time { return r.OccurredAt }),
	}}
	// Profiles is the table profiles.
	Profiles = Table[ProfileRow]{"profiles", []columnOf[ProfileRow]{
		col("identity", func(r *ProfileRow) uint64 { return r.Identity }),
		col("field", func(r *ProfileRow) string { return r.Field }),
		col("occurred_at", func(r *ProfileRow) time.Time { return r.OccurredAt }),
		col("digest", func(r *ProfileRow) uint64 { return r.Digest }),
		col("value", func(r *ProfileRow) string { return r.Value }),
		col("stream_time", func(r *ProfileRow) time.Time { return r.StreamTime }),
	}}
	// Erasures is the table erasures.
	Erasures = Table[ErasureRow]{"erasures", []columnOf[ErasureRow]{
		col("identity", func(r *ErasureRow) uint64 { return r.Identity }),
		col("occurred_at", func(r *ErasureRow) time.Time { return r.OccurredAt }),
		col("digest", func(r *ErasureRow) uint64 { return r.Digest }),
		col("event_id", func(r *ErasureRow) string { return r.EventID }),
		col("stream_time", func(r *ErasureRow) time.Time { return r.StreamTime }),
	}}
	// Messages is the table messages.
	Messages = Table[MessageRow]{"messages", []columnOf[MessageRow]{
		col("epoch", func(r *MessageRow) uint64 { return r.Epoch }),
		col("seq", func(r *MessageRow) uint64 { return r.Seq }),
		col("identity", func(r *MessageRow) uint64 { return r.Identity }),
		col("outcome", func(r *MessageRow) string { return r.Outcome }),
		col("stream_time", func(r *MessageRow) time.Time { return r.StreamTime }),
	}}
	personsRecent = Table[PersonRow]{"persons_recent", []columnOf[PersonRow]{
		col("written", func(r *PersonRow) uint64 { return r.Written }),
		col("identity", func(r *PersonRow) uint64 { return r.Identity }),
		col("learnt", func(r *PersonRow) time.Time { return r.Learnt }),
		col("person", func(r *PersonRow) uint64 { return r.Person }),
	}}
	personIdentities = Table[PersonRow]{"person_identities", []columnOf[PersonRow]{
		col("person", func(r *PersonRow) uint64 { return r.Person }),
		col("identity", func(r *PersonRow) uint64 { return r.Identity }),
	}}
	persons = Table[PersonRow]{"persons", []columnOf[PersonRow]{
		col("identity", func(r *PersonRow) uint64 { return r.Identity }),
		col("learnt", func(r *PersonRow) time.Time { return r.Learnt }),
		col("person", func(r *PersonRow) uint64 { return r.Person }),
		col("cause", func(r *PersonRow) string { return r.Cause }),
		col("written", func(r *PersonRow) uint64 { return r.Written }),
	}}
)

// InsertPersons stores rows of the map: first in the tables that are derived from
// persons, then in persons itself, so that rows found there are everywhere.
func InsertPersons(ctx context.Context, conn driver.Conn, rows []PersonRow) error {
	for _, table := range []Table[PersonRow]{personIdentities, personsRecent, persons} {
		if err := table.Insert(ctx, conn, rows); err != nil {
			return err
		}
	}
	return nil
}
