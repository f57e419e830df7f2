package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// natsLog passes the server's warnings and errors on, and keeps the messages that it would have died of, or that tell
// that it stands still.
type natsLog struct {
	log    *slog.Logger
	fatal  chan string // holds the first one; there is room for it
	frozen chan error  // as fatal
}

// stuckStore is what the server says, and the only sign it gives, when a stream's file store meets an error of the disk:
// nats-server keeps that error (fileStore.werr) and answers every later write with it, even when the disk is well again.
const stuckStore = "critical write error"

func (l *natsLog) Noticef(string, ...any) {}
func (l *natsLog) Debugf(string, ...any)  {}
func (l *natsLog) Tracef(string, ...any)  {}

func (l *natsLog) Warnf(format string, args ...any) {
	if strings.HasPrefix(format, "Plaintext passwords detected") {
		return // of a configuration file; these were never in one
	}
	l.log.Warn("nats server", "message", fmt.Sprintf(format, args...))
}

func (l *natsLog) Errorf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.log.Error("nats server", "message", message)
	if strings.Contains(strings.ToLower(message), stuckStore) {
		select {
		case l.frozen <- errors.New(message):
		default:
		}
	}
}

func (l *natsLog) Fatalf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.log.Error("nats server", "message", message)
	select {
	case l.fatal <- message:
	default:
	}
}
