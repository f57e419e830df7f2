// Package stream names the contract on NATS: subjects, headers, streams and the
// linker's consumer, and provisions them. Provisioning is idempotent and may run
// from several processes at once.
package stream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas"
)

// The streams.
const (
	// Events holds every login, purchase and identity event, the log from which
	// everything in ClickHouse is derived.
	Events = "UNIONLINK_EVENTS"
	// Changes tells others which identity moved from which person to which.
	Changes = "UNIONLINK_CHANGES"
	// DeadLetters holds what could not be counted, with its reason.
	DeadLetters = "UNIONLINK_DEADLETTERS"
)

// Subjects beside those of events.
const (
	// ChangedSubject is published by the linker, one message an identity that moved.
	ChangedSubject = "unionlink.v1.person.changed"
	// DeadLetterPrefix is followed by the reason's type.
	DeadLetterPrefix = "unionlink.v1.deadletter."
	prefix           = "unionlink.v1."
)

// Consumer is the linkers' shared durable pull consumer on Events.
const Consumer = "linker"

// Subject is where events of a kind and account are published.
func Subject(k schemas.Kind, appid string) string { return prefix + string(k) + "." + appid }

// ParseSubject is the inverse of Subject; ok is false for any other subject.
func ParseSubject(subject string) (k schemas.Kind, appid string, ok bool) {
	rest, found := strings.CutPrefix(subject, prefix)
	kind, appid, two := strings.Cut(rest, ".")
	k = schemas.Kind(kind)
	return k, appid, found && two && k.Valid() && appid != ""
}

// Message is the event as it travels: its JSON, and CloudEvents 1.0 binary-mode
// headers beside Nats-Msg-Id, which is "<appid>:<event_id>".
func Message(e schemas.Event) (*nats.Msg, error) {
	h := e.Head()
	data, err := schemas.Encode(e)
	if err != nil {
		return nil, fmt.Errorf("encode event %q: %w", h.EventID, err)
	}
	m := nats.NewMsg(Subject(e.Kind(), h.AppID))
	m.Data = data
	m.Header.Set(nats.MsgIdHdr, escape(h.AppID+":"+h.EventID))
	m.Header.Set("ce-specversion", "1.0")
	m.Header.Set("ce-id", escape(h.EventID))
	m.Header.Set("ce-source", "/accounts/"+escape(h.AppID))
	m.Header.Set("ce-type", e.Kind().Type())
	m.Header.Set("ce-time", h.OccurredAt.UTC().Format(time.RFC3339Nano))
	m.Header.Set("content-type", "application/json")
	return m, nil
}

// HeaderSource names who stated an event: "key:" and an ingest key's name, "wechat"
// for the login API, "analysts" for the api. It is evidence, not authority: a back
// end that publishes straight to NATS may write what it likes.
const HeaderSource = "Unionlink-Source"

// SetSource notes who states the event of a message; an empty source is none.
func SetSource(m *nats.Msg, source string) {
	if source != "" {
		m.Header.Set(HeaderSource, escape(source))
	}
}

// escape percent-encodes what a header may not carry as it is; printable ASCII stays.
func escape(s string) string {
	plain := !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' || r == '"' })
	if plain {
		return s
	}
	return url.PathEscape(s)
}

// Config sets the streams' sizes.
type Config struct {
	// MaxBytes bounds Events on disk; a full stream refuses new events (503), it
	// never drops old ones. Default 32 GiB.
	MaxBytes int64
	// Duplicates is how long Nats-Msg-Id is remembered. It spares work; exactness
	// does not depend on it, since the tables' keys deduplicate for ever. Default 2 min.
	Duplicates time.Duration
	// Replicas of each stream in a cluster. Default 1.
	Replicas int
}

func (c Config) withDefaults() Config {
	if c.MaxBytes <= 0 {
		c.MaxBytes = 32 << 30
	}
	if c.Duplicates <= 0 {
		c.Duplicates = 2 * time.Minute
	}
	if c.Replicas <= 0 {
		c.Replicas = 1
	}
	return c
}

// Provision creates or updates the streams and the linkers' consumer.
func Provision(ctx context.Context, js jetstream.JetStream, cfg Config) error {
	cfg = cfg.withDefaults()
	for _, s := range streams(cfg) {
		if _, err := js.CreateOrUpdateStream(ctx, s); err != nil {
			return fmt.Errorf("provision stream %s: %w", s.Name, err)
		}
	}
	_, err := js.CreateOrUpdateConsumer(ctx, Events, ConsumerConfig())
	if err != nil {
		return fmt.Errorf("provision consumer %s: %w", Consumer, err)
	}
	return nil
}

func streams(cfg Config) []jetstream.StreamConfig {
	events := make([]string, 0, len(schemas.Kinds))
	for _, k := range schemas.Kinds {
		events = append(events, Subject(k, "*"))
	}
	keep := jetstream.StreamConfig{
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		Replicas: cfg.Replicas, Duplicates: cfg.Duplicates, MaxMsgSize: 1 << 20,
	}
	log, changes, dead := keep, keep, keep
	log.Name, log.Subjects, log.MaxBytes = Events, events, cfg.MaxBytes
	log.Description = "logins, purchases and identity events; the log that ClickHouse is derived from"
	// A message that is refused travels on to the dead letters with its reason in
	// headers, and has to fit NATS's payload of 1 MiB there too.
	log.MaxMsgSize = 768 << 10
	log.AllowAtomicPublish = true
	log.AllowDirect = true

	changes.Name, changes.Subjects, changes.MaxBytes = Changes, []string{ChangedSubject}, cfg.MaxBytes/8
	changes.Description = "which identity moved from which person to which"
	// Changes are derived, and can be made again from the map: old ones go first.
	changes.Discard = jetstream.DiscardOld
	changes.AllowAtomicPublish = true

	dead.Name, dead.Subjects, dead.MaxBytes = DeadLetters, []string{DeadLetterPrefix + ">"}, cfg.MaxBytes/8
	dead.Description = "messages that could not be counted, with the reason"
	dead.AllowDirect = true
	return []jetstream.StreamConfig{log, changes, dead}
}

// ConsumerConfig is the linkers' consumer. MaxDeliver is unlimited: with a limit,
// work that is not done becomes invisible.
func ConsumerConfig() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: Consumer, Description: "shared by all linkers", AckPolicy: jetstream.AckExplicitPolicy,
		DeliverPolicy: jetstream.DeliverAllPolicy, AckWait: 20 * time.Second, MaxDeliver: -1, MaxAckPending: 100_000,
	}
}

// ErrFull says that the stream takes no more until messages go or its limit is raised.
var ErrFull = errors.New("the event stream is full")

// Server error codes of JetStream that unionlink acts upon (nats-server, errors.json).
const (
	codeStoreFailed     jetstream.ErrorCode = 10077
	codeBatchDuplicate  jetstream.ErrorCode = 10201
	codeStorageExceeded jetstream.ErrorCode = 10047
	codeMemoryExceeded  jetstream.ErrorCode = 10028
)

// Full tells whether err means that the stream or its disk is full.
func Full(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return errors.Is(err, ErrFull)
	}
	switch api.ErrorCode {
	case codeStoreFailed, codeStorageExceeded, codeMemoryExceeded:
		return true
	}
	return strings.Contains(api.Description, "maximum bytes") || strings.Contains(api.Description, "insufficient")
}

// BatchDuplicate tells whether an atomic batch was refused since a message of it
// is already in the stream.
func BatchDuplicate(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeBatchDuplicate
}
