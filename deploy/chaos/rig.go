package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// maxLinkers is how many linkers a rig may have at once.
const maxLinkers = 4

// rigConfig says where a rig's processes come from and where their files go.
type rigConfig struct {
	// binary is executed with "chaos part ROLE".
	binary string
	// dir is for logs and, below it, for the servers' files.
	dir string
	// natsDir and warehouseDir are elsewhere where a fault needs a file system of its own.
	natsDir, warehouseDir string
	engine                string
}

// limit is the rig's MaxIdentitiesPerKey, small so that keys get overloaded.
const limit = 4

// rig is NATS, ClickHouse, an ingest and up to four linkers, each a process, with a
// proxy on every way between them.
type rig struct {
	cfg                     rigConfig
	nats, clickhouse        *process
	ingest                  *process
	linkers                 []*process
	ingestNATS              *proxy
	linkerNATS, linkerTable *proxy

	nc   *nats.Conn // of the judge, not through a proxy
	js   jetstream.JetStream
	conn driver.Conn

	life    context.Context // of the processes
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// startTimeout bounds each wait for a part or a server.
const startTimeout = 3 * time.Minute

// newRig starts everything, with one linker, and makes streams and tables.
func newRig(ctx context.Context, cfg rigConfig) (r *rig, err error) {
	life, cancel := context.WithCancel(context.Background())
	r = &rig{cfg: cfg, life: life, cancel: cancel}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
			r = nil
		}
	}()
	if cfg.natsDir == "" {
		cfg.natsDir = filepath.Join(cfg.dir, "nats")
	}
	if cfg.warehouseDir == "" {
		cfg.warehouseDir = filepath.Join(cfg.dir, "clickhouse")
	}
	ctx, stop := context.WithTimeout(ctx, startTimeout)
	defer stop()
	ports, err := freePorts(4)
	if err != nil {
		return r, err
	}
	r.nats = r.add("nats", roleNATS, order{Dir: cfg.natsDir, Addr: ports[0]})
	r.clickhouse = r.add("clickhouse", roleClickHouse, order{Dir: cfg.warehouseDir, Addr: ports[1], HTTP: ports[2], Engine: cfg.engine})
	r.nats.start()
	r.clickhouse.start()
	if _, err := r.nats.awaitReady(ctx); err != nil {
		return r, err
	}
	tables, err := r.clickhouse.awaitReady(ctx)
	if err != nil {
		return r, err
	}
	if err := r.provision(ctx, tables.DSN); err != nil {
		return r, err
	}
	if err := r.openProxies(ports[0], ports[1]); err != nil {
		return r, err
	}
	r.ingest = r.add("ingest", roleIngest, order{Addr: ports[3], NATS: "nats://" + r.ingestNATS.addr()})
	dsn, err := throughProxy(tables.DSN, r.linkerTable.addr())
	if err != nil {
		return r, err
	}
	for i := range maxLinkers {
		o := order{NATS: "nats://" + r.linkerNATS.addr(), DSN: dsn, Limit: limit}
		r.linkers = append(r.linkers, r.add(fmt.Sprint("linker", i+1), roleLinker, o))
	}
	if err := r.openJudge("nats://"+ports[0], tables.DSN); err != nil {
		return r, err
	}
	r.ingest.start()
	r.linkers[0].start()
	_, err = r.ingest.awaitReady(ctx)
	return r, err
}

func (r *rig) add(name, role string, o order) *process {
	p := newProcess(r.cfg.binary, r.cfg.dir, name, role, o)
	r.running.Add(1)
	// Ends with close.
	go func() {
		defer r.running.Done()
		p.run(r.life)
	}()
	return p
}

func (r *rig) provision(ctx context.Context, dsn string) error {
	p := r.add("provision", roleProvision, order{NATS: "nats://" + r.nats.order.Addr, DSN: dsn})
	p.start()
	if _, err := p.awaitReady(ctx); err != nil {
		return err
	}
	return p.stop(ctx)
}

// wipe makes streams and tables anew, empty.
func (r *rig) wipe(ctx context.Context) error {
	if err := r.scale(ctx, 0); err != nil {
		return err
	}
	for _, name := range []string{stream.Events, stream.Changes, stream.DeadLetters} {
		if err := r.js.DeleteStream(ctx, name); err != nil {
			return fmt.Errorf("delete stream %s: %w", name, err)
		}
	}
	if err := r.conn.Exec(ctx, "DROP DATABASE "+warehouse.DefaultDatabase+" SYNC"); err != nil {
		return fmt.Errorf("drop the tables: %w", err)
	}
	tables, err := r.clickhouse.awaitReady(ctx)
	if err != nil {
		return err
	}
	return r.provision(ctx, tables.DSN)
}

