package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// machineStages are those that mount file systems, which needs root.
func machineStages() []stage { return []stage{diskFull(), powerLoss()} }

// fullDiskBytes is the size of the disk that fills up.
const fullDiskBytes = 512 << 20

// diskFull has NATS and ClickHouse on a small tmpfs that fills up and is freed again.
func diskFull() stage {
	var at string
	return stage{
		name: "disk",
		prepare: func(cfg *rigConfig) (func() error, error) {
			at = filepath.Join(cfg.dir, "disk")
			if err := os.Mkdir(at, 0o700); err != nil {
				return nil, fmt.Errorf("make a folder for the disk: %w", err)
			}
			if err := syscall.Mount("tmpfs", at, "tmpfs", 0, fmt.Sprint("size=", fullDiskBytes)); err != nil {
				return nil, &unavailable{fmt.Errorf("mount a tmpfs: %w", err)}
			}
			cfg.natsDir, cfg.warehouseDir = filepath.Join(at, "nats"), filepath.Join(at, "clickhouse")
			return func() error { return unmount(at) }, nil
		},
		faults: []fault{{"disk-full", "the disk of NATS and ClickHouse fills up and is freed again", func(ctx context.Context, s *storm) error {
			return fillDisk(ctx, s, filepath.Join(at, "ballast"))
		}}},
	}
}

func unmount(at string) error {
	if err := syscall.Unmount(at, 0); err != nil {
		return fmt.Errorf("unmount %s: %w", at, err)
	}
	return nil
}

// recoverWait is how long it may take until events are taken again after the disk was freed.
const recoverWait = 2 * time.Minute

func fillDisk(ctx context.Context, s *storm, ballast string) error {
	if err := fill(ballast); err != nil {
		return err
	}
	s.hold(ctx)
	s.hold(ctx)
	if err := os.Remove(ballast); err != nil {
		return fmt.Errorf("free the disk: %w", err)
	}
	before, _, _ := s.load.journal.counts()
	waiting, cancel := context.WithTimeout(ctx, recoverWait)
	defer cancel()
	err := poll(waiting, "events are taken again", func(context.Context) (bool, error) {
		acked, _, _ := s.load.journal.counts()
		return acked > before+50, nil
	})
	if err != nil {
		return &notRecovered{err}
	}
	return nil
}

// fill writes until the disk is full.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		n, err := f.Write(chunk)
		switch {
		case err == nil:
		case !errors.Is(err, syscall.ENOSPC):
			return errors.Join(fmt.Errorf("fill the disk: %w", err), f.Close())
		case n == 0:
			chunk = chunk[:len(chunk)/2] // the last bytes too
		}
	}
	return f.Close()
}

// powerLoss has NATS and ClickHouse on disks that forget what was not fsynced.
func powerLoss() stage {
	disks := map[string]*lossyDisk{}
	return stage{
		name: "power",
		prepare: func(cfg *rigConfig) (func() error, error) {
			undo := func() error {
				var errs []error
				for name, d := range disks {
					errs = append(errs, d.unmount())
					delete(disks, name)
				}
				return errors.Join(errs...)
			}
			for name, dir := range map[string]*string{roleNATS: &cfg.natsDir, roleClickHouse: &cfg.warehouseDir} {
				behind, at := filepath.Join(cfg.dir, name+"-behind"), filepath.Join(cfg.dir, name+"-disk")
				if err := errors.Join(os.Mkdir(behind, 0o700), os.Mkdir(at, 0o700)); err != nil {
					return nil, errors.Join(fmt.Errorf("make folders for a disk: %w", err), undo())
				}
				d, err := mountLossy(behind, at)
				if err != nil {
					return nil, errors.Join(err, undo())
				}
				disks[name], *dir = d, filepath.Join(at, name)
			}
			return undo, nil
		},
		faults: []fault{
			{"power-loss-nats", "the machine of NATS loses power, and all that was not fsynced", func(ctx context.Context, s *storm) error {
				return losePower(ctx, s, []*process{s.nats}, disks[roleNATS])
			}},
			{"power-loss-clickhouse", "the machine of ClickHouse loses power, and all that was not fsynced", func(ctx context.Context, s *storm) error {
				return losePower(ctx, s, []*process{s.clickhouse}, disks[roleClickHouse])
			}},
			{"power-loss-all", "all machines lose power, and all that was not fsynced", func(ctx context.Context, s *storm) error {
				all := append([]*process{s.nats, s.clickhouse, s.ingest}, s.linkers[0])
				return losePower(ctx, s, all, disks[roleNATS], disks[roleClickHouse])
			}},
		},
	}
}

func losePower(ctx context.Context, s *storm, parts []*process, disks ...*lossyDisk) error {
	sleep(ctx, time.Second) // something is there to be lost
	engine := s.clickhouse.engine()
	for _, p := range parts {
		p.halt()
	}
	for _, p := range parts {
		if err := p.stop(ctx); err != nil {
			return err
		}
		if p == s.clickhouse {
			if err := poll(ctx, "the engine is gone", func(context.Context) (bool, error) { return gone(engine) }); err != nil {
				return err
			}
		}
	}
	lost := 0
	for _, d := range disks {
		n, err := d.losePower()
		if err != nil {
			return err
		}
		lost += n
	}
	s.say("%d files lost what was not fsynced", lost)
	for _, p := range parts {
		p.start()
	}
	return nil
}

// gone tells whether a process has ended, be it not waited for yet.
func gone(pid int) (bool, error) {
	if pid == 0 {
		return true, nil
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up process %d: %w", pid, err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(after, "Z"), nil
}
