package query

import (
	"context"
	"time"
)

// Journey is how many persons bought first in one account and next in another. ToAppID is empty for those who have bought in no other
// one yet; MedianDays, from the first purchase to the first in the other account, is nil then. Net is of all they bought.
type Journey struct {
	Currency   string   `json:"currency"`
	FromAppID  string   `json:"from_appid"`
	ToAppID    string   `json:"to_appid"`
	Persons    uint64   `json:"persons"`
	MedianDays *float64 `json:"median_days"`
	Net        int64    `json:"net"`
}

type journeyRow struct {
	From    uint16 `ch:"from_account"`
	To      uint16 `ch:"to_account"`
	Persons uint64 `ch:"persons"`
	Wait    int64  `ch:"wait"`
	Net     int64  `ch:"net"`
}

// Journeys answers with the ways of persons whose first purchase occurred in the period, the most travelled first within a currency. As
// in Cohorts, what narrows orders narrows what is a first purchase; purchases in two accounts at one moment are in the
// accounts' order.
func (r *Reports) Journeys(ctx context.Context, p Params) ([]Journey, error) {
	p.Cursor = nil
	s := p.shape()
	s.History, s.Limit = true, false
	out := []Journey{}
	err := r.byCurrency(ctx, &p, s, func(e extent, s shape, a args) error {
		return each(ctx, r, question{"journeys", s, a}, func(row journeyRow) error {
			j := Journey{Currency: e.Currency, FromAppID: e.account(row.From), ToAppID: e.account(row.To), Persons: row.Persons, Net: row.Net}
			if row.To > 0 {
				j.MedianDays = days(row.Wait)
			}
			out = append(out, j)
			return nil
		})
	})
	return out, err
}

// days turns microseconds into days.
func days(micros int64) *float64 {
	d := float64(micros) / float64(24*time.Hour/time.Microsecond)
	return &d
}
