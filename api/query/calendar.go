package query

import (
	"fmt"
	"time"
)

// Interval is the length of a point of a time series.
type Interval string

// The intervals. Weeks begin on Monday.
const (
	IntervalDay   Interval = "day"
	IntervalWeek  Interval = "week"
	IntervalMonth Interval = "month"
)

// MaxPoints is the most intervals that one series may have: 27 years of days.
const MaxPoints = 10_000

// DayStart is the first moment of a date in a zone. Where the zone's clocks skip midnight, that is later than 00:00; where
// midnight comes twice, it is the first; a date that a zone skipped altogether begins when the next one does.
func DayStart(year int, month time.Month, day int, zone *time.Location) time.Time {
	midnight := civil(year, month, day)
	at := midnight.Add(-26 * time.Hour).In(zone) // no zone is further from UTC
	for {
		_, offset := at.Zone()
		begin, end := at.ZoneBounds()
		first := midnight.Add(-time.Duration(offset) * time.Second).In(zone)
		if first.Before(begin) {
			first = begin
		}
		if end.IsZero() || first.Before(end) {
			return first
		}
		at = end
	}
}

// civil is a date as the midnight of UTC, for arithmetic on dates.
func civil(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

func dateOf(t time.Time) time.Time { return civil(t.Date()) }

// begin is the date on which the interval with the date d begins.
func (i Interval) begin(d time.Time) time.Time {
	switch i {
	case IntervalWeek:
		return d.AddDate(0, 0, -(int(d.Weekday())+6)%7)
	case IntervalMonth:
		return civil(d.Year(), d.Month(), 1)
	}
	return d
}

func (i Interval) next(d time.Time) time.Time {
	switch i {
	case IntervalWeek:
		return d.AddDate(0, 0, 7)
	case IntervalMonth:
		return d.AddDate(0, 1, 0)
	}
	return d.AddDate(0, 0, 1)
}

// bounds are the beginnings of the intervals from the one that holds first to the one that holds last, in order, and
// the end of that one; nil where last is before first.
func (i Interval) bounds(first, last time.Time, zone *time.Location) ([]time.Time, error) {
	if i != IntervalDay && i != IntervalWeek && i != IntervalMonth {
		return nil, &ParamError{Parameter: "interval", Detail: fmt.Sprintf("%q is neither day, week nor month", i)}
	}
	if last.Before(first) {
		return nil, nil
	}
	var out []time.Time
	for d := i.begin(dateOf(first.In(zone))); ; d = i.next(d) {
		start := DayStart(d.Year(), d.Month(), d.Day(), zone)
		if n := len(out); n > 0 && out[n-1].Equal(start) {
			continue // a date that the zone skipped
		}
		out = append(out, start)
		if start.After(last) {
			return out, nil
		}
		if len(out) > MaxPoints {
			return nil, &ParamError{Parameter: "interval", Detail: fmt.Sprintf("the period has more than %d intervals: ask for longer ones or a shorter period", MaxPoints)}
		}
	}
}

func toMicros(times []time.Time) []int64 {
	out := make([]int64, len(times))
	for i, t := range times {
		out[i] = t.UnixMicro()
	}
	return out
}
