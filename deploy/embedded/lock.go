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

// staleChildWait is how long a start waits for the servers of an owner that was killed to let go of the folder. The
// child of a killed owner ends by itself, in a second or so.
const staleChildWait = 20 * time.Second

// LockedError says that a data folder is in use by another unionlink process.
type LockedError struct {
	Dir string
	PID int // the owner's process id, 0 when unknown
}

// Error names the folder, the owner and the way out.
func (e *LockedError) Error() string {
	owner := "another process"
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

// lockFolder takes DIR/lock. A living owner is a *LockedError at once; a dead owner's child is waited for.
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
	ctx, cancel := context.WithTimeout(ctx, staleChildWait)
	defer cancel()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock data folder %s: %w", dir, err)
		}
		pid := readOwner(file)
		if pid != 0 && alive(pid) {
			return &LockedError{Dir: dir, PID: pid}
		}
		select {
		case <-ctx.Done():
			return &LockedError{Dir: dir, PID: 0}
		case <-time.After(50 * time.Millisecond):
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
	if err != nil {
		return 0
	}
	return pid
}

func alive(pid int) bool {
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
