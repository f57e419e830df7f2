// Package shops serves small shops to try unionlink with: each is the back end and the
// page of one account, on a loopback address of its own. A visitor logs in with WeChat
// (a simulated one, in the demo), buys, and sees the total of the person, over all shops,
// move.
//
// A shop shows what an account's own back end has to do, and does no more: its page loads
// unionlink.js, its back end checks the session token by unionlink's public keys, sends
// purchases with an ingest key and asks the analysts' API. It keeps nothing: no session,
// no order. Prices come from the shelf, never from the browser, and a visitor is shown
// their own person alone.
package shops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unionlink/unionlink/schemas"
)

// Product is something on sale. Price is in the minor unit of the shop's currency.
type Product struct {
	SKU, Name, Category string
	Price               int64
}

// Shop is one account and what it sells.
type Shop struct {
	AppID, Name string
	// Kind is official_account or website: accounts whose visitors come by a browser.
	Kind     schemas.AccountKind
	Currency string
	Products []Product
}

// Config says which shops there are, and where.
type Config struct {
	// Beside is the address of unionlink's listener. The shops take the ports after it,
	// any free one where that is taken, and any where its port is 0.
	Beside string
	Shops  []Shop
	Log    *slog.Logger
}

// Upstream is the running unionlink.
type Upstream struct {
	// URL is its origin as browsers reach it, such as http://127.0.0.1:8080.
	URL string
	// IngestKey may publish purchases of every shop's account.
	IngestKey string
	// AnalystToken may ask about every shop's account.
	AnalystToken string
}

// Shops are open: their addresses are taken, and answer once Run runs.
type Shops struct {
	log   *slog.Logger
	shops []*shop
}

// Open takes the shops' addresses.
func Open(cfg Config) (*Shops, error) {
	_, text, err := net.SplitHostPort(cfg.Beside)
	if err != nil {
		return nil, fmt.Errorf("open the shops beside %q: %w", cfg.Beside, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("open the shops beside %q: %w", cfg.Beside, err)
	}
	s := &Shops{log: cfg.Log}
	for _, sold := range cfg.Shops {
		if port > 0 {
			port++
		}
		listener, err := listen(port)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the shop of %s: %w", sold.AppID, err), s.Close())
		}
		s.shops = append(s.shops, &shop{Shop: sold, listener: listener, origin: "http://" + listener.Addr().String()})
	}
	return s, nil
}

// listen takes a loopback port, any free one where that is taken.
func listen(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	return listener, nil
}

// Origins are the shops' addresses as browsers have them, in the order of the configuration:
// logins may come from them, and return to them.
func (s *Shops) Origins() []string {
	all := make([]string, 0, len(s.shops))
	for _, shop := range s.shops {
		all = append(all, shop.origin)
	}
	return all
}

// Close gives the addresses back. After Run there is nothing left to close.
func (s *Shops) Close() error {
	var errs []error
	for _, shop := range s.shops {
		if err := shop.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Run serves the shops until ctx ends, and then returns nil.
func (s *Shops) Run(ctx context.Context, up Upstream) error {
	running, ctx := errgroup.WithContext(ctx)
	for _, shop := range s.shops {
		handler := shop.handler(s, newUpstream(ctx, up), s.log)
		running.Go(func() error { return serve(ctx, shop.listener, handler) })
	}
	return running.Wait()
}

// drainTime is how long requests under way may take to finish.
const drainTime = 5 * time.Second

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }() // ends with Shutdown or Close
	select {
	case err := <-served:
		return fmt.Errorf("serve the shop on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return server.Close() // a page that still asks is cut off
	}
	return nil
}
