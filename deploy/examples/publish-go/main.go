// Command publish-go is an account's back end that publishes a purchase straight to NATS,
// without unionlink's HTTP routes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	data := os.Getenv("UNIONLINK_DATA")
	if data == "" {
		data = "./unionlink-data"
	}
	if err := run(ctx, data, os.Getenv("APPID")); err != nil {
		fmt.Fprintln(os.Stderr, "publish-go:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, data, appid string) error {
	js, err := connect(data, appid)
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	purchase := &schemas.Purchase{
		Envelope: schemas.Envelope{
			EventID:    "go-A-17-0",                                    // the order and its revision: the same however often it is sent
			OccurredAt: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), // of the payment
			AppID:      appid, OpenID: "oExampleOfABuyer0000000000G",
		},
		OrderID: "go-A-17", PurchaseKind: schemas.PurchaseKindPurchase, Amount: 12345 /* fen */, Currency: "CNY",
	}
	if err := purchase.Validate(); err != nil {
		return fmt.Errorf("check the purchase: %w", err)
	}
	ack, err := publish(ctx, js, purchase)
	if err != nil {
		return err
	}
	said := "stored"
	if ack.Duplicate {
		said = "stored before"
	}
	fmt.Println(said, "as message", ack.Sequence, "of", ack.Stream)
	return nil
}

// connect reads what `unionlink up` made at its start; elsewhere operations give you the
// address and the password.
func connect(data, appid string) (jetstream.JetStream, error) {
	text, err := os.ReadFile(filepath.Join(data, "credentials.json"))
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	var credentials struct {
		NATSURL   string            `json:"nats_url"`
		NATSUsers map[string]string `json:"nats_users"`
	}
	if err := json.Unmarshal(text, &credentials); err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if credentials.NATSUsers[appid] == "" {
		return nil, fmt.Errorf("read credentials: there is no login for the account %q: set APPID", appid)
	}
	server, err := url.Parse(credentials.NATSURL)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	server.User = url.UserPassword(appid, credentials.NATSUsers[appid])
	nc, err := nats.Connect(server.String(), nats.MaxReconnects(-1),
		nats.CustomInboxPrefix("_INBOX."+appid)) // the only place where the login may listen
	if err != nil {
		return nil, fmt.Errorf("connect to nats: %w", err)
	}
	return jetstream.New(nc)
}

// publish returns once the stream has acknowledged the event: before that it is not stored.
// Sending it again is harmless, since the message's Nats-Msg-Id and the event's key stay
// the same.
func publish(ctx context.Context, js jetstream.JetStream, e schemas.Event) (*jetstream.PubAck, error) {
	message, err := stream.Message(e) // subject, JSON, Nats-Msg-Id <appid>:<event_id>
	if err != nil {
		return nil, err
	}
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		ack, err := js.PublishMsg(ctx, message)
		if err == nil {
			return ack, nil
		}
		if forbidden := js.Conn().LastError(); errors.Is(forbidden, nats.ErrPermissionViolation) {
			return nil, fmt.Errorf("publish: %w", forbidden) // no retry helps
		}
		fmt.Fprintln(os.Stderr, "not stored yet, trying again:", err)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("publish: %w", errors.Join(err, ctx.Err()))
		case <-time.After(pause):
		}
	}
}
