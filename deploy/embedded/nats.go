package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsMaxPayload is the largest message in bytes: 1 MiB for the event, as NATS has it by default, and 64 KiB so that the
// headers of a dead letter never make a message that once fitted too large.
const natsMaxPayload = 1<<20 + 64<<10

// natsMaxMemory bounds the streams kept in memory, in bytes. unionlink has none; all of its streams are files.
const natsMaxMemory = 64 << 20

// natsReadyWait bounds the start: recovering a large store takes time, and doing so is no fault.
const natsReadyWait = 5 * time.Minute

// NATSUser is one more login of the embedded NATS, for instance a back end that publishes by itself.
type NATSUser struct {
	User, Password string
	PublishAllow   []string // subjects; empty: may publish nothing
	SubscribeAllow []string // subjects; empty: may subscribe to nothing
}

// NATSConfig says where the embedded NATS keeps its streams and who may log in.
type NATSConfig struct {
	Dir      string     // the server's own folder; created with mode 0700
	Host     string     // address to listen on; default 127.0.0.1
	Port     int        // 0: any free port
	User     string     // unionlink's own login with all rights; empty: anybody may log in, without a password
	Password string     // of User
	Users    []NATSUser // further logins with limited rights; need User
	MaxStore int64      // bytes all streams together may take; default half of the free disk space, plus what they take already
	LazySync bool       // fsync every two minutes instead of at every message: for tests alone, an ack then promises nothing

	// OnRestart is told why the server stood still, after it was started again, and must not block; default: nobody is.
	OnRestart func(reason error)
}

func (c NATSConfig) withDefaults() NATSConfig {
	if c.Host == "" {
		c.Host = "127.0.0.1"
	}
	if c.OnRestart == nil {
		c.OnRestart = func(error) {}
	}
	return c
}

// Validate tells every fault at once.
func (c NATSConfig) Validate() error {
	var faults []error
	if c.Dir == "" {
		faults = append(faults, errors.New("nats dir: must be set"))
	}
	if c.Port < 0 || c.Port > 65535 {
		faults = append(faults, fmt.Errorf("nats port %d: must be from 0 to 65535", c.Port))
	}
	if c.User != "" && c.Password == "" {
		faults = append(faults, errors.New("nats password: must be set where a user is"))
	}
	if c.User == "" && len(c.Users) > 0 {
		faults = append(faults, errors.New("nats user: must be set where further users are"))
	}
	names := map[string]bool{c.User: true}
	for i, user := range c.Users {
		if user.User == "" || user.Password == "" {
			faults = append(faults, fmt.Errorf("nats users[%d]: needs a user and a password", i))
		} else if names[user.User] {
			faults = append(faults, fmt.Errorf("nats users[%d]: the user %q is there twice", i, user.User))
		}
		names[user.User] = true
	}
	if c.MaxStore < 0 {
		faults = append(faults, fmt.Errorf("nats max store %d: must not be negative", c.MaxStore))
	}
	return errors.Join(faults...)
}

// NATS is a NATS server with JetStream inside this process. Where its disk was full and it stands still, it is started
// again as soon as there is room.
type NATS struct {
	cfg   NATSConfig
	log   *slog.Logger
	lock  *folderLock
	limit int64
	port  int // chosen at the start, kept until Close
	close sync.Once

	server *server.Server // of the supervision while that runs
	frozen <-chan error   // why server stands still; of the supervision too
	cancel func()         // ends the supervision; nil before it runs
	done   chan struct{}  // closed when the supervision has ended
}

// NewNATS checks the configuration; it starts nothing.
func NewNATS(cfg NATSConfig, log *slog.Logger) (*NATS, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &NATS{cfg: cfg.withDefaults(), log: log, port: cfg.Port, done: make(chan struct{})}, nil
}

