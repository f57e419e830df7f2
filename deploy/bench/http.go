package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// site is an HTTP server on a loopback port.
type site struct {
	url    string
	server *http.Server
	done   chan error
}

func serve(h http.Handler) (*site, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &site{url: "http://" + listener.Addr().String(), server: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}, done: make(chan error, 1)}
	go func() { s.done <- s.server.Serve(listener) }() // ends with close
	return s, nil
}

func (s *site) close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// newClient keeps so many connections open.
func newClient(connections int) *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Transport: newTransport(connections)}
}

func newTransport(connections int) *http.Transport {
	return &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true}
}

// call is one request and the status it must be answered with.
type call struct {
	client      *http.Client
	method, url string
	header      http.Header
	body        []byte
	want        int
}

// do sends the request and decodes the answer into out, unless it is nil.
func (c call) do(ctx context.Context, out any) error {
	r, err := http.NewRequestWithContext(ctx, c.method, c.url, bytes.NewReader(c.body))
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	r.Header = c.header
	answer, err := c.client.Do(r)
	if err != nil {
		return fmt.Errorf("send a request: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	if answer.StatusCode != c.want {
		return fmt.Errorf("a request was answered %s: %.200s", answer.Status, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	return nil
}
