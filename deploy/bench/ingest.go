package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/schemas"
)

// ingestOptions are the flags of bench ingest.
type ingestOptions struct {
	events, connections       int
	batches, batchEvents      int
	batchConnections, rawSync int
}

func ingestBenchmark() benchmark {
	o := &ingestOptions{}
	return benchmark{
		use: "ingest", short: "Durable events over HTTP: events/s, p50 and p99",
		long: `ingest posts purchases to the real routes over loopback HTTP, one event a request on many
connections, then many events a request. An event counts once it is answered, which is after
the stream's fsync. The client's work is done by the same processors as the server's.

Beside it: the routes with a publisher that stores nothing; JetStream alone, one message
after the other and in atomic batches. The floor of single events is one message after the
other, what one gets without group commit; the ceiling is the routes and the batches in turn.`,
		example: "  unionlink bench ingest\n  unionlink bench ingest --connections 64 --events 20000 --profile cpu.out",
		flags:   o.flags, run: o.run,
	}
}

func (o *ingestOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.events, "events", 100_000, "`NUMBER` of single events")
	f.IntVar(&o.connections, "connections", 256, "`NUMBER` of connections that send single events")
	f.IntVar(&o.batches, "batches", 400, "`NUMBER` of requests with many events")
	f.IntVar(&o.batchEvents, "batch-events", 500, "events of such a request")
	f.IntVar(&o.batchConnections, "batch-connections", 8, "`NUMBER` of connections that send them")
	f.IntVar(&o.rawSync, "raw-sync", 2000, "`NUMBER` of messages published one after the other")
}

func (o *ingestOptions) validate() error {
	return positive(map[string]int{
		"events": o.events, "connections": o.connections, "batches": o.batches, "batch-events": o.batchEvents,
		"batch-connections": o.batchConnections, "raw-sync": o.rawSync,
	})
}

// positive tells every flag that is not.
func positive(flags map[string]int) error {
	var faults []error
	for name, value := range flags {
		if value < 1 {
			faults = append(faults, fmt.Errorf("--%s: must be 1 or more", name))
		}
	}
	return errors.Join(faults...)
}

// ingesting is one run of bench ingest. Its traffic is drawn from in turn by all
// measurements, so no event comes twice.
type ingesting struct {
	*ingestOptions
	*session
	broker  *broker
	traffic *traffic
	stored  uint64

	sync, batch                float64 // messages/s of JetStream alone
	hollowSingles, hollowBatch float64 // events/s of the routes alone
}

func (o *ingestOptions) run(ctx context.Context, s *session) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	total := 2*(o.events+2*o.batches*o.batchEvents) + 20*o.rawSync
	b, err := s.startBroker(ctx, total)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	in := &ingesting{ingestOptions: o, session: s, broker: b, traffic: newTraffic(s.seed, total, 1)}
	for _, step := range []func(context.Context) error{in.rawSingles, in.rawBatches, in.hollow, in.durable} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	in.beside()
	count, _, err := b.stored(ctx)
	if err != nil {
		return err
	}
	return s.report.exact("check", "events in the stream, as many as were answered", count, in.stored)
}

// rawSingles publishes messages one after the other, each on disk before the next.
func (in *ingesting) rawSingles(ctx context.Context) error {
	msgs, err := messages(in.traffic.next(in.rawSync))
	if err != nil {
		return err
	}
	d, err := in.drive(ctx, work{title: "JetStream, one after the other", times: in.rawSync, workers: 1, do: func(ctx context.Context, i int) error {
		_, err := in.broker.js.PublishMsg(ctx, msgs[i])
		return err
	}})
	in.sync, in.stored = rate(in.rawSync, d.took), in.stored+uint64(in.rawSync)
	return err
}

// rawBatches publishes atomic batches, a few at once.
func (in *ingesting) rawBatches(ctx context.Context) error {
	size := min(in.batchEvents, 1000)
	events := in.traffic.next(in.batches * size)
	d, err := in.drive(ctx, work{title: "JetStream, atomic batches", times: in.batches, workers: 4, units: size, do: func(ctx context.Context, i int) error {
		return in.broker.publish(ctx, events[i*size:(i+1)*size])
	}})
	in.batch, in.stored = rate(len(events), d.took), in.stored+uint64(len(events))
	return err
}

// discard is a Publisher that stores nothing: what is left are the routes.
type discard struct{}

// Publish takes the events and forgets them.
func (discard) Publish(_ context.Context, events []schemas.Event) ([]schemas.Outcome, error) {
	for _, e := range events {
		schemas.FillEventID(e)
	}
	return make([]schemas.Outcome, len(events)), nil
}

