package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas/stream"
)

// fault is something bad that happens and passes. do returns once it has passed; the
// storm then waits until everything answers again.
type fault struct {
	name, about string
	do          func(ctx context.Context, s *storm) error
}

// storm is a rig under load while faults happen to it.
type storm struct {
	*rig
	load   *load
	random *rand.Rand
	longer time.Duration
	say    func(format string, args ...any)
}

// hold lets a fault last for a third of a second to one and a third, and longer.
func (s *storm) hold(ctx context.Context) {
	sleep(ctx, s.longer+300*time.Millisecond+time.Duration(s.random.IntN(1000))*time.Millisecond)
}

// stormFaults are those that need no file system of their own.
func stormFaults() []fault {
	out := []fault{
		{"kill-ingest", "kill -9 of ingest", func(_ context.Context, s *storm) error { s.ingest.kill(); return nil }},
		{"kill-linker", "kill -9 of the linkers", func(_ context.Context, s *storm) error { s.killLinkers(); return nil }},
		{"kill-nats", "kill -9 of NATS", func(_ context.Context, s *storm) error { s.nats.kill(); return nil }},
		{"kill-clickhouse", "kill -9 of ClickHouse", func(_ context.Context, s *storm) error { s.clickhouse.killEngine(); return nil }},
		{"kill-all", "kill -9 of everything at once", killAll},
		{"clickhouse-slow", "ClickHouse takes 20 kB a second", clickhouseSlow},
		{"clickhouse-hung", "ClickHouse commits an insert and its answer never comes", clickhouseHung},
		{"clickhouse-killed-between", "kill -9 of ClickHouse between commit and answer", clickhouseKilledBetween},
		{"table-missing", "a table is renamed away and back", tableMissing},
		{"linker-restarts", "linkers are killed five times in a row while ClickHouse hangs", linkerRestarts},
		{"dead-letters-refused", "the dead letters take nothing for a while", deadLettersRefused},
		{"duplicates", "a thousand events are published again, three times each", duplicates},
		{"poison", "three hundred messages that are no events, at once", poison},
		{"scale", "linkers scaled from one to four to one, with kill -9", scale},
	}
	kinds := []struct {
		name, about string
		weather     weather
	}{
		{"cut", "refuses and closes connections", weather{refuse: true}},
		{"reset", "resets connections", weather{refuse: true, reset: true}},
		{"halve", "forwards half a chunk and closes", weather{halve: true}},
		{"delay", "holds every chunk back for 300 ms", weather{delay: 300 * time.Millisecond}},
		{"stall", "passes nothing and closes nothing", weather{stall: true}},
	}
	for i, link := range []string{"ingest-nats", "linker-nats", "linker-clickhouse"} {
		for _, k := range kinds {
			out = append(out, fault{k.name + "-" + link, "the way " + link + " " + k.about, func(ctx context.Context, s *storm) error {
				p := s.proxies()[i]
				p.set(k.weather)
				s.hold(ctx)
				p.set(weather{})
				return nil
			}})
		}
	}
	return out
}

func (s *storm) killLinkers() {
	for _, l := range s.linkers {
		l.kill()
	}
}

func killAll(_ context.Context, s *storm) error {
	for _, p := range append([]*process{s.clickhouse, s.nats, s.ingest}, s.linkers...) {
		p.kill()
	}
	return nil
}

func clickhouseSlow(ctx context.Context, s *storm) error {
	s.linkerTable.set(weather{rate: 20_000})
	s.hold(ctx)
	s.linkerTable.set(weather{})
	return nil
}

// insertBytes is more than any question of a linker and less than an insert of a batch.
const insertBytes = 2 << 10

// swallow drops the answer to the next insert, and all that follows on its connection.
func (s *storm) swallow(ctx context.Context) error {
	s.linkerTable.set(weather{swallow: insertBytes})
	return poll(ctx, "the answer to an insert is swallowed", func(context.Context) (bool, error) {
		return s.linkerTable.swallowedAnswers() > 0, nil
	})
}

func clickhouseHung(ctx context.Context, s *storm) error {
	if err := s.swallow(ctx); err != nil {
		return err
	}
	s.hold(ctx)
	s.linkerTable.set(weather{})
	s.linkerTable.cut() // bytes are missing from its connections
	return nil
}

