package pay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/ingest/wechat/outbox"
	"github.com/unionlink/unionlink/schemas"
)

// BillReport says what a bill held.
type BillReport struct {
	// Rows is how many there were: Payments, Refunds, Idle, Foreign and Refused.
	Rows int
	// Payments and Refunds are published; Known of them were learnt before.
	Payments, Refunds, Known int
	// Idle rows moved no money: revoked payments, refunds under way.
	Idle int
	// Foreign rows are of accounts that are not configured.
	Foreign int
	// Refused rows are not valid events, such as one without a user; Faults says of
	// the first 100 which and why.
	Refused int
	Faults  []string
	// Differ lists transactions, at most 100, of which the bill tells another amount
	// or user than what was learnt before; that stays.
	Differ []string
}

// billBatch is how many rows are published at once.
const billBatch = 200

// Bill imports a merchant's daily trade bill (交易账单, of any type) beside the
// notifications: what they brought is not counted again. progress, which may be nil,
// is called after each batch is durable. Importing a bill again, or the rest of one
// after a failure, is harmless.
func (p *Pay) Bill(ctx context.Context, mchid string, r io.Reader, progress func(BillReport)) (BillReport, error) {
	var report BillReport
	m := p.merchants[mchid]
	if m == nil {
		return report, fmt.Errorf("import a bill: merchant %q is not configured", mchid)
	}
	b, err := newBill(r)
	if err != nil {
		return report, fmt.Errorf("import a bill: %w", err)
	}
	for done := false; !done; {
		var batch []row
		for len(batch) < billBatch {
			next, err := b.read()
			if errors.Is(err, io.EOF) {
				done = true
				break
			}
			if err != nil {
				return report, fmt.Errorf("import a bill: %w", err)
			}
			batch = append(batch, next)
		}
		if err := p.importRows(ctx, m, batch, &report); err != nil {
			return report, fmt.Errorf("import a bill up to line %d: %w", b.line, err)
		}
		if progress != nil {
			progress(report)
		}
	}
	return report, nil
}

// entry is a row on its way: the event that counts for it, or why there is none.
type entry struct {
	row
	event  *schemas.Purchase
	before bool
	fault  *refusal
}

// importRows publishes a batch and adds it to the report once it is durable.
func (p *Pay) importRows(ctx context.Context, m *merchant, rows []row, report *BillReport) error {
	next := *report
	next.Differ, next.Faults = slices.Clone(report.Differ), slices.Clone(report.Faults)
	counting := make([]entry, 0, len(rows))
	for _, r := range rows {
		next.Rows++
		_, ok := p.deps.Accounts.Find(r.appid)
		switch {
		case !r.moved():
			next.Idle++
		case !ok:
			next.Foreign++
		default:
			counting = append(counting, entry{row: r})
		}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range counting {
		e := &counting[i]
		group.Go(func() (err error) {
			e.event, e.before, err = p.fromBill(groupCtx, m, e.row)
			if errors.As(err, &e.fault) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	events := make([]schemas.Event, 0, len(counting))
	for _, e := range counting {
		if e.fault == nil {
			events = append(events, e.event)
		}
	}
	if _, err := outbox.Publish(ctx, p.deps.Publisher, events...); err != nil {
		return err
	}
	for _, e := range counting {
		p.count.WithLabelValues("bill", next.add(e)).Inc()
	}
	*report = next
	return nil
}

// add counts an entry and names its outcome.
func (b *BillReport) add(e entry) (outcome string) {
	const limit = 100
	if e.fault != nil {
		b.Refused++
		if len(b.Faults) < limit {
			b.Faults = append(b.Faults, fmt.Sprintf("transaction %s: %v", e.transactionID, e.fault))
		}
		return e.fault.outcome
	}
	if e.refundID != "" {
		b.Refunds++
		outcome = "refund"
	} else {
		b.Payments++
		outcome = "payment"
	}
	if !e.before {
		return outcome
	}
	b.Known++
	if !e.agrees(e.event) && len(b.Differ) < limit {
		b.Differ = append(b.Differ, e.transactionID)
	}
	return outcome + "_again"
}

// fromBill returns the event of a row: the stored one where there is one.
func (p *Pay) fromBill(ctx context.Context, m *merchant, r row) (*schemas.Purchase, bool, error) {
	t := &transaction{AppID: r.appid, TransactionID: r.transactionID, OutTradeNo: r.outTradeNo, SuccessTime: r.at}
	t.Payer.OpenID = r.openid
	t.Amount.Total, t.Amount.Currency = r.amount, r.currency
	if r.refundID == "" {
		return p.first(ctx, paymentKey(m, r.transactionID), m.payment(t))
	}
	// A bill names the account and the user of a refund too, so that the payment,
	// which may be of another day, need not be known.
	return p.first(ctx, refundKey(m, r.transactionID, r.refundID), refundOf(m.payment(t), r.refundID, r.refundAt, r.refunded))
}

// agrees tells whether the stored event says what the row says.
func (r row) agrees(e *schemas.Purchase) bool {
	amount := r.amount
	if r.refundID != "" {
		amount = r.refunded
	}
	return e.Amount == amount && e.Currency == r.currency && e.AppID == r.appid && e.OpenID == r.openid
}
