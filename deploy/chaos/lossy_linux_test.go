package chaos

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLossyDisk: after a loss of power a file is what it was at its last fsync.
func TestLossyDisk(t *testing.T) {
	behind, at := t.TempDir(), t.TempDir()
	d, err := mountLossy(behind, at)
	var missing *unavailable
	if errors.As(err, &missing) {
		t.Logf("no FUSE here, so the fault is left out: %v", missing)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.unmount(); err != nil {
			t.Error(err)
		}
	}()
	path := filepath.Join(at, "file")
	do := func(flags int, f func(file *os.File) error) {
		t.Helper()
		file, err := os.OpenFile(path, flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f(file), file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	write := func(text string, off int64) func(*os.File) error {
		return func(f *os.File) error { _, err := f.WriteAt([]byte(text), off); return err }
	}
	holds := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Fatalf("the file holds %q, want %q: %v", got, want, err)
		}
	}
	lose := func(want string) {
		t.Helper()
		if _, err := d.losePower(); err != nil {
			t.Fatal(err)
		}
		holds(want)
	}
	do(os.O_CREATE|os.O_RDWR, write("never synced", 0))
	holds("never synced")
	lose("")
	do(os.O_RDWR, func(f *os.File) error { return errors.Join(write("durable", 0)(f), f.Sync()) })
	do(os.O_RDWR, write("DUR and more", 0))
	holds("DUR and more")
	lose("durable")
	do(os.O_RDWR, func(f *os.File) error { return f.Truncate(2) })
	holds("du")
	lose("durable")
	do(os.O_RDWR|os.O_TRUNC, write("x", 0))
	lose("durable")
	do(os.O_WRONLY|os.O_SYNC, write("synced at once", 0))
	lose("synced at once")
	do(os.O_RDWR, write("renamed", 0))
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	path += "2"
	lose("synced at once")
}
