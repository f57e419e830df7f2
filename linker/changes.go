package linker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/stream"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// Changed is the message on unionlink.v1.person.changed. A consumer that keeps, for
// each identity, the message with the greatest Revision has exactly the present map;
// an identity without a message is its own person.
type Changed struct {
	// Identity is the hash of (appid, openid): see schemas.IdentityHash, 16 hex digits.
	Identity string `json:"identity"`
	AppID    string `json:"appid"`
	OpenID   string `json:"openid"`
	From     string `json:"from"`
	To       string `json:"to"`
	// Cause is the event_id of the fact that moved it, Learnt that fact's stream time.
	Cause  string `json:"cause"`
	Learnt string `json:"learnt"`
	// Revision grows with each change of an identity.
	Revision uint64 `json:"revision,string"`
}

// IdentityHeader carries Changed.Identity, so that messages of an erased identity are
// found without reading the others.
const IdentityHeader = "Unionlink-Identity"

type change struct {
	identity, from, written uint64
	to                      identity.Change
}

// tell publishes changes and waits until they are stored.
func (l *Linker) tell(ctx context.Context, changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	names, err := l.names(ctx, changes)
	if err != nil {
		return err
	}
	msgs := make([]*nats.Msg, len(changes))
	for i := range changes {
		if msgs[i], err = changes[i].message(names[changes[i].identity]); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(msgs, stream.MaxBatch) {
		if err := l.publishChanges(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// publishChanges stores messages with one sync of the disk; one by one where an
// earlier try, or another linker, has told of some of them already.
func (l *Linker) publishChanges(ctx context.Context, msgs []*nats.Msg) error {
	within, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	err := stream.PublishBatch(within, l.deps.JetStream.Conn(), stream.Changes, msgs)
	if err == nil || !stream.BatchDuplicate(err) {
		return err
	}
	futures := make([]jetstream.PubAckFuture, 0, len(msgs))
	for _, m := range msgs {
		f, err := l.deps.JetStream.PublishMsgAsync(m)
		if err != nil {
			return fmt.Errorf("publish a person's change: %w", err)
		}
		futures = append(futures, f)
	}
	return await(ctx, futures, "a person's change")
}

func await(ctx context.Context, futures []jetstream.PubAckFuture, what string) error {
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return fmt.Errorf("publish %s: %w", what, err)
		case <-time.After(publishTimeout):
			return fmt.Errorf("publish %s: no answer within %s", what, publishTimeout)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// publishTimeout is how long JetStream may take to store a message.
const publishTimeout = 10 * time.Second

func (c *change) message(name [2]string) (*nats.Msg, error) {
	id := hashText(c.identity)
	body, err := json.Marshal(Changed{
		Identity: id, AppID: name[0], OpenID: name[1], From: schemas.PersonID(c.from), To: schemas.PersonID(c.to.Person),
		Cause: c.to.Cause, Learnt: time.UnixMilli(c.to.Learnt).UTC().Format(time.RFC3339Nano), Revision: c.written,
	})
	if err != nil {
		return nil, fmt.Errorf("encode a person's change: %w", err)
	}
	m := nats.NewMsg(stream.ChangedSubject)
	m.Data = body
	m.Header.Set(nats.MsgIdHdr, fmt.Sprintf("%s:%x:%x:%d", id, c.from, c.to.Person, c.to.Learnt))
	m.Header.Set(IdentityHeader, id)
	m.Header.Set("ce-type", "unionlink.person.changed.v1")
	return m, nil
}

// names looks up what the moved identities' hashes stand for.
func (l *Linker) names(ctx context.Context, changes []change) (map[uint64][2]string, error) {
	ids := make([]uint64, len(changes))
	for i, c := range changes {
		ids[i] = c.identity
	}
	out := make(map[uint64][2]string, len(ids))
	const query = "SELECT identity, toString(appid), openid FROM identities WHERE identity IN (SELECT id FROM ids)"
	err := warehouse.ReadByIDs(ctx, l.deps.Warehouse, query, ids, func(rows driver.Rows) error {
		var id uint64
		var appid, openid string
		if err := rows.Scan(&id, &appid, &openid); err != nil {
			return err
		}
		out[id] = [2]string{appid, openid}
		return nil
	})
	return out, err
}
