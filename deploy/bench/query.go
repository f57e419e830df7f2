package bench

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/spf13/pflag"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas/identity"
	"github.com/unionlink/unionlink/schemas/warehouse"
)

// queryOptions are the flags of bench query.
type queryOptions struct {
	purchases, identities, runs int
	bounds, merge               bool
}

func queryBenchmark() benchmark {
	o := &queryOptions{}
	return benchmark{
		use: "query", short: "Every report over generated data: p50 and p95",
		long: `query fills the tables with purchases of a year by identities of which nine tenths are linked,
and asks every report of the analysts for all of it, as the analysts' user.

The floor is the very same statement with each identity for its own person: what the
report costs without linking. The ceiling is the same statement again, over purchases that
carry strings and are joined with the latest unionid of each (appid, openid): what one would
build first. It must give the same answer, or the run fails.

The parts of past months are merged first (--merge=false: left as they were inserted), as
they are after ten quiet minutes.`,
		example: "  unionlink bench query\n  unionlink bench query --purchases 20000000 --identities 10000000 --runs 3\n  unionlink bench query --bounds=false --runs 20",
		flags:   o.flags, run: o.run,
	}
}

func (o *queryOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.purchases, "purchases", 2_000_000, "`NUMBER` of orders and refunds")
	f.IntVar(&o.identities, "identities", 1_000_000, "`NUMBER` of identities")
	f.IntVar(&o.runs, "runs", 5, "how often each report is asked for, after once that does not count")
	f.BoolVar(&o.bounds, "bounds", true, "measure floors and ceilings too")
	f.BoolVar(&o.merge, "merge", true, "merge the parts of each month first")
}

// question is one report.
type question struct {
	name string
	ask  func(context.Context, *query.Reports) (any, error)
}

// questions are all reports, for everything there is.
func questions() []question {
	all := query.Params{}
	page := query.Params{Limit: 100}
	past := epoch.Add(span)
	return []question{
		{"summary", func(ctx context.Context, r *query.Reports) (any, error) { return r.Summary(ctx, all) }},
		{"summary as of then", func(ctx context.Context, r *query.Reports) (any, error) {
			return r.Summary(ctx, query.Params{AsOf: &past})
		}},
		{"accounts", func(ctx context.Context, r *query.Reports) (any, error) { return r.Accounts(ctx, all) }},
		{"timeseries by day and account", func(ctx context.Context, r *query.Reports) (any, error) {
			return r.Timeseries(ctx, all, query.Series{Interval: query.IntervalDay, ByAccount: true})
		}},
		{"overlap", func(ctx context.Context, r *query.Reports) (any, error) { return r.Overlap(ctx, all) }},
		{"top persons, 100 of them", func(ctx context.Context, r *query.Reports) (any, error) {
			persons, _, err := r.TopPersons(ctx, page)
			return persons, err
		}},
		{"cohorts", func(ctx context.Context, r *query.Reports) (any, error) { return r.Cohorts(ctx, all) }},
		{"rfm", func(ctx context.Context, r *query.Reports) (any, error) { return r.RFM(ctx, query.Params{Asked: past}) }},
		{"journeys", func(ctx context.Context, r *query.Reports) (any, error) { return r.Journeys(ctx, all) }},
		{"products bought beside sku-7", func(ctx context.Context, r *query.Reports) (any, error) {
			return r.Products(ctx, query.Params{SKU: "sku-7", AppIDs: appIDs()[:1]})
		}},
		{"refunds", func(ctx context.Context, r *query.Reports) (any, error) { return r.Refunds(ctx, all) }},
		{"health of identities", func(ctx context.Context, r *query.Reports) (any, error) {
			return r.IdentityHealth(ctx, all, identity.DefaultMaxIdentitiesPerKey)
		}},
		{"changes, 100 of them", func(ctx context.Context, r *query.Reports) (any, error) {
			changes, _, err := r.Changes(ctx, epoch.Add(-time.Hour), page)
			return changes, err
		}},
	}
}

