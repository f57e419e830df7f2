package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEnsureEngine uses the real npm and the real registry on a machine's first run; later runs find what that one left.
func TestEnsureEngine(t *testing.T) {
	library, err := EnsureEngine(t.Context(), "", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	if err := enginePackages["linux/amd64"].check(library); err != nil {
		t.Error(err)
	}
	var told bytes.Buffer
	again, err := EnsureEngine(t.Context(), "", &told)
	if err != nil || again != library {
		t.Errorf("the second call: %q, %v; want %q", again, err, library)
	}
	if told.Len() > 0 {
		t.Errorf("the second call installed again: %s", &told)
	}
}

func TestEnsureEngine_without_npm(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	_, err := EnsureEngine(t.Context(), dir, io.Discard)
	var missing *EngineError
	if !errors.As(err, &missing) {
		t.Fatalf("%v; want an EngineError", err)
	}
	for _, want := range []string{"Node.js", "clickhouse.dsn", EngineVersion} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error %q does not name %s", err, want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "installing-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEnsureEngine_on_another_platform(t *testing.T) {
	if _, err := ensureEngine(t.Context(), "plan9/mips", t.TempDir(), io.Discard); err == nil {
		t.Error("no error")
	}
}

func TestEnsureEngine_takes_its_folder_from_the_environment(t *testing.T) {
	t.Setenv(engineDirEnv, filepath.Join("some", "where"))
	dir, err := engineDir("")
	if err != nil || !strings.HasSuffix(dir, filepath.Join("some", "where")) || !filepath.IsAbs(dir) {
		t.Errorf("%q, %v", dir, err)
	}
}

func TestEnsureEngine_waits_for_another_installation(t *testing.T) {
	dir := t.TempDir()
	first, err := lockEngines(t.Context(), dir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	second := make(chan error, 1)
	go func() { // ends when the first lock is let go
		lock, err := lockEngines(t.Context(), dir, lineWriter(told))
		second <- errors.Join(err, lock.Close())
	}()
	if line := <-told; !strings.Contains(line, "waiting") {
		t.Errorf("told %q", line)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Error(err)
	}
}

type lineWriter chan string

func (w lineWriter) Write(text []byte) (int, error) {
	w <- string(text)
	return len(text), nil
}

func TestEnginePackage_check_finds_damage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lib.so")
	if err := os.WriteFile(file, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if err := (enginePackage{size: 3, sha256: abc}).check(file); err != nil {
		t.Errorf("a whole file: %v", err)
	}
	if err := (enginePackage{size: 4, sha256: abc}).check(file); err == nil {
		t.Error("a short file passes")
	}
	if err := (enginePackage{size: 3, sha256: "00"}).check(file); err == nil {
		t.Error("another file passes")
	}
}

func TestEnginePackages_agree_with_the_lock_file(t *testing.T) {
	data, err := engineFiles.ReadFile("engine/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct{ Version, Integrity, Resolved string }
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		t.Fatal(err)
	}
	for platform, pkg := range enginePackages {
		entry := lock.Packages["node_modules/"+pkg.name]
		if entry.Version != EngineVersion || !strings.HasPrefix(entry.Integrity, "sha512-") {
			t.Errorf("%s: the lock file pins %s at %q with integrity %q", platform, pkg.name, entry.Version, entry.Integrity)
		}
	}
	if bytes.Contains(data, []byte(`"resolved"`)) {
		t.Error("the lock file names a registry")
	}
}

func TestProgress(t *testing.T) {
	t.Run("a line for every tenth where nobody watches", func(t *testing.T) {
		var out bytes.Buffer
		line := progressLine{out: &out, size: 100e6}
		for _, bytes := range []int64{5e6, 12e6, 14e6, 31e6, 200e6} {
			line.show(bytes)
		}
		line.end()
		want := "clickhouse engine:  12 %  12 of 100 MB\nclickhouse engine:  31 %  31 of 100 MB\nclickhouse engine: 100 %  200 of 100 MB\n"
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", &out, want)
		}
	})
	t.Run("one line that changes on a terminal", func(t *testing.T) {
		var out bytes.Buffer
		line := progressLine{out: &out, size: 100e6, terminal: true}
		line.show(1e6)
		line.show(2e6)
		line.end()
		if want := "\rclickhouse engine:   1 %  1 of 100 MB\rclickhouse engine:   2 %  2 of 100 MB\n"; out.String() != want {
			t.Errorf("got %q, want %q", &out, want)
		}
	})
	t.Run("ends when told", func(t *testing.T) {
		var out bytes.Buffer
		stop := showProgress(t.TempDir(), 1, &out)
		time.Sleep(time.Millisecond)
		stop()
		if !strings.Contains(out.String(), EngineVersion) {
			t.Errorf("said %q", &out)
		}
	})
}
