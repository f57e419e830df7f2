package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ClickHouseConfig says where the embedded ClickHouse keeps its tables and how much of the machine it may take.
type ClickHouseConfig struct {
	Dir        string // the server's own folder; created with mode 0700
	Host       string // IP address to listen on; default 127.0.0.1
	NativePort int    // 0: any free port, kept until Close
	HTTPPort   int    // 0: any free port, kept until Close
	Database   string // lower case name; the users' rights also cover databases that begin with it and "_"; default unionlink

	// Engine is where the server comes from. Empty: the pinned library from npm, installed where it is missing (see
	// EnsureEngine). "path": a program `clickhouse` on the PATH. Otherwise: the path of such a program or of a libchdb.
	Engine    string
	EngineDir string    // see EnsureEngine
	Progress  io.Writer // told how the installation goes; nil: nobody

	MemoryLimit int64  // bytes the server may take; default 2 GiB, or 4 GiB where the machine has 12 GiB or more
	LogLevel    string // of DIR/log/clickhouse.log; default warning
	LazySync    bool   // leave fsync to the kernel: for tests alone, an answered insert may then be lost with the machine

	// OnRestart is told after each restart of a child that had died, with the reason. It is called by the supervising
	// goroutine and must not block. nil: nobody is told (the log has it too).
	OnRestart func(reason error)
}