func clickhouseKilledBetween(ctx context.Context, s *storm) error {
	if err := s.swallow(ctx); err != nil {
		return err
	}
	s.clickhouse.killEngine()
	s.linkerTable.set(weather{})
	s.linkerTable.cut()
	return nil
}

func tableMissing(ctx context.Context, s *storm) error {
	if err := s.conn.Exec(ctx, "RENAME TABLE purchases TO purchases_away"); err != nil {
		return fmt.Errorf("take a table away: %w", err)
	}
	s.hold(ctx)
	if err := s.conn.Exec(ctx, "RENAME TABLE purchases_away TO purchases"); err != nil {
		return fmt.Errorf("put a table back: %w", err)
	}
	return nil
}

// delivered counts the deliveries to linkers so far, repeated ones included.
func (s *storm) delivered(ctx context.Context) (uint64, error) {
	c, err := s.js.Consumer(ctx, stream.Events, stream.Consumer)
	if err != nil {
		return 0, fmt.Errorf("look up the consumer: %w", err)
	}
	return c.CachedInfo().Delivered.Consumer, nil
}

// linkerRestarts brings the same messages to a linker again and again, each of which
// dies before it could store them.
func linkerRestarts(ctx context.Context, s *storm) error {
	mark, err := s.delivered(ctx)
	if err != nil {
		return err
	}
	s.linkerTable.set(weather{stall: true})
	for range 5 {
		// Linkers that were all at their inserts when the stall began get no more.
		inHand, cancel := context.WithTimeout(ctx, 2*ackWait)
		err := poll(inHand, "messages are delivered to a linker", func(ctx context.Context) (bool, error) {
			now, err := s.delivered(ctx)
			return now > mark, err
		})
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if mark, err = s.delivered(ctx); err != nil {
			return err
		}
		s.killLinkers()
		sleep(ctx, ackWait)
	}
	s.linkerTable.set(weather{})
	return nil
}

// deadLettersRefused makes the stream of dead letters refuse all messages by their size.
func deadLettersRefused(ctx context.Context, s *storm) error {
	st, err := s.js.Stream(ctx, stream.DeadLetters)
	if err != nil {
		return fmt.Errorf("look up the dead letters: %w", err)
	}
	cfg := st.CachedInfo().Config
	limit := cfg.MaxMsgSize
	cfg.MaxMsgSize = 1
	if _, err := s.js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("shut the dead letters: %w", err)
	}
	if err := poison(ctx, s); err != nil {
		return err
	}
	s.hold(ctx)
	cfg.MaxMsgSize = limit
	if _, err := s.js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("open the dead letters: %w", err)
	}
	return nil
}

// duplicates come while their originals are on their way, stored, or long since counted.
func duplicates(ctx context.Context, s *storm) error {
	for range 3 {
		if err := s.flood(ctx, s.load.again(s.random, 1000, true)); err != nil {
			return err
		}
	}
	return nil
}

// poisonProducer is the producer of the fault poison; its events are poison only.
const poisonProducer = 100

func poison(ctx context.Context, s *storm) error {
	w := newScript(s.random.Uint64(), poisonProducer, s.load.start)
	w.poison, w.direct = 100, true
	w.k = s.random.IntN(1 << 40) // apart from those of an earlier time
	var intents []*intent
	for range 300 {
		in := w.next()
		s.load.journal.intend(in)
		intents = append(intents, in)
	}
	return s.flood(ctx, intents)
}

// flood publishes without names, on the judge's connection, and awaits the answers.
func (s *storm) flood(ctx context.Context, intents []*intent) error {
	futures := make([]jetstream.PubAckFuture, len(intents))
	for i, in := range intents {
		f, err := s.js.PublishMsgAsync(in.message(false))
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		futures[i] = f
	}
	for i, f := range futures {
		select {
		case <-f.Ok():
			s.load.journal.answer(intents[i], verdictAcked)
		case err := <-f.Err():
			return fmt.Errorf("publish: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func scale(ctx context.Context, s *storm) error {
	if err := s.scale(ctx, maxLinkers); err != nil {
		return err
	}
	for _, l := range s.linkers {
		if _, err := l.awaitReady(ctx); err != nil {
			return err
		}
	}
	s.hold(ctx)
	return s.scale(ctx, 1)
}
