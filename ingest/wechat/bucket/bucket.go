// Package bucket keeps small JSON values in NATS key-value buckets, so that all
// ingest processes share them: tokens, states, cursors.
//
// Every write names the revision it replaces, so two processes never overwrite each
// other unknowingly. A bucket is made at its first use; nothing is cached.
package bucket

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrChanged says that another process wrote the key since it was read.
var ErrChanged = errors.New("the value was changed meanwhile")

// Config names a bucket.
type Config struct {
	// Name has letters, digits, - and _ only.
	Name string
	// Description is shown by `nats kv ls`.
	Description string
	// TTL is how long a value lasts after its last write; 0 is for ever.
	TTL time.Duration
	// MaxBytes bounds the bucket on disk; 0 is without bound.
	MaxBytes int64
	// Replicas in a cluster; 0 is 1.
	Replicas int
}

// Bucket is safe for concurrent use.
type Bucket struct {
	js  jetstream.JetStream
	cfg Config

	mu sync.Mutex
	kv jetstream.KeyValue
}

// New names a bucket; it talks to nobody.
func New(js jetstream.JetStream, cfg Config) *Bucket { return &Bucket{js: js, cfg: cfg} }

func (b *Bucket) open(ctx context.Context) (jetstream.KeyValue, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kv != nil {
		return b.kv, nil
	}
	kv, err := b.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: b.cfg.Name, Description: b.cfg.Description, TTL: b.cfg.TTL, MaxBytes: b.cfg.MaxBytes, Replicas: b.cfg.Replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", b.cfg.Name, err)
	}
	b.kv = kv
	return kv, nil
}

// Read decodes the value of key into out and returns its revision: 0, with out
// untouched, if there is none.
func (b *Bucket) Read(ctx context.Context, key string, out any) (revision uint64, err error) {
	kv, err := b.open(ctx)
	if err != nil {
		return 0, err
	}
	entry, err := kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s from bucket %s: %w", key, b.cfg.Name, err)
	}
	if err := json.Unmarshal(entry.Value(), out); err != nil {
		return 0, fmt.Errorf("decode %s of bucket %s: %w", key, b.cfg.Name, err)
	}
	return entry.Revision(), nil
}

// Write stores value in the place of the given revision (0: there must be none) and
// returns the new one. It returns ErrChanged if another one is there.
func (b *Bucket) Write(ctx context.Context, key string, value any, revision uint64) (uint64, error) {
	kv, err := b.open(ctx)
	if err != nil {
		return 0, err
	}
	data, err := json.Marshal(value)
	if err != nil {
		return 0, fmt.Errorf("encode %s for bucket %s: %w", key, b.cfg.Name, err)
	}
	var next uint64
	if revision == 0 {
		next, err = kv.Create(ctx, key, data)
	} else {
		next, err = kv.Update(ctx, key, data, revision)
	}
	if errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, ErrChanged
	}
	if err != nil {
		return 0, fmt.Errorf("write %s to bucket %s: %w", key, b.cfg.Name, err)
	}
	return next, nil
}

// Delete removes the value if it still has the revision; it returns ErrChanged otherwise.
func (b *Bucket) Delete(ctx context.Context, key string, revision uint64) error {
	kv, err := b.open(ctx)
	if err != nil {
		return err
	}
	err = kv.Delete(ctx, key, jetstream.LastRevision(revision))
	if errors.Is(err, jetstream.ErrKeyExists) || errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return ErrChanged
	}
	if err != nil {
		return fmt.Errorf("delete %s from bucket %s: %w", key, b.cfg.Name, err)
	}
	return nil
}

// Key joins parts to a key. A part that a key cannot hold is replaced by its digest.
func Key(parts ...string) string {
	safe := make([]string, len(parts))
	for i, p := range parts {
		safe[i] = p
		if p == "" || len(p) > 64 || strings.ContainsFunc(p, unsafe) {
			safe[i] = "=" + Digest(p)
		}
	}
	return strings.Join(safe, ".")
}

func unsafe(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
}

// Digest names parts that must not be shown, such as codes and openids: 32 hex
// digits of the SHA-256 of the parts, each ended by a zero byte.
func Digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
