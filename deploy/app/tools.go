package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/deploy/embedded"
	"github.com/unionlink/unionlink/linker"
	"github.com/unionlink/unionlink/linker/letters"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// toolServers finds the servers for a command that works beside the parts: those that
// are configured, else those of the `unionlink up` that runs on the data folder.
func toolServers(cfg Config) (*servers, error) {
	w := &servers{natsURL: cfg.NATS.URL, loaderDSN: cfg.ClickHouse.DSN}
	if w.natsURL != "" && w.loaderDSN != "" {
		return w, nil
	}
	c, err := ReadCredentials(cfg.Data)
	if err != nil {
		if w.natsURL != "" {
			return w, nil // what needs ClickHouse says so
		}
		return nil, fmt.Errorf("find the servers: %w (set --data to the folder of a running unionlink up, or nats.url)", err)
	}
	if w.natsURL == "" {
		w.natsURL = c.NATSURL
	}
	if w.loaderDSN == "" {
		w.loaderDSN, err = loaderDSN(cfg.Data, c)
	}
	return w, err
}

// loaderDSN is the embedded ClickHouse's, whose passwords lie in the data folder.
func loaderDSN(data string, c Credentials) (string, error) {
	raw, err := os.ReadFile(filepath.Join(data, "clickhouse", "secrets.json"))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil // not embedded
	}
	if err != nil {
		return "", fmt.Errorf("read the embedded clickhouse's passwords: %w", err)
	}
	passwords := map[embedded.User]string{}
	if err := json.Unmarshal(raw, &passwords); err != nil {
		return "", fmt.Errorf("read the embedded clickhouse's passwords: %w", err)
	}
	dsn := url.URL{
		Scheme: "clickhouse", Host: c.ClickHouse.Native, Path: "/" + warehouse.DefaultDatabase,
		User: url.UserPassword(string(embedded.UserLoader), passwords[embedded.UserLoader]),
	}
	return dsn.String(), nil
}

// connectTool opens JetStream for a command.
func connectTool(w *servers) (jetstream.JetStream, func(), error) {
	nc, err := nats.Connect(w.natsURL, nats.Name("unionlink-tool"))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to nats: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("open jetstream: %w", err)
	}
	return js, nc.Close, nil
}

// Letters runs a command on the dead letters.
func Letters(ctx context.Context, cfg Config, do func(context.Context, *letters.Box) error) error {
	w, err := toolServers(cfg)
	if err != nil {
		return err
	}
	js, closeNATS, err := connectTool(w)
	if err != nil {
		return err
	}
	defer closeNATS()
	return do(ctx, letters.New(js))
}

// Verify compares stream, ledger, map and dictionaries; see linker.Verify.
func Verify(ctx context.Context, cfg Config, deps Deps, repair bool, progress func(done, all uint64)) (*linker.Verification, error) {
	w, err := toolServers(cfg)
	if err != nil {
		return nil, err
	}
	if w.loaderDSN == "" {
		return nil, errors.New("clickhouse.dsn: verify needs the ClickHouse with the tables: set it, or --data")
	}
	js, closeNATS, err := connectTool(w)
	if err != nil {
		return nil, err
	}
	defer closeNATS()
	conn, err := warehouse.OpenLoader(w.loaderDSN)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	l, err := linker.New(cfg.Linker, linker.Deps{
		JetStream: js, Warehouse: conn, Accounts: cfg.accounts(), Log: deps.Log, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, err
	}
	return l.Verify(ctx, repair, progress)
}
