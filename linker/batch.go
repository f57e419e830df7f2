package linker

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// delivery is one message and what it says.
type delivery struct {
	msg    jetstream.Msg
	seq    uint64
	stream time.Time
	// event is nil where refusal is not.
	event   schemas.Event
	refusal *schemas.Refusal
}

// source is who stated the event, as evidence has it: what the publisher wrote in the
// header, at most 128 bytes of it, or "nats".
func (d *delivery) source() string {
	s := d.msg.Headers().Get(stream.HeaderSource)
	if s == "" {
		return "nats"
	}
	return s[:min(len(s), schemas.MaxIdentifierBytes)]
}

// batch is a set of deliveries that are stored together.
type batch struct {
	epoch      uint64
	deliveries []delivery
}

// read decodes messages as strictly as ingest does, since back ends may publish
// straight to NATS. It judges times by the stream's clock, so that a replay comes
// to the same result.
func (l *Linker) read(msgs []jetstream.Msg, epoch uint64) *batch {
	b := &batch{epoch: epoch, deliveries: make([]delivery, 0, len(msgs))}
	for _, m := range msgs {
		d := delivery{msg: m}
		meta, err := m.Metadata()
		if err != nil {
			// Only a message that JetStream did not deliver has none; it cannot be answered.
			l.deps.Log.Error("a message without JetStream metadata was left alone", "error", err)
			continue
		}
		d.seq, d.stream = meta.Sequence.Stream, meta.Timestamp.UTC().Truncate(time.Millisecond)
		event, err := l.decode(m.Subject(), m.Data(), d.stream)
		var r *schemas.Refusal
		switch {
		case err == nil:
			d.event = event
		case errors.As(err, &r):
			d.refusal = r
		default:
			d.refusal = &schemas.Refusal{Type: schemas.RefusedJSON, Detail: err.Error()}
		}
		b.deliveries = append(b.deliveries, d)
	}
	return b
}

// RefusedSubject is the reason of a dead letter whose payload is of another account
// than its subject.
const RefusedSubject = "subject-mismatch"

func (l *Linker) decode(subject string, data []byte, now time.Time) (schemas.Event, error) {
	kind, appid, ok := stream.ParseSubject(subject)
	if !ok {
		return nil, &schemas.Refusal{Type: RefusedSubject, Detail: "the subject is none of unionlink's"}
	}
	e, err := schemas.Decode(kind, data)
	if err != nil {
		return nil, err
	}
	switch {
	case e.Head().AppID != appid:
		return nil, &schemas.Refusal{Type: RefusedSubject, Field: "appid", Detail: "is not the account of the subject"}
	case l.accounts[appid] == nil:
		return nil, &schemas.Refusal{Type: schemas.RefusedAccount, Field: "appid", Detail: "is not among the configured accounts"}
	}
	if err := schemas.CheckTime(e, now); err != nil {
		return nil, err
	}
	schemas.FillEventID(e)
	return e, nil
}

// rows are what a batch puts into each table.
type rows struct {
	identities []warehouse.IdentityRow
	statements []warehouse.StatementRow
	profiles   []warehouse.ProfileRow
	purchases  []warehouse.PurchaseRow
	erasures   []warehouse.ErasureRow
	messages   []warehouse.MessageRow

	epoch uint64
	// named has the place in identities of each identity that is there.
	named map[uint64]int
}

// The outcomes of a message.
const (
	outcomeCounted    = "counted"
	outcomeSnapshot   = "snapshot"
	outcomeErased     = "erased"
	outcomeDeadLetter = "dead-letter"
)

// rows translates deliveries. ledger has, for erased identities, the moment up to
// which their facts are void: those facts go under a pseudonym or nowhere.
func (l *Linker) rows(b *batch, ledger ledger) *rows {
	r := &rows{epoch: b.epoch, named: map[uint64]int{}}
	for i := range b.deliveries {
		d := &b.deliveries[i]
		if d.refusal != nil {
			r.message(d, 0, outcomeDeadLetter)
			continue
		}
		head := d.event.Head()
		who := head.Identity()
		erased := ledger.covers(who, head.OccurredAt)
		switch e := d.event.(type) {
		case *schemas.Login:
			l.login(r, d, e, who, erased)
		case *schemas.Purchase:
			l.purchase(r, d, e, who, erased)
		case *schemas.Identity:
			r.identity(d, e, who, ledger)
		}
	}
	return r
}

func (r *rows) message(d *delivery, who uint64, outcome string) {
	r.messages = append(r.messages, warehouse.MessageRow{Epoch: r.epoch, Seq: d.seq, Identity: who, Outcome: outcome, StreamTime: d.stream})
}

func (r *rows) identityRow(who uint64, appid, openid string, d *delivery) {
	occurred := d.event.Head().OccurredAt
	if i, ok := r.named[who]; ok {
		row := &r.identities[i]
		if d.stream.Before(row.FirstSeen) {
			row.FirstSeen = d.stream
		}
		if occurred.After(row.OccurredAt) {
			row.OccurredAt = occurred
		}
		return
	}
	r.named[who] = len(r.identities)
	r.identities = append(r.identities, warehouse.IdentityRow{Identity: who, AppID: appid, OpenID: openid, FirstSeen: d.stream, OccurredAt: occurred})
}

