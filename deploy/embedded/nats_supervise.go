package embedded

import (
	"context"
	"errors"
	"time"
)

const (
	// roomToGoOn is the free disk space in bytes at which a server that ran out of it is started again: a few blocks of
	// messages, 8 MiB each at most, so that it does not run out at once.
	roomToGoOn = 32 << 20

	// lookInterval is how often the supervision looks at JetStream and, while the disk is full, at the disk.
	lookInterval = 250 * time.Millisecond
)

var errNoJetStream = errors.New("nats server: jetstream has shut itself down")

// supervise starts the server anew whenever it stands still, until Close. It owns n.server and n.frozen.
//
// An error of the disk, usually that it is full, is for ever to nats-server: the store of a stream keeps its first write
// error, and JetStream as a whole may shut itself down. Only a new server opens the files again.
func (n *NATS) supervise(ctx context.Context) {
	defer close(n.done)
	delay := firstBackOff
	for {
		began := time.Now()
		reason := n.awaitFrozen(ctx)
		if reason == nil {
			return
		}
		if time.Since(began) > healthyAfter {
			delay = firstBackOff
		}
		froze := time.Now()
		n.log.Error("nats stands still; it is started again when its disk has room", "reason", reason, "room_bytes", roomToGoOn)
		if delay = n.restart(ctx, delay); ctx.Err() != nil {
			return
		}
		n.log.Info("nats was started again and takes messages", "address", n.Addr(), "stood_still", time.Since(froze))
		n.cfg.OnRestart(reason)
	}
}

// awaitFrozen returns why the server stands still; nil at Close.
func (n *NATS) awaitFrozen(ctx context.Context) error {
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case reason := <-n.frozen:
			return reason
		case <-look.C:
			if !n.server.JetStreamEnabled() {
				return errNoJetStream
			}
		}
	}
}

// restart tries until a server has started on the same address and data, or until Close. It returns the back-off for the
// next time. The old server answers, and lets consumers read, until there is room for the new one.
func (n *NATS) restart(ctx context.Context, delay time.Duration) time.Duration {
	for {
		if !sleep(ctx, delay) || !n.awaitRoom(ctx) {
			return delay
		}
		delay = min(2*delay, lastBackOff)
		n.server.Shutdown() // cuts the clients off; they connect again by themselves
		n.server.WaitForShutdown()
		err := n.serve(ctx)
		if err == nil || ctx.Err() != nil {
			return delay
		}
		n.log.Error("nats did not start again; it is tried once more", "reason", err, "delay", delay)
	}
}

// awaitRoom returns true when the disk has room, or does not tell, for then the start shows what is wrong with it; false
// at Close.
func (n *NATS) awaitRoom(ctx context.Context) bool {
	for {
		free, err := freeBytes(n.cfg.Dir)
		if err != nil {
			n.log.Warn("nats is started again without knowing the room on its disk", "reason", err)
			return true
		}
		if free >= roomToGoOn {
			return true
		}
		if !sleep(ctx, lookInterval) {
			return false
		}
	}
}

// sleep returns false when ctx ended it.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
