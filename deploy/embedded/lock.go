package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// staleChildWait is how long a start waits for the child of a killed owner to let go of the folder. Such a child ends
	// by itself, in a second or so, and at the latest after childGrace.
	staleChildWait = 20 * time.Second
	// ownerWait is how long a start waits for a living owner, which may be just ending.
	ownerWait = time.Second
	lockPoll  = 20 * time.Millisecond
)

// LockedError says that a data folder is in use by another unionlink process.
type LockedError struct {
	Dir string
	PID int // the owner's process id, 0 when unknown
}

// Error names the folder, the owner and the way out.
func (e *LockedError) Error() string {
	owner := "another process (or a child that a killed unionlink has left)"
	if e.PID != 0 {
		owner = fmt.Sprintf("the process with pid %d", e.PID)
	}
	return fmt.Sprintf("lock data folder %s: it is in use by %s; stop that process, or choose another data folder", e.Dir, owner)
}

// folderLock is the exclusive use of a data folder. The lock belongs to the open file, so a child that inherits the
// file keeps the folder locked until it too has ended, whatever becomes of the parent.
type folderLock struct {
	file *os.File
}

// lockFolder takes DIR/lock. It waits a little, and longer for the child of a dead owner; then it is a *LockedError.
func lockFolder(ctx context.Context, dir string) (*folderLock, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of data folder: %w", err)
	}
	if err := acquire(ctx, file, dir); err != nil {
		file.Close()
		return nil, err
	}
	if err := writeOwner(file); err != nil {
		file.Close()
		return nil, err
	}
	return &folderLock{file: file}, nil
}

func acquire(ctx context.Context, file *os.File, dir string) error {
	began := time.Now()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock data folder %s: %w", dir, err)
		}
		pid, patience := readOwner(file), ownerWait
		if !alive(pid) {
			pid, patience = 0, staleChildWait
		}
		if time.Since(began) > patience {
			return &LockedError{Dir: dir, PID: pid}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock data folder %s: %w", dir, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

func writeOwner(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("write owner of data folder: %w", err)
	}
	if _, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("write owner of data folder: %w", err)
	}
	return nil
}

// readOwner returns 0 when the lock names nobody, as in the moment between the lock and the owner's note.
func readOwner(file *os.File) int {
	text := make([]byte, 32)
	n, _ := file.ReadAt(text, 0) // io.EOF is the usual end; an unreadable owner is an unknown one
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

func alive(pid int) bool {
	if pid == 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// release lets the folder go, once no child holds the file any more.
func (l *folderLock) release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("release data folder: %w", err)
	}
	return nil
}
