// Package letters is what ops do with dead letters: list, show, replay and drop
// them. A letter is the original message with a reason; replaying publishes the
// original to its own subject again, and removes the letter once that is stored.
// Replaying twice is harmless: the tables' keys deduplicate.
package letters

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas/stream"
)

// Letter is one dead letter.
type Letter struct {
	// Seq names the letter.
	Seq uint64 `json:"seq"`
	// Reason is the type of refusal, Detail says more.
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	// Where is the part that gave up, FailedAt when.
	Where    string    `json:"where"`
	FailedAt time.Time `json:"failed_at"`
	// Subject and StreamSeq are the original message's, Data its payload as it came.
	Subject   string `json:"subject"`
	StreamSeq uint64 `json:"stream_seq"`
	Data      []byte `json:"data"`

	header nats.Header
}

// Filter chooses letters; the zero value chooses all.
type Filter struct {
	Reason string
	// After is the letter behind which to begin; 0 is the beginning.
	After uint64
	// Since and Until bound FailedAt, half-open.
	Since, Until time.Time
	// Limit is the greatest number of letters; 0 is no limit.
	Limit int
}

func (f Filter) takes(l *Letter) bool {
	return (f.Reason == "" || f.Reason == l.Reason) && (f.Since.IsZero() || !l.FailedAt.Before(f.Since)) &&
		(f.Until.IsZero() || l.FailedAt.Before(f.Until))
}

// Box is the stream of dead letters.
type Box struct{ js jetstream.JetStream }

// New is a box over a connection.
func New(js jetstream.JetStream) *Box { return &Box{js: js} }

// ErrNotFound says that there is no such letter: it was replayed or dropped.
var ErrNotFound = errors.New("no such dead letter")

// Each calls do for the letters that the filter takes, oldest first, until do
// returns an error.
func (b *Box) Each(ctx context.Context, f Filter, do func(*Letter) error) error {
	s, err := b.js.Stream(ctx, stream.DeadLetters)
	if err != nil {
		return fmt.Errorf("look up stream %s: %w", stream.DeadLetters, err)
	}
	last := s.CachedInfo().State.LastSeq
	taken := 0
	for seq := max(s.CachedInfo().State.FirstSeq, f.After+1); seq <= last && s.CachedInfo().State.Msgs > 0; {
		// The next one at or after seq, whatever was removed in between.
		m, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(stream.DeadLetterPrefix+">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read dead letter %d: %w", seq, err)
		}
		l := open(m)
		seq = l.Seq + 1
		if !f.takes(l) {
			continue
		}
		if err := do(l); err != nil {
			return err
		}
		if taken++; taken == f.Limit {
			return nil
		}
	}
	return nil
}

// List returns the letters that the filter takes, oldest first.
func (b *Box) List(ctx context.Context, f Filter) ([]*Letter, error) {
	var out []*Letter
	err := b.Each(ctx, f, func(l *Letter) error {
		out = append(out, l)
		return nil
	})
	return out, err
}

// Show returns one letter, or ErrNotFound.
func (b *Box) Show(ctx context.Context, seq uint64) (*Letter, error) {
	s, err := b.js.Stream(ctx, stream.DeadLetters)
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", stream.DeadLetters, err)
	}
	m, err := s.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("dead letter %d: %w", seq, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read dead letter %d: %w", seq, err)
	}
	return open(m), nil
}

// Replay publishes the originals again and removes their letters, each once its
// original is stored; dry only counts. It returns how many.
func (b *Box) Replay(ctx context.Context, f Filter, dry bool) (int, error) {
	return b.sweep(ctx, f, dry, func(l *Letter) error {
		m := nats.NewMsg(l.Subject)
		m.Data = l.Data
		for name, values := range l.header {
			m.Header[name] = values
		}
		// Its first message-id may still be remembered, and would make it a duplicate.
		m.Header.Set(nats.MsgIdHdr, "replay:"+strconv.FormatUint(l.Seq, 10))
		if _, err := b.js.PublishMsg(ctx, m); err != nil {
			return fmt.Errorf("publish dead letter %d again (it stays): %w", l.Seq, err)
		}
		return nil
	})
}

// Drop removes letters for good; dry only counts. It returns how many.
func (b *Box) Drop(ctx context.Context, f Filter, dry bool) (int, error) {
	return b.sweep(ctx, f, dry, func(*Letter) error { return nil })
}

func (b *Box) sweep(ctx context.Context, f Filter, dry bool, before func(*Letter) error) (int, error) {
	s, err := b.js.Stream(ctx, stream.DeadLetters)
	if err != nil {
		return 0, fmt.Errorf("look up stream %s: %w", stream.DeadLetters, err)
	}
	n := 0
	err = b.Each(ctx, f, func(l *Letter) error {
		if !dry {
			if err := before(l); err != nil {
				return err
			}
			if err := s.DeleteMsg(ctx, l.Seq); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
				return fmt.Errorf("remove dead letter %d: %w", l.Seq, err)
			}
		}
		n++
		return nil
	})
	return n, err
}

// own are the headers that the linker added, which the original did not have.
var own = []string{
	linker.HeaderReason, linker.HeaderDetail, linker.HeaderWhere, linker.HeaderFailedAt, linker.HeaderSubject,
	linker.HeaderStreamTime, linker.HeaderSeq, linker.HeaderMsgID,
}

func open(m *jetstream.RawStreamMsg) *Letter {
	l := &Letter{
		Seq: m.Sequence, Reason: m.Header.Get(linker.HeaderReason), Detail: m.Header.Get(linker.HeaderDetail), Where: m.Header.Get(linker.HeaderWhere),
		Subject: m.Header.Get(linker.HeaderSubject), Data: m.Data, header: m.Header, FailedAt: m.Time,
	}
	// Both were written by the linker; where somebody else published here, what is unreadable stays zero.
	if at, err := time.Parse(time.RFC3339Nano, m.Header.Get(linker.HeaderFailedAt)); err == nil {
		l.FailedAt = at
	}
	if seq, err := strconv.ParseUint(m.Header.Get(linker.HeaderSeq), 10, 64); err == nil {
		l.StreamSeq = seq
	}
	for _, name := range own {
		l.header.Del(name)
	}
	for name := range l.header {
		if strings.HasPrefix(name, "Nats-") { // the server's own, for reading this very copy
			delete(l.header, name)
		}
	}
	return l
}
