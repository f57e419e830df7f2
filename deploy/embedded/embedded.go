// Package embedded runs the two real servers that unionlink stands on, NATS with JetStream and ClickHouse, as parts of
// the unionlink process: `unionlink up` and every test use it. Nothing here imitates a server.
//
// NATS runs inside the process. ClickHouse runs in a supervised child: the same executable started again, which loads
// the engine's shared library. A program that starts a ClickHouse must therefore call RunChildIfAsked first thing in
// main (and tests in TestMain, see embeddedtest.Main).
//
// What the package promises: one data folder has one owner; a server that is started answers; a ClickHouse child that
// dies, or a NATS that a full disk has stopped, is started again on the same ports over the same data; no child outlives its parent; passwords are made at the
// first start and kept in files that only the owner can read.
// What it never does: talk to servers of others, create streams or tables.
package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// BusyPortError says that an address which a server was told to listen on is taken by another process.
type BusyPortError struct {
	Server string // "nats", "clickhouse native" or "clickhouse http"
	Addr   string // host:port
	Option string // the configuration key that moves the server elsewhere
}

// Error names the address and the way out.
func (e *BusyPortError) Error() string {
	return fmt.Sprintf("listen for %s on %s: the address is in use by another process; stop it, or set %s to another port (0 = any free port)",
		e.Server, e.Addr, e.Option)
}

// checkPort listens on host:port for a moment, so that a taken port is told before a server trips over it.
func checkPort(server, host string, port int, option string) error {
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	listener, err := net.Listen("tcp", addr)
	if err == nil {
		return listener.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return &BusyPortError{Server: server, Addr: addr, Option: option}
	}
	return fmt.Errorf("listen for %s on %s: %w", server, addr, err)
}

// freePorts returns n different ports that were free on host a moment ago. Another process may take one in between.
func freePorts(host string, n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, fmt.Errorf("find a free port on %s: %w", host, err)
		}
		defer listener.Close() // held until all are found, so that they differ
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// privateDir creates a folder that only the owner can enter.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	return nil
}