func (in *ingesting) hollow(ctx context.Context) error {
	singles, batches, err := in.over(ctx, discard{}, ", nothing stored")
	in.hollowSingles, in.hollowBatch = rate(in.events, singles.took), rate(in.batches*in.batchEvents, batches.took)
	return err
}

// durable is what the benchmark is about.
func (in *ingesting) durable(ctx context.Context) error {
	committer, err := in.broker.committer()
	if err != nil {
		return err
	}
	singles, batches, err := in.over(ctx, committer, "")
	if err != nil {
		return err
	}
	in.stored += uint64(in.events + in.batches*in.batchEvents)
	r := in.report
	group := fmt.Sprintf("one event a request, %d connections", in.connections)
	r.add(group, "durable events", rate(in.events, singles.took), unitEvents).between(
		&Bound{in.sync, "one after the other"}, &Bound{inTurn(in.hollowSingles, in.batch), "routes and batches in turn"})
	r.quantiles(group, "answer", singles.calls)
	group = fmt.Sprintf("%d events a request, %d connections", in.batchEvents, in.batchConnections)
	r.add(group, "durable events", rate(in.batches*in.batchEvents, batches.took), unitEvents).between(
		&Bound{in.sync, "one after the other"}, &Bound{inTurn(in.hollowBatch, in.batch), "routes and batches in turn"})
	r.quantiles(group, "answer", batches.calls)
	return nil
}

func (in *ingesting) beside() {
	r, group := in.report, "beside"
	r.add(group, "JetStream alone, one message after the other", in.sync, unitEvents).between(nil, &Bound{r.Machine.Fsyncs, "one fsync each"})
	r.add(group, fmt.Sprintf("JetStream alone, atomic batches of %d", min(in.batchEvents, 1000)), in.batch, unitEvents)
	r.add(group, "routes alone, one event a request", in.hollowSingles, unitEvents)
	r.add(group, fmt.Sprintf("routes alone, %d events a request", in.batchEvents), in.hollowBatch, unitEvents)
	r.note("client, routes and NATS are one process here, and share its %d cores", r.Machine.Cores)
}

// over posts the single events and then the batches to the routes over a publisher.
func (in *ingesting) over(ctx context.Context, publisher ingest.Publisher, how string) (singles, batches driven, err error) {
	const key = "bench-key-of-no-other-use"
	g, err := ingest.New(ingest.Config{Keys: []ingest.Key{{Name: "bench", Key: key, AppIDs: appIDs()}}}, ingest.Deps{
		Publisher: publisher, AppIDs: appIDs(), Logger: in.log(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		return singles, batches, err
	}
	router := chi.NewRouter()
	g.Routes(router)
	site, err := serve(router)
	if err != nil {
		return singles, batches, err
	}
	defer func() { err = errors.Join(err, site.close()) }()
	client := newClient(max(in.connections, in.batchConnections))
	defer client.CloseIdleConnections()
	header := http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}
	post := func(bodies [][]byte) func(context.Context, int) error {
		return func(ctx context.Context, i int) error {
			return call{client: client, method: http.MethodPost, url: site.url + "/v1/events/purchases", header: header, body: bodies[i], want: http.StatusAccepted}.do(ctx, nil)
		}
	}
	bodies, err := encode(in.traffic, in.events, 1)
	if err != nil {
		return singles, batches, err
	}
	singles, err = in.drive(ctx, work{title: "one event a request" + how, times: in.events, workers: in.connections, do: post(bodies)})
	if err != nil {
		return singles, batches, err
	}
	header.Set("Content-Type", "application/x-ndjson")
	if bodies, err = encode(in.traffic, in.batches, in.batchEvents); err != nil {
		return singles, batches, err
	}
	batches, err = in.drive(ctx, work{title: "many events a request" + how, times: in.batches, workers: in.batchConnections, units: in.batchEvents, do: post(bodies)})
	return singles, batches, err
}

func appIDs() []string {
	var all []string
	for _, a := range accounts() {
		all = append(all, a.AppID)
	}
	return all
}

// encode makes the bodies of requests: their events, each on a line.
func encode(t *traffic, requests, events int) ([][]byte, error) {
	out := make([][]byte, requests)
	for i := range out {
		var body bytes.Buffer
		for _, e := range t.next(events) {
			text, err := schemas.Encode(e)
			if err != nil {
				return nil, err
			}
			body.Write(text)
			body.WriteByte('\n')
		}
		out[i] = body.Bytes()
	}
	return out, nil
}
