package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// The roles that a part may play.
const (
	roleNATS       = "nats"
	roleClickHouse = "clickhouse"
	roleProvision  = "provision"
	roleIngest     = "ingest"
	roleLinker     = "linker"
)

// order is what a part is told, one line of JSON on its standard input. The part ends
// when standard input does.
type order struct {
	Dir  string // of a server's files
	Addr string // to listen on, host:port
	HTTP string // of ClickHouse's second port
	NATS string // URL
	DSN  string
	// Limit is MaxIdentitiesPerKey.
	Limit int
	// Engine is where ClickHouse comes from; see embedded.ClickHouseConfig.
	Engine string
}

// told is what a part tells when it is ready, one line of JSON on its standard output.
type told struct {
	Addr string
	DSN  string
	// Engine is the process id of the ClickHouse engine, which is a child of the part.
	Engine int
}

// backendKey is the API key of the rig's producers. The rig listens on the loopback only.
const backendKey = "the-chaos-producers-key"

// accounts are the rig's: two on one platform, one on another.
var accounts = []schemas.Account{
	{AppID: "wxchaos1", Name: "One", Kind: schemas.AccountKindOfficial, Platform: "main"},
	{AppID: "wxchaos2", Name: "Two", Kind: schemas.AccountKindMiniProgram, Platform: "main"},
	{AppID: "wxchaos3", Name: "Three", Kind: schemas.AccountKindWebsite, Platform: "other"},
}

func appIDs() []string {
	out := make([]string, len(accounts))
	for i := range accounts {
		out[i] = accounts[i].AppID
	}
	return out
}

// RunPart is one process of the rig: the role's server or part of unionlink, until
// standard input ends. What it has to say goes to standard error.
func RunPart(ctx context.Context, role string, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the part's order: %w", err)
	}
	var o order
	if err := json.Unmarshal(line, &o); err != nil {
		return fmt.Errorf("read the part's order: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Ends with standard input, that is with the rig.
	go func() {
		_, _ = io.Copy(io.Discard, lines) // whatever ends it, the rig is gone
		cancel()
	}()
	p := part{order: o, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), out: out}
	play, ok := map[string]func(context.Context) error{
		roleNATS: p.nats, roleClickHouse: p.clickhouse, roleProvision: p.provision, roleIngest: p.ingest, roleLinker: p.linker,
	}[role]
	if !ok {
		return fmt.Errorf("play %q: there is no such role", role)
	}
	return play(ctx)
}

type part struct {
	order order
	log   *slog.Logger
	out   io.Writer
}

func (p *part) tell(t told) error {
	line, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("tell the rig: %w", err)
	}
	if _, err := p.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("tell the rig: %w", err)
	}
	return nil
}

func port(addr string) int {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return 0
	}
	return a.Port
}

func (p *part) nats(ctx context.Context) error {
	server, err := embedded.NewNATS(embedded.NATSConfig{Dir: p.order.Dir, Port: port(p.order.Addr), MaxStore: 8 << 30}, p.log)
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	if err := p.tell(told{Addr: server.Addr()}); err != nil {
		return err
	}
	<-ctx.Done()
	return server.Close()
}

func (p *part) clickhouse(ctx context.Context) error {
	restarted := make(chan struct{}, 100)
	server, err := embedded.NewClickHouse(embedded.ClickHouseConfig{
		Dir: p.order.Dir, NativePort: port(p.order.Addr), HTTPPort: port(p.order.HTTP), Engine: p.order.Engine, MemoryLimit: 2 << 30,
		OnRestart: func(error) { restarted <- struct{}{} },
	}, p.log)
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	for {
		if err := p.tell(told{Addr: server.NativeAddr(), DSN: server.DSN(embedded.UserLoader), Engine: server.Pid()}); err != nil {
			return err
		}
		select {
		case <-restarted:
		case <-ctx.Done():
			return server.Close()
		}
	}
}

// ackWait is how long the rig's consumer waits for an acknowledgement: much shorter than
// in production, so that redelivery happens all the time.
const ackWait = 3 * time.Second

// provision makes streams, consumer and tables, as this binary knows them.
func (p *part) provision(ctx context.Context) error {
	nc, err := nats.Connect(p.order.NATS)
	if err != nil {
		return fmt.Errorf("connect to nats: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	// A short window, so that repeated events reach the linkers.
	if err := stream.Provision(ctx, js, stream.Config{MaxBytes: 4 << 30, Duplicates: 2 * time.Second}); err != nil {
		return err
	}
	consumer := stream.ConsumerConfig()
	consumer.AckWait = ackWait
	if _, err := js.UpdateConsumer(ctx, stream.Events, consumer); err != nil {
		return fmt.Errorf("shorten the consumer's ack wait: %w", err)
	}
	if _, err := warehouse.Migrate(ctx, warehouse.MigrateOptions{DSN: p.order.DSN}); err != nil {
		return err
	}
	if err := p.tell(told{}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (p *part) ingest(ctx context.Context) error {
	nc, err := nats.Connect(p.order.NATS, ingest.ConnectOptions(p.log)...)
	if err != nil {
		return fmt.Errorf("connect to nats: %w", err)
	}
	defer nc.Close()
	registry := prometheus.NewRegistry()
	committer, err := ingest.NewCommitter(ingest.CommitConfig{Timeout: 3 * time.Second}, nc, registry)
	if err != nil {
		return err
	}
	routes, err := ingest.New(ingest.Config{Keys: []ingest.Key{{Name: "chaos", Key: backendKey, AppIDs: appIDs()}}},
		ingest.Deps{Publisher: committer, AppIDs: appIDs(), Logger: p.log, Registerer: registry})
	if err != nil {
		return err
	}
	router := chi.NewRouter()
	routes.Routes(router)
	listener, err := net.Listen("tcp", p.order.Addr)
	if err != nil {
		return fmt.Errorf("listen for ingest: %w", err)
	}
	server := &http.Server{Handler: router, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }() // ends with Close
	if err := p.tell(told{Addr: listener.Addr().String()}); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return server.Close()
	case err := <-failed:
		return fmt.Errorf("serve ingest: %w", err)
	}
}

func (p *part) linker(ctx context.Context) error {
	nc, err := nats.Connect(p.order.NATS, nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.ReconnectWait(250*time.Millisecond))
	if err != nil {
		return fmt.Errorf("connect to nats: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	conn, err := warehouse.OpenLoader(p.order.DSN)
	if err != nil {
		return err
	}
	defer conn.Close()
	l, err := linker.New(linker.Config{MaxIdentitiesPerKey: p.order.Limit, BatchEvents: 500}, linker.Deps{
		JetStream: js, Warehouse: conn, Accounts: accounts, Log: p.log, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		return err
	}
	if err := p.tell(told{}); err != nil {
		return err
	}
	return errors.Join(l.Run(ctx), nc.Flush())
}

// stderrFile is where a part's log goes.
func stderrFile(dir, name string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	return f, nil
}
