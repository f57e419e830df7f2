package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
)

// freeBytes returns the bytes an ordinary user may still write on the disk of dir.
func freeBytes(dir string) (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, fmt.Errorf("ask free space of %s: %w", dir, err)
	}
	return int64(stat.Bavail) * int64(stat.Bsize), nil
}

// folderBytes adds up the sizes of the files under dir. Files that vanish meanwhile count nothing.
func folderBytes(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return ignoreMissing(err)
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreMissing(err)
		}
		total += info.Size()
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measure folder: %w", err)
	}
	return total, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// storeLimit leaves half of the free disk to ClickHouse and the rest of the machine. What the streams take already is
// added, so that the limit does not shrink below them from one start to the next.
func (n *NATS) storeLimit() (int64, error) {
	if n.cfg.MaxStore > 0 {
		return n.cfg.MaxStore, nil
	}
	free, err := freeBytes(n.cfg.Dir)
	if err != nil {
		return 0, err
	}
	used, err := folderBytes(n.cfg.Dir)
	if err != nil {
		return 0, err
	}
	return used + free/2, nil
}

// defaultMemoryLimit gives ClickHouse 2 GiB, which the analyst's 2 GB a query just fits in, and 4 GiB on a larger machine.
func defaultMemoryLimit() int64 {
	if machineMemory() >= 12<<30 {
		return 4 << 30
	}
	return 2 << 30
}
