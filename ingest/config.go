package ingest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Config sets up the event routes. A zero field means its default.
type Config struct {
	// Keys are the API keys of back ends.
	Keys []Key `yaml:"keys"`
	// MaxBodyBytes bounds a request's body, also after unpacking; over it: 413. Default 10 MiB.
	MaxBodyBytes int64 `yaml:"max_body_bytes"`
	// MaxEvents bounds the events of one request; over it: 413. Default 10,000.
	MaxEvents int `yaml:"max_events"`
	// MaxBodyMemory bounds the bytes of all bodies being worked upon; over it: 503. Default 256 MiB.
	MaxBodyMemory int64 `yaml:"max_body_memory"`
	// BusyWait is how long a request waits for memory before it is answered 503. Default 50 ms.
	BusyWait time.Duration `yaml:"busy_wait"`
	// ReadTimeout bounds the reading of one body; over it: 408. Default 30 s.
	ReadTimeout time.Duration `yaml:"read_timeout"`
	// TrustedProxies are the networks (CIDR) whose X-Forwarded-For is believed. Default none.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Commit sets up the Committer.
	Commit CommitConfig `yaml:"commit"`
}

// Key is one back end's API key. Several keys may share an account, so that one can
// be replaced while the other still works.
type Key struct {
	// Name tells keys apart in logs and faults; it is no secret.
	Name string `yaml:"name"`
	// Key is the key itself or "sha256:" and the hex SHA-256 of it.
	Key string `yaml:"key"`
	// AppIDs are the accounts that the key may publish for.
	AppIDs []string `yaml:"appids"`
	// Expires ends the key; zero means never.
	Expires time.Time `yaml:"expires"`
	// EventsPerSecond limits the key; over it: 429. Zero means no limit.
	EventsPerSecond float64 `yaml:"events_per_second"`
	// Burst is how many events the key may send at once, and so the largest request
	// it may make. Default: max_events. Only used with EventsPerSecond.
	Burst int `yaml:"burst"`
	// SigningSecret, where set, demands a Standard Webhooks signature of each body:
	// plain text, or "whsec_" and base64.
	SigningSecret string `yaml:"signing_secret"`
}

// CommitConfig sets up the Committer. A zero field means its default.
type CommitConfig struct {
	// MaxEvents and MaxBytes bound one atomic batch. The server takes at most 1,000
	// messages. Defaults 500 and 1 MiB.
	MaxEvents int `yaml:"max_events"`
	MaxBytes  int `yaml:"max_bytes"`
	// MinBatch is the smallest group that travels as an atomic batch. The server stages
	// a batch in a store of its own before it commits it, which costs as much as about
	// ten messages; smaller groups go message by message. Default 10.
	MinBatch int `yaml:"min_batch"`
	// Linger is how long a batch waits for company while an earlier one is on its
	// way; where none is, it goes at once. Default 2 ms.
	Linger time.Duration `yaml:"linger"`
	// Flights is how many batches may be on their way. The server holds at most 50
	// of all publishers together. Default 4.
	Flights int `yaml:"flights"`
	// Timeout bounds the wait for the stream's acknowledgement; over it the
	// events are answered ErrUnavailable. The server itself gives up a batch after 10 s. Default 10 s.
	Timeout time.Duration `yaml:"timeout"`
	// MaxInflightBytes bounds the memory of events that are not acknowledged yet;
	// over it: ErrBusy. It is also the most that one call of Publish may bring. Default 64 MiB.
	MaxInflightBytes int64 `yaml:"max_inflight_bytes"`
	// BusyWait is how long Publish waits for that memory. Default 50 ms.
	BusyWait time.Duration `yaml:"busy_wait"`
}

