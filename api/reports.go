package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"

	"github.com/unionlink/unionlink/api/access"
	"github.com/unionlink/unionlink/api/export"
	"github.com/unionlink/unionlink/api/query"
)

// reportOf is a route that answers a question.
func reportOf[R any](id, path, summary string, right access.Right, params []string, q question[R]) route {
	return route{
		method: http.MethodGet, path: path, id: id, summary: summary, right: right, params: params,
		answer: reflect.TypeFor[answer[R]](), status: http.StatusOK, serve: q.serve,
	}
}

// report is a route under /v1/reports with the parameters of all reports and more.
func report[R any](name, summary string, more []string, q question[R]) route {
	id := name
	if name == "accounts" {
		id = "by-account" // the configured accounts have the plain name
	}
	return reportOf(id, "/v1/reports/"+name, summary, access.RightRead, slices.Concat(periodParams, filterParams, more, outputParams), q)
}

func reportRoutes() []route {
	return []route{
		report("summary", "Orders, money and buyers, by currency.", nil, func(ctx context.Context, c *call, p query.Params) (page[query.SummaryRow], error) {
			return whole(c.reports.Summary(ctx, p))
		}),
		report("accounts", "Orders, money and buyers, by account and currency.", nil, func(ctx context.Context, c *call, p query.Params) (page[query.AccountRow], error) {
			return whole(c.reports.Accounts(ctx, p))
		}),
		report("timeseries", "Orders, money and buyers, by interval.", []string{"interval", "by"}, timeseries),
		report("overlap", "How many persons bought in each set of accounts.", []string{"kind"}, overlap),
		report("top-persons", "Persons by what they spent, greatest first.", slices.Concat([]string{"appids", "segment"}, pageParams),
			func(ctx context.Context, c *call, p query.Params) (page[query.TopPerson], error) {
				rows, next, err := c.reports.TopPersons(ctx, p)
				return page[query.TopPerson]{rows, next}, err
			}),
		report("cohorts", "Persons by the month of their first purchase, and what they bought in the months after.", nil,
			func(ctx context.Context, c *call, p query.Params) (page[query.Cohort], error) {
				return whole(c.reports.Cohorts(ctx, p))
			}),
		report("rfm", "Persons by recency, frequency and money.", nil, func(ctx context.Context, c *call, p query.Params) (page[query.SegmentRow], error) {
			return whole(c.reports.RFM(ctx, p))
		}),
		report("journeys", "From the account of the first purchase to the next account.", nil,
			func(ctx context.Context, c *call, p query.Params) (page[query.Journey], error) {
				return whole(c.reports.Journeys(ctx, p))
			}),
		report("products", "What buyers of one thing in one account also buy in another; limit counts rows of a currency, most buyers first.", []string{"limit"},
			func(ctx context.Context, c *call, p query.Params) (page[query.ProductRow], error) {
				return whole(c.reports.Products(ctx, p))
			}),
		report("refunds", "Refunds by account and currency.", nil, func(ctx context.Context, c *call, p query.Params) (page[query.RefundRow], error) {
			return whole(c.reports.Refunds(ctx, p))
		}),
	}
}

func timeseries(ctx context.Context, c *call, p query.Params) (page[query.Point], error) {
	interval, err := c.values.choice("interval", "day")
	if err != nil {
		return page[query.Point]{}, err
	}
	by, err := c.values.choice("by", "")
	if err != nil {
		return page[query.Point]{}, err
	}
	return whole(c.reports.Timeseries(ctx, p, query.Series{Interval: query.Interval(interval), ByAccount: by == "account"}))
}

func overlap(ctx context.Context, c *call, p query.Params) (page[query.OverlapSet], error) {
	kind, err := c.values.choice("kind", "exact")
	if err != nil {
		return page[query.OverlapSet]{}, err
	}
	sets, err := c.reports.Overlap(ctx, p)
	if kind == "pairs" {
		return whole(sets.Pairs, err)
	}
	return whole(sets.Sets, err)
}

// meaningsOf is what the fields of a row mean.
func meaningsOf[R any]() map[string]string {
	out := map[string]string{}
	for _, name := range export.Columns(reflect.TypeFor[R]()) {
		if meaning, ok := query.Meanings[name]; ok {
			out[name] = meaning
		}
	}
	return out
}
