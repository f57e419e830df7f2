package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// connections are what the parts work with. Publishing has a NATS connection of its
// own, which fails at once where the linker's waits.
type connections struct {
	publish   *nats.Conn
	js        jetstream.JetStream // of the linker
	loader    driver.Conn
	reader    driver.Conn
	committer *ingest.Committer
	servers   *servers
}

// connect opens the connections that the target's parts need. They reconnect for ever.
func (a *App) connect(w *servers) (*connections, error) {
	c := &connections{servers: w}
	if a.parts.linker || a.parts.api {
		if err := a.connectWarehouse(c); err != nil {
			return nil, err
		}
	}
	if a.parts.linker {
		nc, err := nats.Connect(w.natsURL, nats.Name("unionlink-linker"), nats.MaxReconnects(-1),
			nats.RetryOnFailedConnect(true), nats.ReconnectWait(250*time.Millisecond))
		if err != nil {
			return nil, fmt.Errorf("connect to nats: %w", err)
		}
		a.cleanup.add("linker's nats connection", func(ctx context.Context) error { return flushAndClose(ctx, nc) })
		if c.js, err = jetstream.New(nc); err != nil {
			return nil, fmt.Errorf("open jetstream: %w", err)
		}
	}
	if a.parts.ingest || a.parts.api {
		nc, err := nats.Connect(w.natsURL, ingest.ConnectOptions(a.deps.Log)...)
		if err != nil {
			return nil, fmt.Errorf("connect to nats: %w", err)
		}
		a.cleanup.add("ingest's nats connection", func(context.Context) error {
			nc.SetDisconnectErrHandler(nil) // it is meant
			nc.Close()
			return nil
		})
		if c.committer, err = ingest.NewCommitter(a.cfg.Ingest.Commit, nc, a.metrics); err != nil {
			return nil, err
		}
		c.publish = nc
		a.cleanup.add("committer", c.committer.Drain)
	}
	return c, nil
}

func (a *App) connectWarehouse(c *connections) (err error) {
	if c.loader, err = warehouse.OpenLoader(c.servers.loaderDSN); err != nil {
		return err
	}
	a.cleanup.add("loader's clickhouse connections", func(context.Context) error { return c.loader.Close() })
	if !a.parts.api {
		return nil
	}
	if c.reader, err = warehouse.Open(c.servers.analystDSN); err != nil {
		return err
	}
	a.cleanup.add("analysts' clickhouse connections", func(context.Context) error { return c.reader.Close() })
	return nil
}

// flushAndClose sends what is still to be sent, the last acknowledgements above all.
func flushAndClose(ctx context.Context, nc *nats.Conn) error {
	defer nc.Close()
	if !nc.IsConnected() {
		return nil // what was not acknowledged comes again
	}
	if err := nc.FlushWithContext(ctx); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

func (a *App) startLinker(c *connections) error {
	l, err := linker.New(a.cfg.Linker, linker.Deps{
		JetStream: c.js, Warehouse: c.loader, Accounts: a.cfg.accounts(), Log: a.deps.Log, Metrics: a.metrics,
		Traces: a.traces.Provider(),
	})
	if err != nil {
		return err
	}
	a.spawn("linker", l.Run)
	a.ready.add("linker", func(context.Context) error { return l.Ready() })
	return nil
}

// accounts are the configured accounts as the contract has them.
func (c Config) accounts() []schemas.Account {
	all := make([]schemas.Account, 0, len(c.Accounts))
	for _, a := range c.Accounts {
		all = append(all, schemas.Account{AppID: a.AppID, Name: a.Name, Kind: a.Kind, Platform: a.Platform, Former: a.former()})
	}
	return all
}

func (a Account) former() []schemas.FormerPlatform {
	all := make([]schemas.FormerPlatform, 0, len(a.FormerPlatforms))
	for _, f := range a.FormerPlatforms {
		all = append(all, schemas.FormerPlatform{Platform: f.Platform, Until: f.Until})
	}
	return all
}
