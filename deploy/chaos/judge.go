package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// Violation is one broken promise. Detail names the event or row.
type Violation struct{ Kind, Detail string }

// Verdict is what the judge found after a run was drained.
type Verdict struct {
	// Events were intended, of which Acked, Rejected and Unknown (never answered).
	Events, Acked, Rejected, Unknown int
	// Messages are in the stream, DeadLetters beside it.
	Messages, DeadLetters int
	// Orders are the rows that analysts see, Identities and Persons behind them.
	Orders, Identities, Persons int
	Violations                  []Violation
}

// Kinds counts the violations by kind.
func (v *Verdict) Kinds() map[string]int {
	out := map[string]int{}
	for _, x := range v.Violations {
		out[x.Kind]++
	}
	return out
}

// String is a summary of a few lines; of each kind of violation it shows three.
func (v *Verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events: %d acknowledged, %d rejected, %d never answered; %d messages in the stream, %d dead letters; %d orders of %d identities, %d persons",
		v.Events, v.Acked, v.Rejected, v.Unknown, v.Messages, v.DeadLetters, v.Orders, v.Identities, v.Persons)
	kinds := v.Kinds()
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(&b, "\n  %s: %d", kind, kinds[kind])
		shown := 0
		for _, x := range v.Violations {
			if x.Kind == kind && shown < 3 {
				fmt.Fprintf(&b, "\n    %s", x.Detail)
				shown++
			}
		}
	}
	return b.String()
}

func (v *Verdict) violate(kind, format string, args ...any) {
	v.Violations = append(v.Violations, Violation{Kind: kind, Detail: fmt.Sprintf(format, args...)})
}

// judge compares what the producers were told with what the analysts see. The rig must
// be calm and drained.
func (r *rig) judge(ctx context.Context, j *journal) (*Verdict, error) {
	v := &Verdict{Violations: slices.Clone(j.faults), Events: len(j.intents)}
	v.Acked, v.Rejected, v.Unknown = j.counts()
	stored, messages, err := r.ids(ctx, stream.Events)
	if err != nil {
		return nil, err
	}
	dead, letters, err := r.ids(ctx, stream.DeadLetters)
	if err != nil {
		return nil, err
	}
	v.Messages, v.DeadLetters = messages, letters
	v.judgeStreams(j, stored, dead)
	var events []schemas.Event
	for _, in := range j.intents {
		// What was never answered counts where the stream has it; what was acknowledged,
		// wherever it is.
		if in.event != nil && (stored[in.id] || in.verdict == verdictAcked) {
			events = append(events, in.event)
		}
	}
	m := newModel(events)
	return v, errors.Join(r.judgeRows(ctx, v, m), r.judgeSums(ctx, v, m), r.judgeVersions(ctx, v, m), r.judgePersons(ctx, v, m), r.judgeLedger(ctx, v))
}

// chaosID is a header that names the intent where Nats-Msg-Id does not.
const chaosID = "Chaos-Id"

// ids reads which intents a stream has, and counts its messages.
func (r *rig) ids(ctx context.Context, name string) (map[string]bool, int, error) {
	s, err := r.js.Stream(ctx, name)
	if err != nil {
		return nil, 0, fmt.Errorf("read stream %s: %w", name, err)
	}
	out := map[string]bool{}
	left := int(s.CachedInfo().State.Msgs)
	total := left
	if left == 0 {
		return out, 0, nil
	}
	reader, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return nil, 0, fmt.Errorf("read stream %s: %w", name, err)
	}
	for left > 0 {
		batch, err := reader.Fetch(min(left, 1000), jetstream.FetchMaxWait(30*time.Second))
		if err != nil {
			return nil, 0, fmt.Errorf("read stream %s: %w", name, err)
		}
		got := 0
		for m := range batch.Messages() {
			got++
			h := m.Headers()
			out[firstOf(h.Get(chaosID), h.Get("Unionlink-Msg-Id"), h.Get("Nats-Msg-Id"))] = true
		}
		if got == 0 {
			return nil, 0, fmt.Errorf("read stream %s: %d messages did not come: %w", name, left, batch.Error())
		}
		left -= got
	}
	return out, total, nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// judgeStreams compares answers with what is in the stream and in the dead letters.
func (v *Verdict) judgeStreams(j *journal, stored, dead map[string]bool) {
	for id, in := range j.intents {
		where := fmt.Sprintf("producer %d, event %d (%s)", in.producer, in.k, id)
		switch {
		case in.verdict == verdictAcked && !stored[id]:
			v.violate("acknowledged, not in the stream", "%s", where)
		case in.verdict == verdictRejected && (stored[id] || dead[id]):
			v.violate("rejected, yet stored", "%s", where)
		}
		if !stored[id] && in.verdict != verdictAcked {
			continue
		}
		if in.event == nil && !dead[id] {
			v.violate("poison, not in the dead letters", "%s", where)
		}
		if in.event != nil && dead[id] {
			v.violate("good event in the dead letters", "%s", where)
		}
	}
	for _, set := range []map[string]bool{stored, dead} {
		for id := range set {
			if j.intents[id] == nil {
				v.violate("in a stream, intended by nobody", "%q", id)
			}
		}
	}
}

