package api

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/unionlink/unionlink/api/export"
	"github.com/unionlink/unionlink/api/query"
)

// answer is what every report answers in JSON.
type answer[R any] struct {
	AsOf         time.Time         `json:"as_of"`
	FreshThrough *time.Time        `json:"fresh_through" doc:"all events up to this stream time are counted"`
	Rows         []R               `json:"rows"`
	NextCursor   string            `json:"next_cursor,omitempty"`
	Meanings     map[string]string `json:"meanings,omitempty" doc:"what the fields mean"`
}

// page is a part of an answer and where it ended; next is nil on the last.
type page[R any] struct {
	rows []R
	next *query.Cursor
}

// whole is a page that is all there is.
func whole[R any](rows []R, err error) (page[R], error) { return page[R]{rows: rows}, err }

// question asks for one page of rows.
type question[R any] func(ctx context.Context, c *call, p query.Params) (page[R], error)

// serve answers with a page of JSON or with an export of everything.
func (q question[R]) serve(c *call) error {
	p, err := c.params()
	if err != nil {
		return err
	}
	format, err := c.format()
	if err != nil {
		return err
	}
	if format == export.FormatJSON {
		return q.json(c, p)
	}
	return q.export(c, p, format)
}

func (q question[R]) json(c *call, p query.Params) error {
	limit, err := c.values.integer("limit", 1, maxLimit, defaultLimit)
	if err != nil {
		return err
	}
	if c.route.has("limit") {
		p.Limit = int(limit)
	}
	if c.values.Has("cursor") {
		p.Cursor = &query.Cursor{}
		if err := c.cursors.open(c.question(), c.values.Get("cursor"), p.Cursor); err != nil {
			return err
		}
	}
	meanings, err := c.values.flag("meanings")
	if err != nil {
		return err
	}
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	out := answer[R]{AsOf: asOf(p)}
	if out.FreshThrough, err = c.freshThrough(ctx); err != nil {
		return err
	}
	got, err := q(ctx, c, p)
	if err != nil {
		return err
	}
	if out.Rows = got.rows; out.Rows == nil {
		out.Rows = []R{}
	}
	if got.next != nil {
		if out.NextCursor, err = c.cursors.seal(c.question(), got.next); err != nil {
			return err
		}
	}
	if meanings {
		out.Meanings = meaningsOf[R]()
	}
	return c.answer(http.StatusOK, out)
}

// asOf is the moment that the answer is of.
func asOf(p query.Params) time.Time {
	if p.AsOf != nil {
		return *p.AsOf
	}
	return p.Asked.UTC()
}

// freshThrough is nil where nothing was counted yet.
func (c *call) freshThrough(ctx context.Context) (*time.Time, error) {
	t, err := c.reports.FreshThrough(ctx)
	if err != nil || t.IsZero() {
		return nil, err
	}
	t = t.UTC()
	return &t, nil
}

// question names what is asked, without how it is written: a cursor belongs to it.
func (c *call) question() string {
	asked := url.Values{}
	for name, given := range c.values.Values {
		if !slices.Contains([]string{"cursor", "limit", "format", "bom", "meanings"}, name) {
			asked[name] = given
		}
	}
	return c.route.id + " " + c.r.URL.Path + "?" + asked.Encode() + " " + strings.Join(c.user.Accounts, ",")
}

// defaultExportPage is how many rows an export asks for at once: some tens of megabytes.
const defaultExportPage = 200_000

// The headers of an export, since it has no envelope.
const (
	headerAsOf         = "X-Unionlink-As-Of"
	headerFreshThrough = "X-Unionlink-Fresh-Through"
)

func (q question[R]) export(c *call, p query.Params, format export.Format) error {
	limit, err := c.values.integer("limit", 1, maxExport, maxExport)
	if err != nil {
		return err
	}
	switch {
	case c.route.has("cursor"):
		p.Limit = int(min(limit, c.exportPage))
	case c.values.Has("limit"):
		p.Limit, limit = int(limit), maxExport // the report itself knows what its limit counts
	}
	bom, err := c.values.flag("bom")
	if err != nil {
		return err
	}
	if c.values.Has("cursor") {
		return badParameter("cursor", "an export has all rows; leave it out")
	}
	noted := exported{Query: c.values.Encode(), Format: format}
	if noted.Receipt, err = newReceipt(); err != nil {
		return err
	}
	if err := c.audit("export", c.r.URL.Path, noted); err != nil {
		return err
	}
	first, err := q.firstPage(c, &p, limit)
	if err != nil {
		return err
	}
	opt := export.Options{Format: format, BOM: bom, Columnar: c.cfg.Columnar}
	rc, started, err := export.Serve(c.w, c.r, c.route.id, q.rows(c, p, first, limit), opt)
	if err == nil {
		noted.Rows, noted.SHA256 = rc.Rows, rc.SHA256
		err = c.audit("export-done", c.r.URL.Path, noted)
	}
	if err != nil && started {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if err == nil {
		c.metrics.exported.WithLabelValues(string(format)).Add(float64(rc.Rows))
	}
	return err
}

// exported is an export's detail in the audit.
type exported struct {
	Receipt string        `json:"receipt"`
	Query   string        `json:"query"`
	Format  export.Format `json:"format"`
	Rows    int64         `json:"rows"`
	SHA256  string        `json:"sha256,omitempty"`
}

// firstPage asks for the first page and tells of what moment the export is. Where more
// pages follow, all of them, the first included, are of the moment up to which everything
// is counted, so that they fit together whatever is counted meanwhile.
func (q question[R]) firstPage(c *call, p *query.Params, limit int64) (page[R], error) {
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	fresh, err := c.freshThrough(ctx)
	if err != nil {
		return page[R]{}, err
	}
	got, err := q(ctx, c, *p)
	if err == nil && got.next != nil && limit > c.exportPage && p.AsOf == nil && fresh != nil {
		p.AsOf = fresh
		got, err = q(ctx, c, *p)
	}
	if err != nil {
		return page[R]{}, err
	}
	c.w.Header().Set(headerAsOf, asOf(*p).Format(time.RFC3339Nano))
	if fresh != nil {
		c.w.Header().Set(headerFreshThrough, fresh.Format(time.RFC3339Nano))
	}
	return got, nil
}

// rows are those of all pages, up to limit.
func (q question[R]) rows(c *call, p query.Params, got page[R], limit int64) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for {
			for _, row := range got.rows {
				if limit--; limit < 0 || !yield(row, nil) {
					return
				}
			}
			if got.next == nil || limit <= 0 {
				return
			}
			p.Cursor = got.next
			var err error
			if got, err = q.nextPage(c, p); err != nil {
				var none R
				yield(none, err)
				return
			}
		}
	}
}

func (q question[R]) nextPage(c *call, p query.Params) (page[R], error) {
	ctx, cancel := c.timed(c.r.Context())
	defer cancel()
	return q(ctx, c, p)
}