func (r *rows) hold(d *delivery, who uint64, space, value string) {
	h := d.event.Head()
	r.statements = append(r.statements, warehouse.StatementRow{
		Identity: who, Space: space, OccurredAt: h.OccurredAt, Digest: d.event.Digest(), Action: "hold",
		Key: schemas.KeyHash(space, value), Value: value, EventID: h.EventID, Source: d.source(), StreamTime: d.stream,
	})
}

func (l *Linker) login(r *rows, d *delivery, e *schemas.Login, who uint64, erased bool) {
	switch {
	case e.SnapshotUser:
		r.message(d, 0, outcomeSnapshot)
		return
	case erased:
		r.message(d, who, outcomeErased)
		return
	}
	r.message(d, who, outcomeCounted)
	r.identityRow(who, e.AppID, e.OpenID, d)
	if e.UnionID != "" {
		r.hold(d, who, l.accounts[e.AppID].PlatformAt(e.OccurredAt), e.UnionID)
	}
	for _, k := range e.Keys {
		r.hold(d, who, k.Space, k.Value)
	}
	if e.Profile != nil {
		r.profile(d, who, "nickname", e.Profile.Nickname)
		r.profile(d, who, "headimgurl", e.Profile.HeadImgURL)
	}
}

func (r *rows) profile(d *delivery, who uint64, field, value string) {
	if value == "" {
		return
	}
	r.profiles = append(r.profiles, warehouse.ProfileRow{
		Identity: who, Field: field, OccurredAt: d.event.Head().OccurredAt, Digest: d.event.Digest(), Value: value, StreamTime: d.stream,
	})
}

func (l *Linker) purchase(r *rows, d *delivery, e *schemas.Purchase, who uint64, erased bool) {
	openid := e.OpenID
	if erased {
		r.message(d, who, outcomeErased)
		who = schemas.Pseudonym(who)
		openid = schemas.PseudonymOpenID(who)
	} else {
		r.message(d, who, outcomeCounted)
	}
	r.identityRow(who, e.AppID, openid, d)
	if e.UnionID != "" && !erased {
		r.hold(d, who, l.accounts[e.AppID].PlatformAt(e.OccurredAt), e.UnionID)
	}
	r.purchases = append(r.purchases, purchaseRow(e, who, d))
}

func purchaseRow(e *schemas.Purchase, who uint64, d *delivery) warehouse.PurchaseRow {
	p := warehouse.PurchaseRow{
		Identity: who, OrderKey: e.OrderKey(), AppID: e.AppID, OrderID: e.OrderID, RefundID: e.RefundID, Kind: string(e.PurchaseKind),
		Amount: e.Amount, Currency: e.Currency, OccurredAt: e.OccurredAt, Revision: e.Revision, Digest: e.Digest(), EventID: e.EventID,
		SKU: []string{}, Name: []string{}, Category: []string{}, Quantity: []int64{}, ItemAmount: []int64{}, StreamTime: d.stream,
	}
	if e.PurchaseKind == schemas.PurchaseKindRefund {
		p.Amount = -e.Amount
	}
	for _, it := range e.Items {
		p.SKU, p.Name, p.Category = append(p.SKU, it.SKU), append(p.Name, it.Name), append(p.Category, it.Category)
		p.Quantity, p.ItemAmount = append(p.Quantity, it.Quantity), append(p.ItemAmount, it.Amount)
	}
	return p
}

func (r *rows) identity(d *delivery, e *schemas.Identity, who uint64, ledger ledger) {
	st := warehouse.StatementRow{
		Identity: who, Space: e.Space, OccurredAt: e.OccurredAt, Digest: e.Digest(), Action: "unlink",
		EventID: e.EventID, Source: d.source(), StreamTime: d.stream,
	}
	switch {
	case e.Action == schemas.ActionErase:
		// Once more after it was carried out: the ledger's row is the same, and stays.
		r.message(d, who, outcomeErased)
		r.erasures = append(r.erasures, warehouse.ErasureRow{
			Identity: who, OccurredAt: e.OccurredAt, Digest: e.Digest(), EventID: e.EventID, StreamTime: d.stream,
		})
		return
	case ledger.covers(who, e.OccurredAt):
		r.message(d, who, outcomeErased)
		return
	case e.Action == schemas.ActionMigrate:
		r.migrate(d, e, &st, ledger)
	}
	r.message(d, who, outcomeCounted)
	r.identityRow(who, e.AppID, e.OpenID, d)
	r.statements = append(r.statements, st)
}

// migrate makes st one end of an edge and adds the other. Each end's value names the
// identity at the other by its hash only, so that erasing one leaves no trace at the other.
func (r *rows) migrate(d *delivery, e *schemas.Identity, st *warehouse.StatementRow, ledger ledger) {
	from, to := e.From(), st.Identity
	st.Action, st.Space, st.Key, st.Value = "edge", schemas.SpaceMigrate, schemas.EdgeKey(from, to), hashText(from)
	if ledger.covers(from, e.OccurredAt) {
		return
	}
	end := *st
	end.Identity, end.Value = from, hashText(to)
	r.identityRow(from, e.FromAppID, e.FromOpenID, d)
	r.statements = append(r.statements, end)
}

func hashText(h uint64) string { return fmt.Sprintf("%016x", h) }
