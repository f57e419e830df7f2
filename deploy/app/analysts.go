package app

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/api"
	"github.com/unionlink/unionlink/api/console"
	"github.com/unionlink/unionlink/api/export"
	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/linker/letters"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// mountAPI adds the questions, and the console for every path that is nobody else's.
func (a *App) mountAPI(r chi.Router, c *connections, k *issued) error {
	cfg := api.Config{
		Tokens: k.tokens, OIDC: a.cfg.Analysts.OIDC, SessionLifetime: a.cfg.Analysts.SessionLifetime, MaxIdentitiesPerKey: a.cfg.Linker.MaxIdentitiesPerKey,
		Columnar: export.Columnar{URL: c.servers.httpURL, User: c.servers.analystUser, Password: c.servers.analystPassword},
	}
	for _, account := range a.cfg.Accounts {
		cfg.Accounts = append(cfg.Accounts, api.Account{
			AppID: account.AppID, Name: account.Name, Kind: string(account.Kind), Platform: account.Platform,
		})
	}
	js, err := jetstream.New(c.publish)
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	limited, err := a.limitedReader(c.servers)
	if err != nil {
		return err
	}
	questions, err := api.New(cfg, api.Deps{
		Reader: c.reader, Limited: limited, Writer: c.loader, Publisher: ingest.From("analysts", c.committer), Console: console.Handler(),
		DeadLetters: deadLetters{letters.New(js)}, Log: a.deps.Log, Metrics: a.metrics, Now: a.deps.Now, Secret: k.secret,
	})
	if err != nil {
		return err
	}
	questions.Routes(r)
	a.ready.add("api", questions.Ready)
	a.spawn("health of identity", questions.Run)
	return nil
}

// limitedReader is the connection for tokens that may see some accounts only; nil where
// ClickHouse has no user for it.
func (a *App) limitedReader(w *servers) (driver.Conn, error) {
	if w.limitedDSN == "" {
		return nil, nil
	}
	conn, err := warehouse.Open(w.limitedDSN)
	if err != nil {
		return nil, err
	}
	a.cleanup.add("limited analysts' clickhouse connections", func(context.Context) error { return conn.Close() })
	return conn, nil
}

// deadLetters are the linker's as the api lists them.
type deadLetters struct{ box *letters.Box }

// After returns at most limit letters behind a sequence number, oldest first.
func (d deadLetters) After(ctx context.Context, seq uint64, limit int) ([]api.DeadLetter, error) {
	found, err := d.box.List(ctx, letters.Filter{After: seq, Limit: limit})
	if err != nil {
		return nil, err
	}
	out := make([]api.DeadLetter, 0, len(found))
	for _, l := range found {
		_, appid, _ := stream.ParseSubject(l.Subject) // another subject has no account
		out = append(out, api.DeadLetter{
			Seq: l.Seq, Reason: l.Reason, Detail: l.Detail, Where: l.Where, FailedAt: l.FailedAt,
			AppID: appid, Subject: l.Subject, Data: string(l.Data),
		})
	}
	return out, nil
}