func orDefault[T int | int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func (c Config) withDefaults() Config {
	c.MaxBodyBytes = orDefault(c.MaxBodyBytes, 10<<20)
	c.MaxEvents = orDefault(c.MaxEvents, 10_000)
	c.MaxBodyMemory = orDefault(c.MaxBodyMemory, 256<<20)
	c.BusyWait = orDefault(c.BusyWait, 50*time.Millisecond)
	c.ReadTimeout = orDefault(c.ReadTimeout, 30*time.Second)
	c.Commit = c.Commit.withDefaults()
	return c
}

func (c CommitConfig) withDefaults() CommitConfig {
	c.MaxEvents = orDefault(c.MaxEvents, 500)
	c.MaxBytes = orDefault(c.MaxBytes, 1<<20)
	c.MinBatch = orDefault(c.MinBatch, 10)
	c.Linger = orDefault(c.Linger, 2*time.Millisecond)
	c.Flights = orDefault(c.Flights, 4)
	c.Timeout = orDefault(c.Timeout, 10*time.Second)
	c.MaxInflightBytes = orDefault(c.MaxInflightBytes, 64<<20)
	c.BusyWait = orDefault(c.BusyWait, 50*time.Millisecond)
	return c
}

// faults collects what is wrong with a configuration, each with its path.
type faults []error

func (f *faults) add(bad bool, path, format string, args ...any) {
	if bad {
		*f = append(*f, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
}

// Validate returns every fault at once, each with its path; nil where there is none.
func (c Config) Validate() error {
	c = c.withDefaults()
	var f faults
	f.add(c.MaxBodyBytes < 0, "max_body_bytes", "must not be negative")
	f.add(c.MaxEvents < 0, "max_events", "must not be negative")
	f.add(c.BusyWait < 0, "busy_wait", "must not be negative")
	f.add(c.ReadTimeout < 0, "read_timeout", "must not be negative")
	f.add(c.MaxBodyMemory < 2*c.MaxBodyBytes, "max_body_memory", "is %d; room for two bodies of %d bytes is needed", c.MaxBodyMemory, c.MaxBodyBytes)
	// Encoded again and with its headers, a request grows: see messageBytes.
	need := 2*c.MaxBodyBytes + int64(c.MaxEvents)*messageOverhead
	f.add(c.Commit.MaxInflightBytes < need, "commit.max_inflight_bytes", "is %d; the largest request needs %d", c.Commit.MaxInflightBytes, need)
	for i, p := range c.TrustedProxies {
		_, err := netip.ParsePrefix(p)
		f.add(err != nil, fmt.Sprintf("trusted_proxies[%d]", i), "%q is not a network such as 10.0.0.0/8", p)
	}
	names, texts := make(map[string]bool, len(c.Keys)), make(map[string]bool, len(c.Keys))
	for i, k := range c.Keys {
		path := fmt.Sprintf("keys[%d]", i)
		k.validate(&f, path)
		f.add(names[k.Name], path+".name", "%q is given twice", k.Name)
		f.add(k.Key != "" && texts[k.Key], path+".key", "is that of another entry; name all accounts in one")
		names[k.Name], texts[k.Key] = true, true
	}
	c.Commit.validate(&f)
	return errors.Join(f...)
}

func (k Key) validate(f *faults, path string) {
	f.add(k.Name == "", path+".name", "is required")
	f.add(k.Key == "", path+".key", "is required")
	if digest, ok := strings.CutPrefix(k.Key, hashPrefix); ok {
		raw, err := hex.DecodeString(digest)
		f.add(err != nil || len(raw) != 32, path+".key", "sha256: is followed by 64 hex digits")
	}
	f.add(len(k.AppIDs) == 0, path+".appids", "names no account")
	f.add(k.EventsPerSecond < 0, path+".events_per_second", "must not be negative")
	f.add(k.Burst < 0, path+".burst", "must not be negative")
	if k.SigningSecret != "" {
		_, err := signingSecret(k.SigningSecret)
		f.add(err != nil, path+".signing_secret", "%v", err)
	}
}

func (c CommitConfig) validate(f *faults) {
	f.add(c.MaxEvents < 1 || c.MaxEvents > 1000, "commit.max_events", "is %d; from 1 to 1000", c.MaxEvents)
	f.add(c.MaxBytes < 1, "commit.max_bytes", "must be positive")
	f.add(c.MinBatch < 2, "commit.min_batch", "is %d; at least 2", c.MinBatch)
	f.add(c.Linger < 0, "commit.linger", "must not be negative")
	f.add(c.Flights < 1 || c.Flights > 50, "commit.flights", "is %d; from 1 to 50", c.Flights)
	f.add(c.Timeout < 0, "commit.timeout", "must not be negative")
	f.add(c.BusyWait < 0, "commit.busy_wait", "must not be negative")
	f.add(c.MaxInflightBytes < maxMessageBytes, "commit.max_inflight_bytes", "is %d; one event may take %d", c.MaxInflightBytes, maxMessageBytes)
}
