package chaos

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// echo answers every chunk with itself, until the test ends.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask sends text and returns what comes back of it within a minute, or the error.
func ask(t *testing.T, c net.Conn, text string) (string, error) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	n, err := io.ReadFull(c, got)
	return string(got[:n]), err
}

func TestProxy(t *testing.T) {
	p, err := newProxy(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}()
	passes := func(t *testing.T) {
		t.Helper()
		p.set(weather{})
		if got, err := ask(t, dial(t, p), "hello"); got != "hello" {
			t.Fatalf("in fair weather %q came back: %v", got, err)
		}
	}
	t.Run("fair weather passes", passes)
	t.Run("a cut ends what is open, and what comes", func(t *testing.T) {
		old := dial(t, p)
		if _, err := ask(t, old, "x"); err != nil {
			t.Fatal(err)
		}
		p.set(weather{refuse: true})
		if _, err := ask(t, old, "x"); err == nil {
			t.Fatal("the open connection lives")
		}
		if _, err := ask(t, dial(t, p), "x"); err == nil {
			t.Fatal("a new connection passes")
		}
		passes(t)
	})
	t.Run("a reset is a reset", func(t *testing.T) {
		c := dial(t, p)
		if _, err := ask(t, c, "x"); err != nil {
			t.Fatal(err)
		}
		p.set(weather{refuse: true, reset: true})
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("the connection ended with %v", err)
		}
		passes(t)
	})
	t.Run("a half of a chunk comes, then nothing", func(t *testing.T) {
		c := dial(t, p)
		p.set(weather{halve: true})
		if got, err := ask(t, c, "12345678"); err == nil {
			t.Fatalf("%q came back whole", got)
		}
		passes(t)
	})
	t.Run("what is stalled comes later", func(t *testing.T) {
		c := dial(t, p)
		p.set(weather{stall: true})
		if _, err := io.WriteString(c, "late"); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 4)); err == nil {
			t.Fatalf("%d bytes passed", n)
		}
		p.set(weather{delay: time.Millisecond, rate: 1 << 20})
		if got, err := ask(t, c, "rest"); got != "late" {
			t.Fatalf("%q came: %v", got, err)
		}
	})
	t.Run("only the answer to a large request is swallowed", func(t *testing.T) {
		p.set(weather{swallow: 1000})
		c := dial(t, p)
		if got, err := ask(t, c, "small"); got != "small" {
			t.Fatalf("%q came: %v", got, err)
		}
		if _, err := io.WriteString(c, strings.Repeat("x", 2000)); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); p.swallowedAnswers() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no answer was swallowed within a minute")
			}
		}
		p.set(weather{})
		p.cut()
		passes(t)
	})
}
