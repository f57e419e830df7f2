package embedded_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/unionlink/unionlink/deploy/embedded"
)

func TestNATS_keeps_what_it_acknowledged(t *testing.T) {
	dir := t.TempDir()
	first := startNATS(t, embedded.NATSConfig{Dir: dir})
	js := connect(t, first.ClientURL())
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept.>"}}); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := js.Publish(t.Context(), "kept.one", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	js.Conn().Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := startNATS(t, embedded.NATSConfig{Dir: dir})
	stream, err := connect(t, second.ClientURL()).Stream(t.Context(), "KEPT")
	if err != nil {
		t.Fatal(err)
	}
	if state := stream.CachedInfo().State; state.Msgs != 10 {
		t.Errorf("%d messages after the restart; want 10", state.Msgs)
	}
}

func TestNATS_tells_its_clients_when_it_closes(t *testing.T) {
	server := startNATS(t, embedded.NATSConfig{Dir: t.TempDir()})
	told := make(chan struct{})
	conn, err := nats.Connect(server.ClientURL(), nats.LameDuckModeHandler(func(*nats.Conn) { close(told) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	<-told
}

func TestNATS_takes_one_megabyte(t *testing.T) {
	server := startNATS(t, embedded.NATSConfig{Dir: t.TempDir()})
	js := connect(t, server.ClientURL())
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "LARGE", Subjects: []string{"large"}}); err != nil {
		t.Fatal(err)
	}
	message := &nats.Msg{Subject: "large", Data: make([]byte, 1<<20), Header: nats.Header{"Reason": {strings.Repeat("x", 10_000)}}}
	if _, err := js.PublishMsg(t.Context(), message); err != nil {
		t.Errorf("publish 1 MiB with headers: %v", err)
	}
}

func TestNATS_permissions(t *testing.T) {
	server := startNATS(t, embedded.NATSConfig{
		Dir: t.TempDir(), User: "unionlink", Password: "own",
		Users: []embedded.NATSUser{{
			User: "shop", Password: "shop's",
			PublishAllow: []string{"unionlink.v1.purchase.wx1"}, SubscribeAllow: []string{"_INBOX.>"},
		}, {
			User: "mute", Password: "mute's",
		}},
	})
	js := connect(t, server.ClientURL())
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"unionlink.v1.>"}}); err != nil {
		t.Fatal(err)
	}
	t.Run("needs a password", func(t *testing.T) {
		if _, err := nats.Connect(server.URL()); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("connect without credentials: %v; want %v", err, nats.ErrAuthorization)
		}
	})
	t.Run("publishes where allowed", func(t *testing.T) {
		shop := connect(t, withUser(server, "shop", "shop's"))
		if _, err := shop.Publish(t.Context(), "unionlink.v1.purchase.wx1", nil); err != nil {
			t.Errorf("publish on the allowed subject: %v", err)
		}
		forbidden(t, shop.Conn(), func(conn *nats.Conn) error { return conn.Publish("unionlink.v1.purchase.wx2", nil) })
		forbidden(t, shop.Conn(), func(conn *nats.Conn) error { _, err := conn.SubscribeSync("unionlink.>"); return err })
	})
	t.Run("nothing allowed is nothing", func(t *testing.T) {
		mute := connect(t, withUser(server, "mute", "mute's"))
		forbidden(t, mute.Conn(), func(conn *nats.Conn) error { return conn.Publish("unionlink.v1.purchase.wx1", nil) })
		forbidden(t, mute.Conn(), func(conn *nats.Conn) error { _, err := conn.SubscribeSync(">"); return err })
	})
}

func TestNATS_tells_a_busy_port(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	server, err := embedded.NewNATS(embedded.NATSConfig{Dir: t.TempDir(), Port: listener.Addr().(*net.TCPAddr).Port}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = server.Start(t.Context())
	var busy *embedded.BusyPortError
	if !errors.As(err, &busy) {
		t.Fatalf("start on a busy port: %v; want a BusyPortError", err)
	}
	if !strings.Contains(err.Error(), listener.Addr().String()) || !strings.Contains(err.Error(), "nats.port") {
		t.Errorf("the error %q names neither the address nor the way out", err)
	}
}

func TestNATS_locks_its_folder(t *testing.T) {
	dir := t.TempDir()
	startNATS(t, embedded.NATSConfig{Dir: dir})
	second, err := embedded.NewNATS(embedded.NATSConfig{Dir: dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var locked *embedded.LockedError
	if err := second.Start(t.Context()); !errors.As(err, &locked) {
		t.Errorf("a second start: %v; want a LockedError", err)
	}
}

func TestNATS_limits_its_store(t *testing.T) {
	server := startNATS(t, embedded.NATSConfig{Dir: t.TempDir(), MaxStore: 1 << 20})
	_, err := connect(t, server.ClientURL()).CreateStream(t.Context(), jetstream.StreamConfig{Name: "HUGE", Subjects: []string{"huge"}, MaxBytes: 2 << 20})
	if err == nil {
		t.Error("a stream larger than the store was made")
	}
	if free := startNATS(t, embedded.NATSConfig{Dir: t.TempDir()}).StoreLimit(); free <= 0 {
		t.Errorf("the default limit is %d bytes; want a share of the disk", free)
	}
}

func TestNATS_tells_every_fault_of_its_configuration(t *testing.T) {
	_, err := embedded.NewNATS(embedded.NATSConfig{
		Port: -1, MaxStore: -1, User: "a", Users: []embedded.NATSUser{{User: "a", Password: "x"}, {}},
	}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"dir", "port", "max store", "nats password", "users[0]", "users[1]"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell of the %s: %v", want, err)
		}
	}
}

func startNATS(t *testing.T, cfg embedded.NATSConfig) *embedded.NATS {
	t.Helper()
	server, err := embedded.NewNATS(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func connect(t *testing.T, url string, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func withUser(server *embedded.NATS, user, password string) string {
	return "nats://" + user + ":" + password + "@" + server.Addr()
}

// forbidden expects that the server answers an act with a permissions violation.
func forbidden(t *testing.T, conn *nats.Conn, act func(*nats.Conn) error) {
	t.Helper()
	violations := make(chan error, 10)
	conn.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err })
	if err := act(conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := <-violations; !errors.Is(err, nats.ErrPermissionViolation) {
		t.Errorf("%v; want %v", err, nats.ErrPermissionViolation)
	}
}
