package app

import (
	"context"
	"fmt"

	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/ingest/wechat"
	"github.com/unionlink/unionlink/ingest/wechat/account"
)

// wechat is the account as ingest's WeChat side has it.
func (a Account) wechat() account.Account {
	return account.Account{
		AppID: a.AppID, Name: a.Name, Kind: a.Kind, Platform: a.Platform, Former: a.former(), Secret: a.Secret, Push: a.Push,
	}
}

// wechat is the configuration as ingest's WeChat side has it.
func (c Config) wechat() wechat.Config {
	cfg := wechat.Config{
		Client: c.WeChat.Client, Login: c.WeChat.Login, Push: c.WeChat.Push, Pay: c.WeChat.Pay, Backfill: c.WeChat.Backfill,
		Replicas: c.NATS.Replicas,
	}
	for _, a := range c.Accounts {
		cfg.Accounts = append(cfg.Accounts, a.wechat())
	}
	return cfg
}

// mountWeChat adds the routes that browsers, WeChat and WeChat Pay call, and works the
// queue of followers whose unionid is asked for.
func (a *App) mountWeChat(r chi.Router, c *connections) error {
	js, err := jetstream.New(c.publish)
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	w, err := wechat.New(a.cfg.wechat(), wechat.Deps{
		JetStream: js, Publisher: ingest.From("wechat", c.committer), Log: a.deps.Log, Metrics: a.metrics, Now: a.deps.Now,
	})
	if err != nil {
		return err
	}
	w.Routes(r)
	a.spawn("wechat", w.Run)
	return nil
}

// WeChatTool runs a command that asks WeChat and publishes events, beside a running
// unionlink or without one.
func WeChatTool(ctx context.Context, cfg Config, deps Deps, do func(context.Context, *wechat.WeChat) error) error {
	w, err := toolServers(cfg)
	if err != nil {
		return err
	}
	nc, err := nats.Connect(w.natsURL, ingest.ConnectOptions(deps.Log)...)
	if err != nil {
		return fmt.Errorf("connect to nats: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("open jetstream: %w", err)
	}
	metrics := prometheus.NewRegistry()
	committer, err := ingest.NewCommitter(cfg.Ingest.Commit, nc, metrics)
	if err != nil {
		return err
	}
	side, err := wechat.New(cfg.wechat(), wechat.Deps{
		JetStream: js, Publisher: ingest.From("wechat", committer), Log: deps.Log, Metrics: metrics, Now: deps.Now,
	})
	if err != nil {
		return err
	}
	return do(ctx, side)
}
