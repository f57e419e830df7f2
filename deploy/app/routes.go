package app

import (
	"context"
	"runtime/debug"

	"github.com/go-chi/chi/v5"

	"github.com/unionlink/unionlink/ingest"
)

// serveRoutes mounts the routes of the target's parts on the listener.
func (a *App) serveRoutes(w *web, c *connections, k *issued) error {
	r := chi.NewRouter()
	r.Use(a.middlewares()...)
	if a.parts.api {
		if err := a.mountAPI(r, c, k); err != nil {
			return err
		}
	}
	if a.parts.ingest {
		if err := a.mountIngest(r, c, k); err != nil {
			return err
		}
	}
	a.operations(r)
	w.set(r)
	a.cleanup.add("listener", w.drain) // the first thing to stop
	return nil
}

func (a *App) mountIngest(r chi.Router, c *connections, k *issued) error {
	cfg := a.cfg.Ingest
	cfg.Keys = k.keys
	events, err := ingest.New(cfg, ingest.Deps{
		Publisher: c.committer, AppIDs: a.appids(), Logger: a.deps.Log, Registerer: a.metrics, Now: a.deps.Now,
	})
	if err != nil {
		return err
	}
	events.Routes(r)
	if err := a.mountWeChat(r, c); err != nil {
		return err
	}
	a.ready.add("ingest", func(ctx context.Context) error { return c.committer.Ready(ctx) })
	return nil
}

func stack() string { return string(debug.Stack()) }
