package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// web is the one listener. It answers /livez and /readyz from the first moment on, and
// everything else once the parts are wired.
type web struct {
	listener net.Listener
	server   *http.Server
	routes   atomic.Pointer[http.Handler]
}

// Addr is host:port really listened on.
func (w *web) Addr() string { return w.listener.Addr().String() }

// listen takes the address before anything else is started, so that a busy one is told at once.
func (a *App) listen() (*web, error) {
	listener, err := net.Listen("tcp", a.cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: the address is in use by another process; stop it, or set --listen (listen in the file) to another port (0 = any free port)", a.cfg.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", a.cfg.Listen, err)
	}
	w := &web{listener: listener}
	early := chi.NewRouter()
	a.operations(early)
	early.NotFound(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Retry-After", "1")
		http.Error(rw, "unionlink is starting; see /readyz", http.StatusServiceUnavailable)
	})
	w.set(early)
	w.server = &http.Server{
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*w.routes.Load()).ServeHTTP(rw, r) }),
		// A slow header holds a connection, not more. Bodies have ingest's own deadline; an
		// answer may be a long export.
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, WriteTimeout: 15 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.deps.Log.Handler(), slog.LevelDebug),
	}
	// Ends when the server is shut down.
	go func() {
		if err := w.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("serve %s: %w", w.Addr(), err)
		}
	}()
	a.cleanup.add("socket", func(context.Context) error { return w.close() })
	return w, nil
}

func (w *web) set(h http.Handler) { w.routes.Store(&h) }

// close ends what drain has left, or all of it where the start did not come to an end.
func (w *web) close() error {
	if err := w.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the listener: %w", err)
	}
	return nil
}

// drain lets requests under way finish and takes no new ones.
func (w *web) drain(ctx context.Context) error {
	if err := w.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests were still under way, and are cut off: %w", err)
	}
	return nil
}

// operations are the routes for those who run unionlink.
func (a *App) operations(r chi.Router) {
	r.Get("/livez", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n")) // the client is gone; there is nobody to tell
	})
	r.Get("/readyz", a.ready.ServeHTTP)
	r.Handle("/metrics", promhttp.HandlerFor(a.metrics, promhttp.HandlerOpts{Registry: a.metrics}))
}

// middlewares are around every route, outermost first.
func (a *App) middlewares() []func(http.Handler) http.Handler {
	return []func(http.Handler) http.Handler{requestID, secureHeaders, a.accessLog, a.traces.Requests, a.recover}
}

type requestIDKey struct{}

// requestID names each request, in the answer and in the log.
func requestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()[:16]
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// secureHeaders are what every answer carries; the console adds its own policy.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer") // addresses hold codes and openids
		next.ServeHTTP(w, r)
	})
}

// accessLog tells route, status and time of each request: never its path or query,
// which hold openids, nor its address.
func (a *App) accessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			level := slog.LevelInfo
			route := chi.RouteContext(r.Context()).RoutePattern()
			switch {
			case route == "/livez" || route == "/readyz" || route == "/metrics":
				level = slog.LevelDebug
			case rec.status >= http.StatusInternalServerError:
				level = slog.LevelWarn
			}
			id, _ := r.Context().Value(requestIDKey{}).(string)
			a.deps.Log.Log(r.Context(), level, "request", "method", r.Method, "route", route, "status", rec.status,
				"bytes", rec.bytes, "took", time.Since(began).Round(10*time.Microsecond), "request_id", id)
		}()
		next.ServeHTTP(rec, r)
	})
}

// recover turns a panic into a 500. The panic that breaks a connection on purpose goes on.
func (a *App) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			fault := recover()
			switch {
			case fault == nil:
			case fault == http.ErrAbortHandler:
				panic(fault)
			default:
				a.deps.Log.Error("a request panicked", "route", chi.RouteContext(r.Context()).RoutePattern(), "panic", fmt.Sprint(fault), "stack", stack())
				http.Error(w, "internal error", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// recorder notes status and size of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader notes the first final status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write counts; without a WriteHeader before it the status is 200.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
