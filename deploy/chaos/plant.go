package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Plant is a bug that loses, doubles or distorts events. The judge must catch it.
type Plant struct {
	Name, About string
	// Faults are those under which it shows.
	Faults []string
	edits  []edit
}

// edit replaces the only occurrence of a text in a file of the module.
type edit struct{ file, old, new string }

// Plants are the bugs that the field knows, each as an edit of unionlink's own source.
func Plants() []Plant {
	return []Plant{
		{
			Name: "ack-before-insert", About: "the linker acknowledges messages before their rows are stored", Faults: []string{"linker-restarts"},
			edits: []edit{{"linker/worker.go", "\tb := w.linker.read(msgs, w.epoch)\n", "\tb := w.linker.read(msgs, w.epoch)\n\tfor _, m := range msgs {\n\t\t_ = m.Ack()\n\t}\n"}},
		},
		{
			Name: "seen-before-write", About: "ingest remembers an event as seen before the stream has it", Faults: []string{"cut-ingest-nats", "stall-ingest-nats"},
			edits: []edit{
				{"ingest/store.go", "\tif len(in.events) > 0 {\n", seenBeforeWrite + "\tif len(in.events) > 0 {\n"},
				{"ingest/store.go", "\t\"slices\"\n", "\t\"slices\"\n\t\"sync\"\n"},
				{"ingest/store.go", "// store publishes", "var seen sync.Map\n\n// store publishes"},
			},
		},
		{
			Name: "max-deliver", About: "JetStream gives a message up after three deliveries", Faults: []string{"linker-restarts"},
			edits: []edit{{"schemas/stream/stream.go", "MaxDeliver: -1,", "MaxDeliver: 3,"}},
		},
		{
			Name: "dead-letter-not-awaited", About: "a message is acknowledged before its dead letter is stored", Faults: []string{"dead-letters-refused"},
			edits: []edit{{"linker/deadletter.go", "\treturn await(ctx, futures, \"a dead letter\")\n", "\treturn nil\n"}},
		},
		{
			Name: "version-by-arrival", About: "among equal revisions the one that came last wins", Faults: []string{"duplicates"},
			edits: []edit{{"schemas/warehouse/migrations/0001_facts.sql",
				"bitOr(bitShiftLeft(toUInt128(digest), 42),\n                toUInt128(4398046511103 - toUnixTimestamp64Milli(stream_time)))",
				"bitOr(bitShiftLeft(toUInt128(toUnixTimestamp64Milli(stream_time)), 64), toUInt128(digest))"}},
		},
		{
			Name: "lazy-sync", About: "NATS acknowledges what is not on disk yet", Faults: []string{"power-loss-nats", "power-loss-all"},
			edits: []edit{{"deploy/embedded/nats.go", "!n.cfg.LazySync,", "false,"}},
		},
		{
			Name: "insert-not-synced", About: "ClickHouse answers inserts that are not on disk yet", Faults: []string{"power-loss-clickhouse"},
			edits: []edit{
				{"deploy/embedded/config.xml.tmpl", "<fsync_after_insert>1<", "<fsync_after_insert>0<"},
				{"schemas/warehouse/migrations/0001_facts.sql", "min_age_to_force_merge_on_partition_only = 1,\n         fsync_after_insert = 1", "min_age_to_force_merge_on_partition_only = 1,\n         fsync_after_insert = 0"},
			},
		},
	}
}

const seenBeforeWrite = `	fresh, at := in.events[:0:0], in.at[:0:0]
	for i, e := range in.events {
		if _, again := seen.LoadOrStore(e.Head().AppID+":"+e.Head().EventID, true); again {
			answer.Duplicates++
			continue
		}
		fresh, at = append(fresh, e), append(at, in.at[i])
	}
	in.events, in.at = fresh, at
`

// apply returns the planted text of every file that the plant edits, by its path below
// root. It returns an error where a text is not there exactly once: the source has moved
// on, and the plant has to follow.
func (p Plant) apply(root string) (map[string]string, error) {
	out := map[string]string{}
	for _, e := range p.edits {
		text, ok := out[e.file]
		if !ok {
			data, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, fmt.Errorf("plant %s: %w", p.Name, err)
			}
			text = string(data)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("plant %s: %s has %d times, not once, the text %q", p.Name, e.file, n, e.old)
		}
		out[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	return out, nil
}

// build makes a part with the bug in it, below dir, from the module at root.
func (p Plant) build(ctx context.Context, root, dir string) (string, error) {
	files, err := p.apply(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range files {
		planted := filepath.Join(dir, p.Name+"-"+filepath.Base(file))
		if err := os.WriteFile(planted, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("plant %s: %w", p.Name, err)
		}
		replace[filepath.Join(root, file)] = planted
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("plant %s: %w", p.Name, err)
	}
	list, binary := filepath.Join(dir, p.Name+".json"), filepath.Join(dir, p.Name)
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", fmt.Errorf("plant %s: %w", p.Name, err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-overlay", list, "-o", binary, "./deploy/chaos/part")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("plant %s: go build: %w: %s", p.Name, err, text)
	}
	return binary, nil
}

// plantDrain is long enough for a storm of one or two faults, and short for a plant that
// keeps it from ever being drained.
const plantDrain = 90 * time.Second

const (
	// plantLonger gives a slow machine the time to come to where the bug bites.
	plantLonger = 4 * time.Second
	// plantTries is how many seeds a bug may hide from: whether it bites depends on what
	// happens to be under way when the fault comes.
	plantTries = 5
)

// Catch builds the plant from the module at root, has its faults happen to it, and
// returns what the judge found; no violation means that the judge is blind.
func (p Plant) Catch(ctx context.Context, cfg Config, root string) (verdict *Verdict, err error) {
	dir, remove, err := workDir(cfg.Dir, "plant", cfg.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove(cfg.Keep)) }()
	root, err = filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("plant %s: %w", p.Name, err)
	}
	if cfg.Binary, err = p.build(ctx, root, dir); err != nil {
		return nil, err
	}
	cfg.Faults, cfg.Drain, cfg.Dir, cfg.longer = p.Faults, plantDrain, dir, plantLonger
	verdict = &Verdict{}
	for try := range uint64(plantTries) {
		verdicts, err := Run(ctx, cfg)
		if err != nil {
			return nil, err
		}
		for _, v := range verdicts {
			verdict.Violations = append(verdict.Violations, v.Violations...)
		}
		if len(verdict.Violations) > 0 {
			break
		}
		cfg.Seed += try + 1
	}
	return verdict, nil
}