// Start returns when the server takes connections and JetStream has recovered its streams. It returns a *BusyPortError
// or a *LockedError when another process has the port or the folder. Call it once.
func (n *NATS) Start(ctx context.Context) (err error) {
	if err := privateDir(n.cfg.Dir); err != nil {
		return fmt.Errorf("start nats: %w", err)
	}
	if n.lock, err = lockFolder(ctx, n.cfg.Dir); err != nil {
		return fmt.Errorf("start nats: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if n.cfg.Port != 0 {
		if err := checkPort("nats", n.cfg.Host, n.cfg.Port, "nats.port"); err != nil {
			return fmt.Errorf("start nats: %w", err)
		}
	}
	if n.limit, err = n.storeLimit(); err != nil {
		return fmt.Errorf("start nats: %w", err)
	}
	if err := n.serve(ctx); err != nil {
		return err
	}
	n.port = n.server.Addr().(*net.TCPAddr).Port
	supervision, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n.cancel = cancel
	go n.supervise(supervision) // ends at Close
	return nil
}

// serve starts a server as n.server, which is to be shut down even if it did not start well.
func (n *NATS) serve(ctx context.Context) error {
	srv, err := server.NewServer(n.options())
	if err != nil {
		return fmt.Errorf("start nats: %w", err)
	}
	frozen := make(chan error, 1)
	n.server, n.frozen = srv, frozen
	adapter := &natsLog{log: n.log, fatal: make(chan string, 1), frozen: frozen}
	srv.SetLoggerV2(adapter, false, false, false)
	started := make(chan struct{})
	go func() { // ends when the server has started, or has given up, or is shut down by Close
		defer close(started)
		srv.Start()
	}()
	deadline := time.NewTimer(natsReadyWait)
	defer deadline.Stop()
	for {
		select {
		case message := <-adapter.fatal:
			return fmt.Errorf("start nats: %s", message)
		case <-ctx.Done():
			return fmt.Errorf("start nats: %w", ctx.Err())
		case <-deadline.C:
			return fmt.Errorf("start nats: not ready after %s", natsReadyWait)
		case <-started:
			if srv.ReadyForConnections(time.Second) {
				return nil
			}
		}
	}
}

func (n *NATS) options() *server.Options {
	port := n.port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return &server.Options{
		ServerName:             "unionlink",
		Host:                   n.cfg.Host,
		Port:                   port,
		MaxPayload:             natsMaxPayload,
		Users:                  n.users(),
		JetStream:              true,
		StoreDir:               n.cfg.Dir,
		JetStreamMaxStore:      n.limit,
		SyncAlways:             !n.cfg.LazySync,
		DisableJetStreamBanner: true,
		JetStreamMaxMemory:     natsMaxMemory,
		LameDuckDuration:       time.Second, // long enough to tell the clients, short enough for a stop
		LameDuckGracePeriod:    100 * time.Millisecond,
		NoSigs:                 true, // signals belong to the program around
	}
}

func (n *NATS) users() []*server.User {
	if n.cfg.User == "" {
		return nil
	}
	users := []*server.User{{Username: n.cfg.User, Password: n.cfg.Password}}
	for _, user := range n.cfg.Users {
		users = append(users, &server.User{
			Username: user.User,
			Password: user.Password,
			Permissions: &server.Permissions{
				Publish:   allowOnly(user.PublishAllow),
				Subscribe: allowOnly(user.SubscribeAllow),
			},
		})
	}
	return users
}

// allowOnly turns an empty list into "nothing"; to NATS an empty list means everything.
func allowOnly(subjects []string) *server.SubjectPermission {
	if len(subjects) == 0 {
		return &server.SubjectPermission{Deny: []string{">"}}
	}
	return &server.SubjectPermission{Allow: subjects}
}

// Addr returns the address really listened on, host:port. Call it after Start.
func (n *NATS) Addr() string {
	return net.JoinHostPort(n.cfg.Host, strconv.Itoa(n.port))
}

// URL returns nats://host:port, without credentials, fit for a log.
func (n *NATS) URL() string {
	return "nats://" + n.Addr()
}

// ClientURL returns the URL with the credentials of unionlink's own user.
func (n *NATS) ClientURL() string {
	address := url.URL{Scheme: "nats", Host: n.Addr()}
	if n.cfg.User != "" {
		address.User = url.UserPassword(n.cfg.User, n.cfg.Password)
	}
	return address.String()
}

// StoreLimit returns the bytes that all streams together may take. Streams reserve their MaxBytes out of it.
func (n *NATS) StoreLimit() int64 {
	return n.limit
}

// Close stops the server: clients are told, stores are flushed, the folder is let go. Clients that belong to the same
// program should be closed before. Closing twice, or after a Start that went wrong, is harmless.
func (n *NATS) Close() (err error) {
	n.close.Do(func() {
		if n.cancel != nil {
			n.cancel()
			<-n.done
		}
		if n.server != nil {
			if n.server.NumClients() > 0 {
				n.server.LameDuckShutdown()
			}
			n.server.Shutdown()
			n.server.WaitForShutdown()
		}
		if n.lock != nil {
			err = n.lock.release()
		}
	})
	return err
}
