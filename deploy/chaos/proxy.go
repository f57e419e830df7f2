package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// weather is what a proxy does to the bytes that pass. The zero value passes all.
type weather struct {
	// refuse closes every connection at once.
	refuse bool
	// reset makes closed connections end with RST instead of FIN.
	reset bool
	// halve forwards one half of the next chunk and closes the connection.
	halve bool
	// stall holds every chunk back until the weather changes.
	stall bool
	// delay holds each chunk back for so long.
	delay time.Duration
	// rate is the greatest number of bytes per second of each direction; 0 is any.
	rate int
	// swallow drops the server's answer to a request of this many bytes or more, and all
	// that follows on the connection. 0 drops nothing.
	swallow int
}

// proxy stands between two processes and passes bytes, as the weather allows.
type proxy struct {
	listener net.Listener
	target   string

	mu        sync.Mutex
	weather   weather
	changed   chan struct{} // closed, and replaced, when the weather changes
	open      map[*passage]bool
	swallowed int // answers dropped since the weather changed
	closed    bool
	running   sync.WaitGroup
}

// newProxy listens on a free port of the loopback and passes to target until close.
func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a proxy: %w", err)
	}
	p := &proxy{listener: l, target: target, changed: make(chan struct{}), open: map[*passage]bool{}}
	p.running.Add(1)
	go p.accept() // ends when the listener is closed
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set changes the weather. A connection whose bytes were dropped cannot go on: whoever
// ends a swallow also cuts.
func (p *proxy) set(w weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weather, p.swallowed = w, 0
	close(p.changed)
	p.changed = make(chan struct{})
	if w.refuse {
		p.cutLocked()
	}
}

// cut closes all open connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutLocked()
}

func (p *proxy) cutLocked() {
	for s := range p.open {
		s.end(p.weather.reset)
	}
}

// swallowedAnswers counts the answers that were dropped since the weather changed.
func (p *proxy) swallowedAnswers() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.swallowed
}

func (p *proxy) now() (weather, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weather, p.changed
}

// close ends the listener and all connections, and waits for them.
func (p *proxy) close() error {
	p.mu.Lock()
	p.closed = true
	p.weather = weather{}
	close(p.changed)
	p.changed = make(chan struct{})
	err := p.listener.Close()
	p.cutLocked()
	p.mu.Unlock()
	p.running.Wait()
	return err
}

func (p *proxy) accept() {
	defer p.running.Done()
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a client that went away before it was taken
		}
		p.running.Add(1)
		go p.serve(client.(*net.TCPConn)) // ends with the connection
	}
}

func (p *proxy) serve(client *net.TCPConn) {
	defer p.running.Done()
	s := &passage{proxy: p, client: client, done: make(chan struct{})}
	if w, _ := p.now(); w.refuse {
		s.end(w.reset)
		return
	}
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		s.end(false) // the server is down: its clients see a connection that closes
		return
	}
	s.server = server.(*net.TCPConn)
	p.mu.Lock()
	if p.closed || p.weather.refuse {
		s.end(p.weather.reset)
		p.mu.Unlock()
		return
	}
	p.open[s] = true
	p.mu.Unlock()
	p.running.Add(1)
	// Ends when either side or the passage is closed.
	go func() {
		defer p.running.Done()
		s.pump(s.server, s.client, false)
	}()
	s.pump(s.client, s.server, true)
	p.mu.Lock()
	delete(p.open, s)
	p.mu.Unlock()
}

// passage is one connection through the proxy.
type passage struct {
	proxy          *proxy
	client, server *net.TCPConn
	once           sync.Once
	done           chan struct{}

	mu    sync.Mutex
	asked int  // bytes of the client since the server last spoke
	mute  bool // the server's answers are dropped from now on
}

// end closes both sides, once.
func (s *passage) end(reset bool) {
	s.once.Do(func() {
		close(s.done)
		for _, c := range []*net.TCPConn{s.client, s.server} {
			if c == nil {
				continue
			}
			if reset {
				_ = c.SetLinger(0) // a connection that is gone already needs no RST
			}
			_ = c.Close()
		}
	})
}

// pump passes bytes from src to dst until one of them ends; answer says that src is the server.
func (s *passage) pump(dst, src *net.TCPConn, answer bool) {
	w, _ := s.proxy.now()
	defer func() { s.end(w.reset) }()
	chunk := make([]byte, 32<<10)
	for {
		n, err := src.Read(chunk)
		if n > 0 {
			if w, err = s.pass(dst, chunk[:n], answer); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// errEnded says that the weather ended the connection.
var errEnded = errors.New("the weather ended the connection")

func (s *passage) pass(dst io.Writer, chunk []byte, answer bool) (weather, error) {
	w, changed := s.proxy.now()
	for w.stall {
		select {
		case <-changed:
			w, changed = s.proxy.now()
		case <-s.done:
			return w, errEnded
		}
	}
	if w.delay > 0 && !s.pause(w.delay, changed) {
		return w, errEnded
	}
	if s.drops(w, len(chunk), answer) {
		return w, nil
	}
	if w.halve {
		_, _ = dst.Write(chunk[:len(chunk)/2]) // the connection ends anyhow
		return w, errEnded
	}
	if w.rate > 0 && !s.pause(time.Duration(len(chunk))*time.Second/time.Duration(w.rate), changed) {
		return w, errEnded
	}
	_, err := dst.Write(chunk)
	return w, err
}

// pause waits, at most until the weather changes, and tells whether the passage is still open.
func (s *passage) pause(d time.Duration, changed <-chan struct{}) bool {
	select {
	case <-time.After(d):
		return true
	case <-changed:
		return true
	case <-s.done:
		return false
	}
}

// drops tells whether a chunk is an answer to be swallowed.
func (s *passage) drops(w weather, n int, answer bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !answer {
		s.asked += n
		return false
	}
	if !s.mute && (w.swallow == 0 || s.asked < w.swallow) {
		s.asked = 0
		return false
	}
	if !s.mute {
		s.mute = true
		s.proxy.mu.Lock()
		s.proxy.swallowed++
		s.proxy.mu.Unlock()
	}
	return true
}
