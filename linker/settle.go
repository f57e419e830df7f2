package linker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// settle makes the map agree with the facts for the touched identities and whoever
// they are connected with. The facts of the batch are stored already. The clock is
// taken before they are read back, so of two linkers that write the same identity,
// the one with the later clock has read at least the other's facts, and its row wins:
// no order of events, no crash and no number of linkers leaves the map in between.
//
// One case is left: a later linker may have found its right answer stored already,
// and written nothing, just before an earlier one writes a stale one. So whoever
// wrote looks again at what it wrote, until there is nothing to write.
func (l *Linker) settle(ctx context.Context, touched []uint64) error {
	if len(touched) == 0 {
		return nil
	}
	for look := touched; len(look) > 0; {
		m, err := l.moves(ctx, look)
		if err != nil {
			return err
		}
		// Told before written: were it the other way round, a crash in between would leave
		// a move that nobody is told of, since the next try finds nothing to do.
		if err := l.tell(ctx, m.changes); err != nil {
			return err
		}
		err = traced(ctx, "insert persons", len(m.rows), func(ctx context.Context) error {
			return warehouse.InsertPersons(ctx, l.deps.Warehouse, m.rows)
		})
		if err != nil {
			return err
		}
		l.metrics.moved.Add(float64(len(m.changes)))
		look = m.identities()
	}
	// Even where nothing was to write: a linker that wrote it may have died before this.
	return l.reload.now(ctx)
}

// moves are what settling has to write and to tell.
type moves struct {
	rows    []warehouse.PersonRow
	changes []change
}

func (l *Linker) moves(ctx context.Context, touched []uint64) (moves, error) {
	written, err := warehouse.Clock(ctx, l.deps.Warehouse)
	if err != nil {
		return moves{}, err
	}
	facts, err := warehouse.Neighbourhood(ctx, l.deps.Warehouse, touched)
	if err != nil {
		return moves{}, err
	}
	stored, err := l.stored(ctx, identitiesOf(facts, touched))
	if err != nil {
		return moves{}, err
	}
	history := l.rule.History(facts)
	var m moves
	for who := range stored {
		m.compare(who, stored[who], history[who], written)
	}
	return m, nil
}

func (m *moves) identities() []uint64 {
	var out []uint64
	for i := range m.rows {
		out = append(out, m.rows[i].Identity)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func identitiesOf(f identity.Facts, touched []uint64) []uint64 {
	seen := map[uint64]bool{}
	for _, who := range touched {
		seen[who] = true
	}
	for i := range f.Statements {
		seen[f.Statements[i].Identity] = true
	}
	out := make([]uint64, 0, len(seen))
	for who := range seen {
		out = append(out, who)
	}
	return out
}

// stored reads the map's rows of identities: learnt, in milliseconds, to person.
// Every identity asked for has an entry.
func (l *Linker) stored(ctx context.Context, who []uint64) (map[uint64]map[int64]uint64, error) {
	out := make(map[uint64]map[int64]uint64, len(who))
	for _, w := range who {
		out[w] = nil
	}
	const query = `SELECT identity, learnt, argMax(person, written) FROM persons WHERE identity IN (SELECT id FROM ids) GROUP BY identity, learnt`
	err := warehouse.ReadByIDs(ctx, l.deps.Warehouse, query, who, func(rows driver.Rows) error {
		var id, person uint64
		var learnt time.Time
		if err := rows.Scan(&id, &learnt, &person); err != nil {
			return err
		}
		if out[id] == nil {
			out[id] = map[int64]uint64{}
		}
		out[id][learnt.UnixMilli()] = person
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the map of persons: %w", err)
	}
	return out, nil
}

// compare adds what makes the stored history of an identity the right one. A moment
// that is stored but is none of the right history keeps its row, with the person who
// was right then. Where anything is written, all of the identity's rows are, so that
// persons_recent has the last one.
func (m *moves) compare(who uint64, stored map[int64]uint64, history []identity.Change, written uint64) {
	right := make(map[int64]identity.Change, len(history)+len(stored))
	for _, c := range history {
		right[c.Learnt] = c
	}
	for learnt := range stored {
		if _, ok := right[learnt]; !ok {
			right[learnt] = at(history, who, learnt)
		}
	}
	same := true
	for learnt, c := range right {
		person, ok := stored[learnt]
		same = same && ok && person == c.Person
	}
	if same {
		return
	}
	for learnt, c := range right {
		m.rows = append(m.rows, warehouse.PersonRow{
			Identity: who, Learnt: time.UnixMilli(learnt).UTC(), Person: c.Person, Cause: c.Cause, Written: written,
		})
	}
	from, to := present(stored, who), at(history, who, never)
	if from != to.Person {
		m.changes = append(m.changes, change{identity: who, from: from, to: to, written: written})
	}
}

// never stands for the end of time.
const never = int64(1)<<62 - 1

// at is the person that a history gives at a moment.
func at(history []identity.Change, who uint64, learnt int64) identity.Change {
	out := identity.Change{Learnt: learnt, Person: who}
	for _, c := range history {
		if c.Learnt > learnt {
			break
		}
		out.Person, out.Cause, out.Learnt = c.Person, c.Cause, c.Learnt
	}
	return out
}

func present(stored map[int64]uint64, who uint64) uint64 {
	last, person := int64(-1)<<62, who
	for learnt, p := range stored {
		if learnt > last {
			last, person = learnt, p
		}
	}
	return person
}

// reloader loads the small dictionary; callers that come while a load is under way
// share the next one, since the one under way may not see their rows.
type reloader struct {
	conn driver.Conn
	mu   sync.Mutex
	next *reload
}

type reload struct {
	once sync.Once
	err  error
}

func (r *reloader) now(ctx context.Context) error {
	r.mu.Lock()
	if r.next == nil {
		r.next = &reload{}
	}
	mine := r.next
	r.mu.Unlock()
	mine.once.Do(func() {
		r.mu.Lock()
		r.next = nil
		r.mu.Unlock()
		mine.err = warehouse.ReloadRecent(ctx, r.conn)
	})
	return mine.err
}
