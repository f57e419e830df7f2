package ingest

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// clientAddress finds who asks. X-Forwarded-For is believed only as far as trusted
// proxies wrote it. The address serves the limit of failed authentications and the
// log, nothing else: it authorizes nobody.
type clientAddress struct{ trusted []netip.Prefix }

// newClientAddress takes networks that have been validated.
func newClientAddress(networks []string) *clientAddress {
	c := &clientAddress{}
	for _, n := range networks {
		if p, err := netip.ParsePrefix(n); err == nil {
			c.trusted = append(c.trusted, p.Masked())
		}
	}
	return c
}

func (c *clientAddress) isTrusted(a netip.Addr) bool {
	for _, p := range c.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// of is the address nearest to us that no trusted proxy has; of IPv6 its /64, which
// is what one client has. Empty where there is none, as on a Unix socket.
func (c *clientAddress) of(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	client := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && c.isTrusted(client); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = hop.Unmap().WithZone("")
	}
	if client.Is6() {
		if p, err := client.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return client.String()
}

const (
	failuresPerSecond = 1
	failuresBurst     = 20
	// maxFailureClients bounds the memory of failures; when there are more, all are forgotten.
	maxFailureClients = 10_000
)

// failureLimit bounds the failed authentications of one address that are answered
// and logged one by one. It never touches requests with a valid key.
type failureLimit struct {
	mu      sync.Mutex
	clients map[string]*rate.Limiter
}

func newFailureLimit() *failureLimit { return &failureLimit{clients: make(map[string]*rate.Limiter)} }

func (f *failureLimit) allow(client string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l, ok := f.clients[client]
	if !ok {
		if len(f.clients) >= maxFailureClients {
			clear(f.clients)
		}
		l = rate.NewLimiter(failuresPerSecond, failuresBurst)
		f.clients[client] = l
	}
	return l.AllowN(now, 1)
}
