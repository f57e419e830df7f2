package compose

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// patience bounds every wait.
const patience = 2 * time.Minute

const (
	shop     = "wx0123456789abcdef"
	password = "p01abc"
)

// startNATS runs NATS's server on nats.conf, but for ports and folder.
func startNATS(t *testing.T) (url string, options *server.Options) {
	t.Helper()
	t.Setenv("NATS_PASSWORD", password)
	t.Setenv("NATS_SHOP1_PASSWORD", password+"1")
	options, err := server.ProcessConfigFile("nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port, options.HTTPPort, options.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir()
	options.NoLog, options.NoSigs = true, true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("nats is not ready")
	}
	return s.ClientURL(), options
}

func connect(t *testing.T, url, user, password string, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, append(options, nats.UserInfo(user, password))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func TestNATS(t *testing.T) {
	url, options := startNATS(t)
	if !options.SyncAlways {
		t.Error("an acknowledgement would not be on disk")
	}
	cfg, err := app.Load("unionlink.yaml", func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	own := connect(t, url, "unionlink", password)
	if err := stream.Provision(t.Context(), own, stream.Config{MaxBytes: cfg.NATS.MaxBytes}); err != nil {
		t.Fatalf("the streams of unionlink.yaml do not fit: %v", err)
	}

	violations := make(chan error, 8)
	js := connect(t, url, shop, password+"1", nats.CustomInboxPrefix(app.InboxPrefix(shop)),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))
	for _, kind := range schemas.Kinds {
		if _, err := js.Publish(t.Context(), stream.Subject(kind, shop), []byte("{}")); err != nil {
			t.Errorf("publish its own %s: %v", kind, err)
		}
	}
	for _, subject := range []string{stream.Subject(schemas.KindPurchase, "wxother"), "$JS.API.STREAM.DELETE." + stream.Events, stream.DeadLetterPrefix + shop} {
		if err := errors.Join(js.Conn().Publish(subject, nil), js.Conn().FlushTimeout(patience)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-violations:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v, want a permissions violation", subject, err)
			}
		case <-time.After(patience):
			t.Errorf("%s: is allowed", subject)
		}
	}
}