func (c ClickHouseConfig) withDefaults() ClickHouseConfig {
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	if c.Database == "" {
		c.Database = "unionlink"
	}
	if c.MemoryLimit == 0 {
		c.MemoryLimit = defaultMemoryLimit()
	}
	if c.LogLevel == "" {
		c.LogLevel = "warning"
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	if c.OnRestart == nil {
		c.OnRestart = func(error) {}
	}
	return c
}

var (
	databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	logLevel     = regexp.MustCompile(`^(none|fatal|critical|error|warning|notice|information|debug|trace)$`)
)

// Validate tells every fault at once.
func (c ClickHouseConfig) Validate() error {
	c = c.withDefaults()
	var faults []error
	if c.Dir == "" {
		faults = append(faults, errors.New("clickhouse dir: must be set"))
	}
	if net.ParseIP(c.Host) == nil {
		faults = append(faults, fmt.Errorf("clickhouse host %q: must be an IP address", c.Host))
	}
	for name, port := range map[string]int{"native_port": c.NativePort, "http_port": c.HTTPPort} {
		if port < 0 || port > 65535 {
			faults = append(faults, fmt.Errorf("clickhouse %s %d: must be from 0 to 65535", name, port))
		}
	}
	if c.NativePort != 0 && c.NativePort == c.HTTPPort {
		faults = append(faults, fmt.Errorf("clickhouse http_port %d: must differ from the native port", c.HTTPPort))
	}
	if !databaseName.MatchString(c.Database) {
		faults = append(faults, fmt.Errorf("clickhouse database %q: must be a lower case letter, then letters, digits and _", c.Database))
	}
	if c.MemoryLimit < 512<<20 {
		faults = append(faults, fmt.Errorf("clickhouse memory limit %d: must be at least 512 MiB", c.MemoryLimit))
	}
	if !logLevel.MatchString(c.LogLevel) {
		faults = append(faults, fmt.Errorf("clickhouse log level %q: must be one of ClickHouse's, such as warning or information", c.LogLevel))
	}
	return errors.Join(faults...)
}

// ClickHouse is a ClickHouse server in a supervised child process.
type ClickHouse struct {
	cfg     ClickHouseConfig
	log     *slog.Logger
	lock    *folderLock
	secrets passwords
	program program
	native  int // ports in use
	http    int

	started atomic.Bool
	pid     atomic.Int64
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed when the supervision has ended
	err     error         // valid once done is closed
	close   sync.Once
}

// NewClickHouse checks the configuration; it starts nothing.
func NewClickHouse(cfg ClickHouseConfig, log *slog.Logger) (*ClickHouse, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &ClickHouse{cfg: cfg.withDefaults(), log: log, stop: make(chan struct{}), done: make(chan struct{})}, nil
}

// Start returns when the server answers queries; from then on a goroutine supervises it until Close. It may install the
// engine first, which takes a minute or more. It returns a *BusyPortError or a *LockedError when another process has a
// port or the folder, and a *EngineError when there is no engine for this machine. Call it once.
func (c *ClickHouse) Start(ctx context.Context) error {
	if os.Getenv(childEnv) != "" {
		return errors.New("start clickhouse: this process is a clickhouse child; its main must call embedded.RunChildIfAsked first")
	}
	c.started.Store(true)
	if err := c.prepare(ctx); err != nil {
		return errors.Join(fmt.Errorf("start clickhouse: %w", err), c.abandon())
	}
	child, err := c.firstLaunch(ctx)
	if err != nil {
		return errors.Join(err, c.abandon())
	}
	go c.supervise(child) // ends after Close
	return nil
}

// abandon undoes a Start that went wrong.
func (c *ClickHouse) abandon() error {
	close(c.done)
	if c.lock == nil {
		return nil
	}
	return c.lock.release()
}

// prepare takes the folder, finds the engine and fixes the ports.
func (c *ClickHouse) prepare(ctx context.Context) (err error) {
	if c.cfg.Dir, err = filepath.Abs(c.cfg.Dir); err != nil {
		return err
	}
	for _, dir := range []string{c.cfg.Dir, filepath.Join(c.cfg.Dir, "data"), filepath.Join(c.cfg.Dir, "log")} {
		if err := privateDir(dir); err != nil {
			return err
		}
	}
	if c.lock, err = lockFolder(ctx, c.cfg.Dir); err != nil {
		return err
	}
	if c.secrets, err = loadPasswords(c.cfg.Dir); err != nil {
		return err
	}
	if err := c.checkPorts(); err != nil {
		return err
	}
	return c.findEngine(ctx)
}

func (c *ClickHouse) checkPorts() error {
	var faults []error
	if c.cfg.NativePort != 0 {
		faults = append(faults, checkPort("clickhouse native", c.cfg.Host, c.cfg.NativePort, "clickhouse.native_port"))
	}
	if c.cfg.HTTPPort != 0 {
		faults = append(faults, checkPort("clickhouse http", c.cfg.Host, c.cfg.HTTPPort, "clickhouse.http_port"))
	}
	return errors.Join(faults...)
}

// answers asks the server a real question over the native protocol.
func (c *ClickHouse) answers(ctx context.Context) error {
	options, err := clickhouse.ParseDSN(c.DSNFor(UserLoader, "default"))
	if err != nil {
		return fmt.Errorf("ask clickhouse: %w", err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return fmt.Errorf("ask clickhouse: %w", err)
	}
	var one uint8
	err = conn.QueryRow(ctx, "SELECT 1").Scan(&one)
	return errors.Join(err, conn.Close())
}

// DSN returns clickhouse://user:password@host:port/database for clickhouse-go. Call it after Start. The server does not
// make the database; who migrates it does.
func (c *ClickHouse) DSN(user User) string {
	return c.DSNFor(user, c.cfg.Database)
}

// DSNFor is DSN for another database.
func (c *ClickHouse) DSNFor(user User, database string) string {
	address := url.URL{
		Scheme: "clickhouse",
		User:   url.UserPassword(string(user), c.secrets[user]),
		Host:   c.NativeAddr(),
		Path:   "/" + database,
	}
	return address.String()
}

// Password returns the password of a user. Call it after Start.
func (c *ClickHouse) Password(user User) string {
	return c.secrets[user]
}

// NativeAddr returns host:port of the native protocol. Call it after Start.
func (c *ClickHouse) NativeAddr() string {
	return net.JoinHostPort(c.cfg.Host, strconv.Itoa(c.native))
}

// HTTPAddr returns host:port of the HTTP interface. Call it after Start.
func (c *ClickHouse) HTTPAddr() string {
	return net.JoinHostPort(c.cfg.Host, strconv.Itoa(c.http))
}

// HTTPURL returns http://host:port, without credentials. Call it after Start.
func (c *ClickHouse) HTTPURL() string {
	return "http://" + c.HTTPAddr()
}

// Pid returns the child's process id, or 0 while there is none.
func (c *ClickHouse) Pid() int {
	return int(c.pid.Load())
}

// Done is closed when the supervision has ended: after Close, or after a Start that went wrong.
func (c *ClickHouse) Done() <-chan struct{} {
	return c.done
}

// Err waits for Done and returns how the last child ended: nil when it closed its tables and went.
func (c *ClickHouse) Err() error {
	<-c.done
	return c.err
}

// Close asks the server to end, waits for it and lets the folder go. Answered inserts are safe whichever way it ends.
// Closing twice, before Start, or after a Start that went wrong is harmless.
func (c *ClickHouse) Close() error {
	if !c.started.Load() {
		return nil
	}
	c.close.Do(func() { close(c.stop) })
	return c.Err()
}
