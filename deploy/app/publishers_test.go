package app

import (
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// startPublishing starts the embedded NATS of up with two accounts, and its streams.
func startPublishing(t *testing.T, data string) *servers {
	t.Helper()
	cfg := Default()
	cfg.Data, cfg.NATS.Port, cfg.NATS.MaxBytes = data, 0, 64<<20
	cfg.Accounts = []Account{{AppID: "wxa", Kind: schemas.AccountKindOfficial}, {AppID: "wxb", Kind: schemas.AccountKindOfficial}}
	log := slog.New(slog.DiscardHandler)
	a := &App{cfg: cfg, target: TargetUp, deps: Deps{Log: log}, metrics: prometheus.NewRegistry()}
	w := &servers{maxBytes: cfg.NATS.MaxBytes}
	if err := a.openNATS(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.cleanup.run(log); err != nil {
			t.Error(err)
		}
	})
	if err := provisionStreams(t.Context(), w, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := a.issueKeys(w, "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return w
}

// backEnd connects as the login of account wxa; violations has what the server forbids it.
func backEnd(t *testing.T, w *servers) (js jetstream.JetStream, violations chan error) {
	t.Helper()
	violations = make(chan error, 16)
	nc, err := nats.Connect(redactedHost(t, w.natsURL), nats.UserInfo("wxa", w.natsUsers["wxa"]), nats.CustomInboxPrefix(InboxPrefix("wxa")),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(patience)); err != nil {
		t.Fatal(err)
	}
	return js, violations
}

// redactedHost is the URL without its login.
func redactedHost(t *testing.T, raw string) string {
	t.Helper()
	nc, err := nats.Connect(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	return "nats://" + nc.ConnectedAddr()
}

func TestPublishers(t *testing.T) {
	data := t.TempDir()
	w := startPublishing(t, data)
	js, violations := backEnd(t, w)

	for _, kind := range schemas.Kinds {
		if _, err := js.Publish(t.Context(), stream.Subject(kind, "wxa"), []byte("{}")); err != nil {
			t.Errorf("publish its own %s: %v", kind, err)
		}
	}
	const empty = ""
	for _, act := range []struct{ what, subject, reply string }{
		{"publish another's purchase", stream.Subject(schemas.KindPurchase, "wxb"), empty},
		{"publish a dead letter", stream.DeadLetterPrefix + "wxa", empty},
		{"publish a change", stream.ChangedSubject, empty},
		{"delete the stream", "$JS.API.STREAM.DELETE." + stream.Events, empty},
		{"read a message", "$JS.API.STREAM.MSG.GET." + stream.Events, empty},
		{"read a message directly", "$JS.API.DIRECT.GET." + stream.Events, empty},
		{"take the linker's messages", "$JS.API.CONSUMER.MSG.NEXT." + stream.Events + "." + stream.Consumer, empty},
		{"make the server purge by an answer", stream.Subject(schemas.KindPurchase, "wxa"), "$JS.API.STREAM.PURGE." + stream.Events},
	} {
		forbids(t, js.Conn(), violations, act.what, func() error {
			return js.Conn().PublishMsg(&nats.Msg{Subject: act.subject, Reply: act.reply})
		})
	}
	for _, subject := range []string{"unionlink.>", "_INBOX.>", "_INBOX.wxb.>", ">"} {
		forbids(t, js.Conn(), violations, "listen on "+subject, func() error { _, err := js.Conn().SubscribeSync(subject); return err })
	}

	own, err := nats.Connect(w.natsURL)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	ownJS, err := jetstream.New(own)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ownJS.Stream(t.Context(), stream.Events)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != uint64(len(schemas.Kinds)) {
		t.Errorf("the stream has %d messages, want the %d that were allowed", n, len(schemas.Kinds))
	}
}

// forbids expects one permissions violation.
func forbids(t *testing.T, nc *nats.Conn, violations chan error, what string, act func() error) {
	t.Helper()
	if err := errors.Join(act(), nc.FlushTimeout(patience)); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	select {
	case err := <-violations:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v, want a permissions violation", what, err)
		}
	case <-time.After(patience):
		t.Errorf("%s: is allowed", what)
	}
}

func TestPublishersKeepTheirPasswords(t *testing.T) {
	cfg := Default()
	cfg.Data = t.TempDir()
	cfg.Accounts = []Account{{AppID: "wxa"}, {AppID: "wxb"}, {AppID: "wxc"}}
	cfg.NATS.Users = []NATSUser{{User: "wxc", Password: "configured", AppIDs: []string{"wxc"}}}
	a := &App{cfg: cfg}
	users, made, err := a.publishers()
	if err != nil || len(users) != 3 || len(made) != 2 || made["wxa"] == "" || made["wxa"] == made["wxb"] {
		t.Fatalf("%d users, %d made, %v", len(users), len(made), err)
	}
	if err := writePrivate(cfg.Data+"/"+CredentialsFile, Credentials{NATSUsers: made}); err != nil {
		t.Fatal(err)
	}
	_, again, err := a.publishers()
	if err != nil {
		t.Fatal(err)
	}
	first, _ := json.Marshal(made)
	if second, _ := json.Marshal(again); string(first) != string(second) {
		t.Error("the passwords are others at the second start")
	}
}
