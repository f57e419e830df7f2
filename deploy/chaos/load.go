package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// The producers of a storm: some post to ingest, some publish straight to NATS.
const (
	httpProducers   = 3
	directProducers = 2
	// pace is the pause of a producer between two requests.
	pace = 60 * time.Millisecond
	// answerWait is how long a producer waits for one answer.
	answerWait = 6 * time.Second
)

// load is the producers at work on a rig.
type load struct {
	rig     *rig
	journal *journal
	seed    uint64
	start   time.Time
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	recent []*intent // of all producers, to be sent again
}

// startLoad has the producers publish until stop.
func startLoad(r *rig, j *journal, seed uint64) (*load, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{rig: r, journal: j, seed: seed, start: time.Now().UTC().Truncate(time.Second), cancel: cancel}
	for i := range httpProducers {
		p := &producer{load: l, script: newScript(seed, i, l.start), random: rand.New(rand.NewPCG(seed, uint64(1000+i)))}
		l.running.Go(func() { p.run(ctx, p.post) }) // ends with stop
	}
	for i := range directProducers {
		nc, err := nats.Connect("nats://"+r.ingestNATS.addr(), ingest.ConnectOptions(slog.New(slog.DiscardHandler))...)
		if err != nil {
			cancel()
			return nil, fmt.Errorf("connect a producer to nats: %w", err)
		}
		js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(answerWait))
		if err != nil {
			cancel()
			return nil, fmt.Errorf("open jetstream: %w", err)
		}
		s := newScript(seed, httpProducers+i, l.start)
		s.direct = true
		p := &producer{load: l, script: s, random: rand.New(rand.NewPCG(seed, uint64(2000+i))), js: js}
		// Ends with stop.
		l.running.Go(func() {
			defer nc.Close()
			p.run(ctx, p.publish)
		})
	}
	return l, nil
}

// stop ends the producers; what is not answered then never will be.
func (l *load) stop() {
	l.cancel()
	l.running.Wait()
}

// remember keeps an event to be sent again.
func (l *load) remember(in *intent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent = append(l.recent, in)
	if len(l.recent) > 2000 {
		l.recent = l.recent[500:]
	}
}

// again picks events that were sent before. Those that only go straight to NATS stay
// there, and poison that HTTP refuses is nowhere, and has to stay there.
func (l *load) again(random *rand.Rand, n int, direct bool) []*intent {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*intent
	for range n {
		if len(l.recent) == 0 {
			break
		}
		in := l.recent[random.IntN(len(l.recent))]
		byHTTP := in.producer < httpProducers
		if direct && (in.event != nil || !byHTTP) || !direct && byHTTP {
			out = append(out, in)
		}
	}
	return out
}

// producer is one back end.
type producer struct {
	load   *load
	script *script
	random *rand.Rand
	js     jetstream.JetStream
}

// run writes down what it is about to send, sends it, and writes down the answer. After
// an answer that was not one it sends the same again, or now and then gives up.
func (p *producer) run(ctx context.Context, send func(context.Context, []*intent) error) {
	for ctx.Err() == nil {
		var batch []*intent
		if p.random.IntN(6) == 0 {
			batch = p.load.again(p.random, 20, p.js != nil)
		}
		if len(batch) == 0 {
			for range 1 + p.random.IntN(24) {
				in := p.script.next()
				p.load.journal.intend(in)
				p.load.remember(in)
				batch = append(batch, in)
			}
		}
		for ctx.Err() == nil {
			if err := send(ctx, batch); err == nil || p.random.IntN(12) == 0 {
				break
			}
			sleep(ctx, 100*time.Millisecond)
		}
		sleep(ctx, pace)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

var routes = map[schemas.Kind]string{
	schemas.KindLogin: "/v1/events/logins", schemas.KindPurchase: "/v1/events/purchases", schemas.KindIdentity: "/v1/events/identities",
}

// post sends a batch to ingest, one request for each kind of event.
func (p *producer) post(ctx context.Context, batch []*intent) error {
	byKind := map[schemas.Kind][]*intent{}
	for _, in := range batch {
		byKind[in.kind] = append(byKind[in.kind], in)
	}
	var errs []error
	for kind, intents := range byKind {
		errs = append(errs, p.request(ctx, routes[kind], intents))
	}
	return errors.Join(errs...)
}

func (p *producer) request(ctx context.Context, route string, intents []*intent) error {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	var body bytes.Buffer
	for _, in := range intents {
		body.Write(in.body)
		body.WriteByte('\n')
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.load.rig.ingest.order.Addr+route, &body)
	if err != nil {
		return fmt.Errorf("post events: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+backendKey)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("post events: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusAccepted, http.StatusUnprocessableEntity:
		return p.answered(intents, text)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return fmt.Errorf("post events: %s", resp.Status)
	}
	p.load.journal.fault("unexpected answer", fmt.Sprintf("%s: %s %s", route, resp.Status, text))
	return nil
}

func (p *producer) answered(intents []*intent, text []byte) error {
	var a ingest.Answer
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if n := a.Accepted + a.Duplicates + len(a.Rejected); n != len(intents) {
		p.load.journal.fault("unexpected answer", fmt.Sprintf("%d events of %d: %s", n, len(intents), text))
	}
	rejected := map[int]bool{}
	for _, r := range a.Rejected {
		rejected[r.Index] = true
	}
	for i, in := range intents {
		v := verdictAcked
		if rejected[i] {
			v = verdictRejected
		} else if in.event == nil {
			p.load.journal.fault("poison accepted", in.id)
		}
		p.load.journal.answer(in, v)
	}
	return nil
}

// publish sends a batch straight to NATS, half of the times without Nats-Msg-Id, so that
// what is sent again reaches the linkers again.
func (p *producer) publish(ctx context.Context, batch []*intent) error {
	named := p.random.IntN(2) == 0
	futures := make([]jetstream.PubAckFuture, len(batch))
	var errs []error
	for i, in := range batch {
		f, err := p.js.PublishMsgAsync(in.message(named))
		futures[i] = f
		errs = append(errs, err)
	}
	for i, f := range futures {
		if f == nil {
			continue
		}
		select { // answerWait ends each
		case <-f.Ok():
			p.load.journal.answer(batch[i], verdictAcked)
		case err := <-f.Err():
			errs = append(errs, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.Join(errs...)
}

// message is the intent as it travels when it is published straight to NATS.
func (in *intent) message(named bool) *nats.Msg {
	m := nats.NewMsg(stream.Subject(in.kind, in.appid))
	m.Data = in.body
	m.Header.Set(chaosID, in.id)
	if named {
		m.Header.Set(nats.MsgIdHdr, in.id)
	}
	return m
}
