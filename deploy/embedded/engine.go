package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// EngineVersion is the pinned version of the ClickHouse engine.
const EngineVersion = "26.7.3-stable.1"

// engineDirEnv overrides the folder that engines are installed below.
const engineDirEnv = "UNIONLINK_ENGINE_DIR"

// engineFiles pin the engine's package by version and hash.
//
//go:embed engine/package.json engine/package-lock.json
var engineFiles embed.FS

// enginePackage is the engine for one platform, as npm has it.
type enginePackage struct {
	name   string
	file   string // the library inside the package
	size   int64  // of the library, in bytes
	sha256 string // of the library
}

// enginePackages holds what is published, by GOOS/GOARCH. The publisher names packages for linux-arm64-gnu, darwin-arm64
// and darwin-x64 too; of EngineVersion there is none of them, and npm refuses a lock file that names what does not exist.
var enginePackages = map[string]enginePackage{
	"linux/amd64": {
		name:   "@chdb/lib-linux-x64-gnu",
		file:   "libchdb.so",
		size:   566_330_096,
		sha256: "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5",
	},
}

// EngineError says that there is no ClickHouse engine, and how to do without.
type EngineError struct {
	Platform string // GOOS/GOARCH
	Reason   error
}

// Error names the reason and the way out.
func (e *EngineError) Error() string {
	return fmt.Sprintf("get clickhouse engine %s for %s: %v (or set clickhouse.dsn to a ClickHouse of your own)",
		EngineVersion, e.Platform, e.Reason)
}

// Unwrap returns the reason.
func (e *EngineError) Unwrap() error {
	return e.Reason
}

// EnsureEngine returns the path of the engine's library, and installs it with npm where it is missing: about 178 MB to
// download, 566 MB on disk. dir is the folder to install below, one folder a version; empty means the folder in the
// environment variable UNIONLINK_ENGINE_DIR, else unionlink/engine in the user's cache. Processes that need it at the
// same time install it once. Every error is a *EngineError.
func EnsureEngine(ctx context.Context, dir string, progress io.Writer) (string, error) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	library, err := ensureEngine(ctx, platform, dir, progress)
	if err != nil {
		return "", &EngineError{Platform: platform, Reason: err}
	}
	return library, nil
}

func ensureEngine(ctx context.Context, platform, dir string, progress io.Writer) (string, error) {
	pkg, ok := enginePackages[platform]
	if !ok {
		return "", errors.New("it is not published for this platform")
	}
	dir, err := engineDir(dir)
	if err != nil {
		return "", err
	}
	target := filepath.Join(dir, EngineVersion)
	library := filepath.Join(target, "node_modules", filepath.FromSlash(pkg.name), pkg.file)
	if pkg.present(library) {
		return library, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create folder for engines: %w", err)
	}
	lock, err := lockEngines(ctx, dir, progress)
	if err != nil {
		return "", err
	}
	defer lock.Close() // lets the lock go; nothing was written to the file
	if pkg.present(library) {
		return library, nil // another process was quicker
	}
	return library, pkg.install(ctx, dir, target, progress)
}

// engineDir returns the folder to install below, absolute.
func engineDir(dir string) (string, error) {
	if dir == "" {
		dir = os.Getenv(engineDirEnv)
	}
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the user's cache folder: %w; set %s", err, engineDirEnv)
		}
		dir = filepath.Join(cache, "unionlink", "engine")
	}
	return filepath.Abs(dir)
}

// lockEngines waits until no other process installs below dir.
func lockEngines(ctx context.Context, dir string, progress io.Writer) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock folder for engines: %w", err)
	}
	told := false
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock folder for engines: %w", err), file.Close())
		}
		if !told {
			fmt.Fprintln(progress, "clickhouse engine: waiting for another process that installs it")
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock folder for engines: %w", ctx.Err()), file.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// present reports whether the library is there whole. Its content was checked before it was moved into place.
func (p enginePackage) present(library string) bool {
	info, err := os.Stat(library)
	return err == nil && info.Size() == p.size
}

// install runs npm in a folder beside target, checks what it brought, and moves it into place at once. It holds the lock.
func (p enginePackage) install(ctx context.Context, dir, target string, progress io.Writer) (err error) {
	if err := removeLeftovers(dir); err != nil {
		return err
	}
	work, err := os.MkdirTemp(dir, "installing-")
	if err != nil {
		return fmt.Errorf("create folder for engine: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(work))
		}
	}()
	if err := os.CopyFS(work, engineFiles); err != nil {
		return fmt.Errorf("write the engine's package file: %w", err)
	}
	fresh := filepath.Join(work, "engine")
	if err := p.download(ctx, fresh, progress); err != nil {
		return err
	}
	if err := p.check(filepath.Join(fresh, "node_modules", filepath.FromSlash(p.name), p.file)); err != nil {
		return err
	}
	if err := os.RemoveAll(target); err != nil {
		return fmt.Errorf("remove the broken engine: %w", err)
	}
	if err := os.Rename(fresh, target); err != nil {
		return fmt.Errorf("move the engine into place: %w", err)
	}
	return os.RemoveAll(work)
}

// removeLeftovers removes what killed installations have left.
func removeLeftovers(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, "installing-*"))
	if err != nil {
		return fmt.Errorf("find leftovers of the engine: %w", err)
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove leftovers of the engine: %w", err)
		}
	}
	return nil
}

// download lets npm fetch the package into work and shows how it goes.
func (p enginePackage) download(ctx context.Context, work string, progress io.Writer) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is not on the PATH: install Node.js 20 or later, which brings it")
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--prefer-offline")
	cmd.Dir = work
	cmd.Stdout, cmd.Stderr = &output, &output
	stop := showProgress(work, p.size, progress)
	err = cmd.Run()
	stop()
	if err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, strings.TrimSpace(output.String()))
	}
	return nil
}

// check compares the library with the pinned size and hash.
func (p enginePackage) check(library string) error {
	file, err := os.Open(library)
	if err != nil {
		return fmt.Errorf("check the engine: %w", err)
	}
	defer file.Close() // only read
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	if err != nil {
		return fmt.Errorf("check the engine: %w", err)
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); size != p.size || sum != p.sha256 {
		return fmt.Errorf("check the engine: %s has %d bytes and sha256 %s, not the pinned %d and %s", p.file, size, sum, p.size, p.sha256)
	}
	return nil
}
