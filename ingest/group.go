package ingest

import (
	"github.com/nats-io/nats.go"

	"github.com/unionlink/unionlink/schemas"
)

const (
	// messageOverhead is what one event takes beside its JSON: subject, headers and
	// the records that wait for its acknowledgement, in bytes, rounded up.
	messageOverhead = 1 << 10
	// maxMessageBytes is the largest message, below both NATS's default payload and
	// the stream's limit of 1 MiB, with room for the headers of a batch.
	maxMessageBytes = 1<<20 - 1<<10
)

// messageBytes is the size that limits and memory are reckoned with.
func messageBytes(m *nats.Msg) int { return m.Size() }

// group is the events that share one flight to the stream. Until its flight starts
// it is guarded by the Committer's lock; outcomes may be read once done is closed.
type group struct {
	msgs     []*nats.Msg
	at       map[string]int // Nats-Msg-Id → index into msgs
	bytes    int64
	full     chan struct{} // closed when nothing more fits
	done     chan struct{} // closed when outcomes are there
	outcomes []schemas.Outcome
}

func newGroup() *group {
	return &group{at: make(map[string]int), full: make(chan struct{}), done: make(chan struct{})}
}

func (g *group) fits(size int, cfg CommitConfig) bool {
	return len(g.msgs) < cfg.MaxEvents && g.bytes+int64(size) <= int64(cfg.MaxBytes)
}

// ticket says where an event's outcome will be.
type ticket struct {
	group *group
	index int
	// again marks an event that the group holds already: one is stored, the other is its duplicate.
	again bool
}

// add takes a message in. The same event twice becomes one message.
func (g *group) add(m *nats.Msg, size int) ticket {
	g.bytes += int64(size)
	id := m.Header.Get(nats.MsgIdHdr)
	if i, ok := g.at[id]; ok {
		return ticket{group: g, index: i, again: true}
	}
	g.at[id] = len(g.msgs)
	g.msgs = append(g.msgs, m)
	return ticket{group: g, index: len(g.msgs) - 1}
}

// outcome is read after the group is done.
func (t ticket) outcome() schemas.Outcome {
	o := t.group.outcomes[t.index]
	if t.again && o.Err == nil {
		o.Duplicate = true
	}
	return o
}
