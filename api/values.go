package api

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are known wherever the api runs
	"unicode"
	"unicode/utf8"

	"github.com/unionlink/unionlink/api/query"
	"github.com/unionlink/unionlink/schemas"
)

// values reads query parameters. Each method's error is a *Problem that names its parameter.
type values struct{ url.Values }

// known refuses parameters that a route does not have, and repetitions of those that
// may be given once.
func (v values) known(r *route) error {
	for name, given := range v.Values {
		i := slices.Index(r.params, name)
		if i < 0 {
			p := problem("unknown-parameter", "%.64q is not a parameter of %s; it has %s", name, r.path, cmp.Or(strings.Join(r.params, ", "), "none"))
			p.Parameter = name
			return p
		}
		if len(given) > 1 && !parameters[name].Repeat {
			return badParameter(name, "is given %d times", len(given))
		}
	}
	return nil
}

func (v values) text(name string) (string, error) {
	s := v.Get(name)
	if s == "" {
		if v.Has(name) {
			return "", badParameter(name, "is empty; leave it out instead")
		}
		return "", nil
	}
	if len(s) > schemas.MaxTextBytes || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", badParameter(name, "is text of at most %d bytes without control characters", schemas.MaxTextBytes)
	}
	return s, nil
}

// maxAccounts bounds a selection.
const maxAccounts = 1000

func (v values) accounts(name string, sees func(string) bool) ([]string, error) {
	given := v.Values[name]
	if len(given) > maxAccounts {
		return nil, badParameter(name, "names %d accounts; at most %d are taken", len(given), maxAccounts)
	}
	for _, appid := range given {
		if err := schemas.CheckIdentifier(name, appid); err != nil {
			return nil, badParameter(name, "%v", err)
		}
		if !sees(appid) {
			return nil, foreign(name, appid)
		}
	}
	out := slices.Clone(given)
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (v values) choice(name, otherwise string) (string, error) {
	if !v.Has(name) {
		return otherwise, nil
	}
	options, _ := parameters[name].Schema["enum"].([]string)
	if s := v.Get(name); slices.Contains(options, s) {
		return s, nil
	}
	return "", badParameter(name, "is one of %s", strings.Join(options, ", "))
}

func (v values) flag(name string) (bool, error) {
	s, err := v.choice(name, "0")
	return s == "1", err
}

func (v values) integer(name string, least, most, otherwise int64) (int64, error) {
	if !v.Has(name) {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(v.Get(name), 10, 64)
	if err != nil || n < least || n > most {
		return 0, badParameter(name, "is a whole number from %d to %d", least, most)
	}
	return n, nil
}

// amount reads an optional number of minor units.
func (v values) amount(name string) (*int64, error) {
	if !v.Has(name) {
		return nil, nil
	}
	n, err := v.integer(name, 0, schemas.MaxAmount, 0)
	return &n, err
}

func (v values) currency() (string, error) {
	s := v.Get("currency")
	if !v.Has("currency") || schemas.KnownCurrency(s) {
		return s, nil
	}
	return "", badParameter("currency", "is an ISO 4217 code in capitals, such as CNY")
}

// defaultZone is where days begin unless the question says otherwise.
const defaultZone = "Asia/Shanghai"

func (v values) zone() (*time.Location, error) {
	if !v.Has("tz") {
		return time.LoadLocation(defaultZone)
	}
	name := v.Get("tz")
	// Local is the machine's, and what lies in posix and right is no IANA name.
	refused := name == "" || name == "Local" || strings.HasPrefix(name, "posix") || strings.HasPrefix(name, "right/") || len(name) > 64
	if loc, err := time.LoadLocation(name); err == nil && !refused {
		return loc, nil
	}
	return nil, badParameter("tz", "is an IANA time zone, such as %s", defaultZone)
}

// earliest and latest bound what ClickHouse's DateTime64 with microseconds, which the
// tables have, can hold and compare.
var (
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// moment reads a day, which stands for its first instant in loc, or an RFC 3339 time.
// The zero time stands for an absent parameter.
func (v values) moment(name string, loc *time.Location) (time.Time, error) {
	if !v.Has(name) {
		return time.Time{}, nil
	}
	s := v.Get(name)
	t, err := time.Parse(time.RFC3339Nano, s)
	if day, dayErr := time.Parse(time.DateOnly, s); dayErr == nil {
		t, err = query.DayStart(day.Year(), day.Month(), day.Day(), loc), nil
	}
	if err != nil || t.Before(earliest) || t.After(latest) {
		return time.Time{}, badParameter(name, "is a day such as 2026-11-22, or a time such as 2026-11-22T10:00:00Z (with + written as %%2B), from %d to %d", earliest.Year(), latest.Year())
	}
	return t.UTC(), nil
}