func (o *queryOptions) run(ctx context.Context, s *session) (err error) {
	if err := positive(map[string]int{"purchases": o.purchases, "identities": o.identities, "runs": o.runs}); err != nil {
		return err
	}
	st, err := s.startStore(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	q := &querying{queryOptions: o, session: s, store: st, size: filling{seed: s.seed, identities: o.identities, purchases: o.purchases}}
	if err := q.prepare(ctx); err != nil {
		return err
	}
	for _, question := range questions() {
		if err := q.measure(ctx, question); err != nil {
			return fmt.Errorf("%s: %w", question.name, err)
		}
	}
	return q.check(ctx)
}

// querying is one run of bench query.
type querying struct {
	*queryOptions
	*session
	store *store
	size  filling
}

// prepare fills and merges the tables and loads the dictionaries.
func (q *querying) prepare(ctx context.Context) error {
	conn := q.store.loader
	if err := q.populate(ctx, conn, q.size); err != nil {
		return err
	}
	if err := q.fill(ctx, conn, q.size, "fill_purchases", q.purchases); err != nil {
		return err
	}
	tables := []string{"purchases", "purchases_log", "identities", "statements", "key_identities", "persons", "person_identities"}
	if q.bounds {
		if err := q.fillNaive(ctx); err != nil {
			return err
		}
		tables = append(tables, "naive_purchases")
	}
	if q.merge {
		m := q.meter("merge parts", len(tables))
		defer m.end()
		for _, table := range tables {
			if err := q.optimize(ctx, table); err != nil {
				return err
			}
			m.add(1)
		}
	}
	return warehouse.ReloadBase(ctx, conn)
}

func (q *querying) optimize(ctx context.Context, table string) error {
	patient := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"receive_timeout": 3600}))
	if err := q.store.loader.Exec(patient, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
		return fmt.Errorf("merge the parts of %s: %w", table, err)
	}
	return nil
}

// measure asks a question as often as it shall be, and once each for its bounds.
func (q *querying) measure(ctx context.Context, question question) error {
	asked, err := q.ask(ctx, question, query.New(q.store.analyst), q.runs)
	if err != nil {
		return err
	}
	var floor, ceiling *Bound
	if q.bounds {
		if floor, ceiling, err = q.around(ctx, question, asked.answer); err != nil {
			return err
		}
	}
	const group = "all reports, over everything"
	q.report.add(group, question.name+" p50", millis(asked.took.quantile(0.5)), unitMillis).between(floor, ceiling)
	q.report.add(group, question.name+" p95", millis(asked.took.quantile(0.95)), unitMillis)
	return nil
}

// asking is what came of a question.
type asking struct {
	took   samples
	answer any
}

func (q *querying) ask(ctx context.Context, question question, reports *query.Reports, runs int) (asking, error) {
	var a asking
	d, err := q.drive(ctx, work{title: question.name, times: runs + 1, workers: 1, do: func(ctx context.Context, _ int) (err error) {
		a.answer, err = question.ask(ctx, reports)
		return err
	}})
	if err != nil {
		return a, err
	}
	a.took = d.calls[1:] // the first one warms up
	return a, nil
}

// around measures floor and ceiling: the question with other bindings of persons. Reports
// that bind none have neither.
func (q *querying) around(ctx context.Context, question question, want any) (floor, ceiling *Bound, err error) {
	alone, naive := &rebinding{Conn: q.store.analyst, bind: alone}, &rebinding{Conn: q.store.analyst, bind: naive}
	runs := min(q.runs, 3)
	f, err := q.ask(ctx, question, query.New(alone), runs)
	if err != nil {
		return nil, nil, fmt.Errorf("without identities: %w", err)
	}
	if alone.rebound > 0 {
		floor = &Bound{millis(f.took.quantile(0.5)), "without persons"}
	}
	c, err := q.ask(ctx, question, query.New(naive), runs)
	var refused *clickhouse.Exception
	switch {
	case errors.As(err, &refused) && limited[refused.Code] != "":
		return floor, &Bound{What: "joined strings: " + limited[refused.Code]}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("by a join of strings: %w", err)
	case naive.rebound == 0:
		return floor, nil, nil
	case !reflect.DeepEqual(c.answer, want):
		return nil, nil, errors.New("the join of strings answers otherwise than the report: the figures of this run mean nothing")
	}
	return floor, &Bound{millis(c.took.quantile(0.5)), "joined strings"}, nil
}

// limited are the errors by which the analysts' limits end a query (ErrorCodes.cpp).
var limited = map[int32]string{159: "over the analysts' time", 241: "over the analysts' memory"}

// check holds the filled tables to what they must come to.
func (q *querying) check(ctx context.Context) error {
	purchases, err := q.store.count(ctx, "SELECT count() FROM purchases FINAL")
	if err != nil {
		return err
	}
	linked, err := q.store.count(ctx, "SELECT countIf(person_id != concat('p_', lpad(lower(hex(identity)), 16, '0'))) FROM v_identities")
	if err != nil {
		return err
	}
	return errors.Join(
		q.report.exact("check", "orders and refunds", purchases, uint64(q.purchases)),
		q.report.exact("check", "linked identities", linked, uint64(q.size.linked())),
	)
}