func (r *rig) openProxies(natsAddr, tableAddr string) (err error) {
	if r.ingestNATS, err = newProxy(natsAddr); err != nil {
		return err
	}
	if r.linkerNATS, err = newProxy(natsAddr); err != nil {
		return err
	}
	r.linkerTable, err = newProxy(tableAddr)
	return err
}

func (r *rig) openJudge(addr, dsn string) (err error) {
	r.nc, err = nats.Connect(addr, nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		return fmt.Errorf("connect the judge to nats: %w", err)
	}
	if r.js, err = jetstream.New(r.nc); err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	r.conn, err = warehouse.OpenLoader(dsn)
	return err
}

// scale has n linkers run.
func (r *rig) scale(ctx context.Context, n int) error {
	for i, l := range r.linkers {
		if i < n {
			l.start()
		} else if err := l.stop(ctx); err != nil {
			return err
		}
	}
	return nil
}

// calm ends all weather.
func (r *rig) calm() {
	for _, p := range r.proxies() {
		p.set(weather{})
	}
}

func (r *rig) proxies() []*proxy { return []*proxy{r.ingestNATS, r.linkerNATS, r.linkerTable} }

// up waits until every server answers and ingest is there.
func (r *rig) up(ctx context.Context) error {
	for _, p := range []*process{r.nats, r.clickhouse, r.ingest} {
		p.start()
		if _, err := p.awaitReady(ctx); err != nil {
			return err
		}
	}
	return poll(ctx, "the servers answer", func(ctx context.Context) (bool, error) {
		if _, err := r.js.Stream(ctx, stream.Events); err != nil {
			return false, err
		}
		err := r.conn.Ping(ctx)
		return err == nil, err
	})
}

// drain waits until every message of the stream is acknowledged, or patience ends.
func (r *rig) drain(ctx context.Context) error {
	return poll(ctx, "every message is acknowledged", func(ctx context.Context) (bool, error) {
		s, err := r.js.Stream(ctx, stream.Events)
		if err != nil {
			return false, err
		}
		c, err := r.js.Consumer(ctx, stream.Events, stream.Consumer)
		if err != nil {
			return false, err
		}
		i := c.CachedInfo()
		if i.NumPending > 0 || i.NumAckPending > 0 || i.Delivered.Stream < s.CachedInfo().State.LastSeq {
			return false, fmt.Errorf("%d messages are pending and %d not acknowledged", i.NumPending, i.NumAckPending)
		}
		return true, nil
	})
}

// poll asks until the answer is yes. Each question has some seconds; the last error is
// part of what is told when ctx ends.
func poll(ctx context.Context, what string, ask func(context.Context) (bool, error)) error {
	for {
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		ok, last := ask(once)
		cancel()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, errors.Join(ctx.Err(), last))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// close ends all processes and connections, in order where they can.
func (r *rig) close() error {
	r.cancel()
	var errs []error
	for _, p := range r.proxies() {
		if p != nil {
			errs = append(errs, p.close())
		}
	}
	r.running.Wait()
	if r.conn != nil {
		errs = append(errs, r.conn.Close())
	}
	if r.nc != nil {
		r.nc.Close()
	}
	return errors.Join(errs...)
}

// throughProxy is a DSN with another address.
func throughProxy(dsn, addr string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", errors.New("read the clickhouse dsn: it is no address") // its text has the password
	}
	u.Host = addr
	return u.String(), nil
}

// freePorts returns n loopback addresses that were free a moment ago.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() // held until all are found, so that they differ
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// workDir makes a folder for a run; the cleanup removes it unless the run is to be kept.
func workDir(parent, name string, log *slog.Logger) (string, func(keep bool) error, error) {
	dir, err := os.MkdirTemp(parent, "unionlink-chaos-"+name+"-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the run: %w", err)
	}
	return dir, func(keep bool) error {
		if keep {
			log.Info("the run's files are kept", "dir", dir)
			return nil
		}
		return os.RemoveAll(dir)
	}, nil
}