func (r *rig) judgeRows(ctx context.Context, v *Verdict, m *model) error {
	rows, err := r.conn.Query(ctx, `SELECT person_id, toString(appid), order_id, toString(kind), refund_id, amount, toString(currency), occurred_at, revision, event_id FROM v_purchases`)
	if err != nil {
		return fmt.Errorf("read v_purchases: %w", err)
	}
	defer rows.Close()
	seen := map[string]bool{}
	for rows.Next() {
		var person, appid, orderID, kind, refund, currency, event string
		var amount int64
		var occurred time.Time
		var revision uint32
		if err := rows.Scan(&person, &appid, &orderID, &kind, &refund, &amount, &currency, &occurred, &revision, &event); err != nil {
			return fmt.Errorf("read v_purchases: %w", err)
		}
		v.Orders++
		key := businessKey(appid, orderID, kind, refund)
		got, want := line(person, amount, currency, occurred, revision, event), m.rows[key]
		switch {
		case seen[key]:
			v.violate("counted twice", "%s: %s", key, got)
		case want == "":
			v.violate("counted, never acknowledged nor stored", "%s: %s", key, got)
		case got != want:
			v.violate("counted wrong", "%s:\n      is     %s\n      should %s", key, got, want)
		}
		seen[key] = true
	}
	for key, want := range m.rows {
		if !seen[key] {
			v.violate("acknowledged, not counted", "%s: %s", key, want)
		}
	}
	return rows.Err()
}

func (r *rig) judgeSums(ctx context.Context, v *Verdict, m *model) error {
	rows, err := r.conn.Query(ctx, "SELECT toString(currency), sum(amount) FROM v_purchases GROUP BY currency")
	if err != nil {
		return fmt.Errorf("read sums: %w", err)
	}
	defer rows.Close()
	got := map[string]int64{}
	for rows.Next() {
		var currency string
		var sum int64
		if err := rows.Scan(&currency, &sum); err != nil {
			return fmt.Errorf("read sums: %w", err)
		}
		got[currency] = sum
	}
	if !maps.Equal(got, m.sums) {
		v.violate("sums differ", "is %v, should be %v", got, m.sums)
	}
	return rows.Err()
}

// judgeVersions checks that every purchase event is kept, superseded ones too.
func (r *rig) judgeVersions(ctx context.Context, v *Verdict, m *model) error {
	var got []string
	if err := r.conn.QueryRow(ctx, "SELECT groupUniqArray(concat(appid, ':', event_id)) FROM purchases_log").Scan(&got); err != nil {
		return fmt.Errorf("read purchases_log: %w", err)
	}
	seen := map[string]bool{}
	for _, id := range got {
		seen[id] = true
		if !m.versions[id] {
			v.violate("version in the log, never acknowledged nor stored", "%s", id)
		}
	}
	for id := range m.versions {
		if !seen[id] {
			v.violate("acknowledged, no version in the log", "%s", id)
		}
	}
	return nil
}

// presentQuery is the map of persons as the dictionaries have it.
const presentQuery = `SELECT identity, dictGetOrDefault('person_recent', 'person', identity,
	dictGetOrDefault('person_base', 'person', identity, identity)) FROM identities FINAL`

// present reads the map of persons.
func (r *rig) present(ctx context.Context) (map[uint64]uint64, error) {
	return r.pairs(ctx, presentQuery)
}

// pairs reads identities and persons.
func (r *rig) pairs(ctx context.Context, query string) (map[uint64]uint64, error) {
	rows, err := r.conn.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read the map of persons: %w", err)
	}
	defer rows.Close()
	out := map[uint64]uint64{}
	for rows.Next() {
		var who, person uint64
		if err := rows.Scan(&who, &person); err != nil {
			return nil, fmt.Errorf("read the map of persons: %w", err)
		}
		out[who] = person
	}
	return out, rows.Err()
}

func (r *rig) judgePersons(ctx context.Context, v *Verdict, m *model) error {
	got, err := r.present(ctx)
	if err != nil {
		return err
	}
	table, err := r.pairs(ctx, "SELECT identity, argMax(person, (learnt, written)) FROM persons GROUP BY identity")
	if err != nil {
		return err
	}
	persons := map[uint64]bool{}
	for who, person := range got {
		persons[person] = true
		want, ok := m.persons[who]
		if !ok {
			v.violate("identity that nobody stated", "%016x", who)
		} else if person != want {
			v.violate("wrong person", "identity %016x is %s, should be %s; the table persons says %s",
				who, schemas.PersonID(person), schemas.PersonID(want), schemas.PersonID(table[who]))
		}
	}
	for who := range m.identities {
		if _, ok := got[who]; !ok {
			v.violate("identity missing", "%016x", who)
		}
	}
	v.Identities, v.Persons = len(got), len(persons)
	return nil
}

// judgeLedger checks that every message has a row in the ledger of messages.
func (r *rig) judgeLedger(ctx context.Context, v *Verdict) error {
	var rows uint64
	if err := r.conn.QueryRow(ctx, "SELECT uniqExact(epoch, seq) FROM messages").Scan(&rows); err != nil {
		return fmt.Errorf("read the ledger of messages: %w", err)
	}
	if int(rows) != v.Messages {
		v.violate("ledger of messages differs", "%d rows for %d messages", rows, v.Messages)
	}
	return nil
}
