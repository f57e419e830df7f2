package wechatsim

import (
	"strings"
	"time"
)

// quotaLimit is how often a route may be called for one account; 0 means no limit.
type quotaLimit struct {
	PerMinute int `json:"per_minute"`
	PerDay    int `json:"per_day"`
}

// documentedQuotas are the limits to begin with: those in the documentation, and for a day's calls about followers,
// which vary by account, those of a common one. The admin API sets others.
var documentedQuotas = map[string]quotaLimit{
	"/sns/oauth2/access_token":  {PerMinute: 50_000},
	"/sns/oauth2/refresh_token": {PerMinute: 50_000},
	"/sns/userinfo":             {PerMinute: 50_000},
	"/sns/auth":                 {PerMinute: 50_000},
	"/sns/jscode2session":       {PerMinute: 100}, // for each user
	"/cgi-bin/token":            {PerDay: 2_000},
	"/cgi-bin/stable_token":     {PerMinute: 10_000, PerDay: 500_000},
	"/cgi-bin/user/info":        {PerDay: 5_000_000},
	"/cgi-bin/user/get":         {PerDay: 500},
	"/cgi-bin/changeopenid":     {PerDay: 100_000},

	"/cgi-bin/user/info/batchget": {PerDay: 500_000},
}

type usage struct {
	minute, day     int64
	inMinute, inDay int
}

func (u *usage) roll(now time.Time) {
	if m := now.Unix() / 60; m != u.minute {
		u.minute, u.inMinute = m, 0
	}
	if d := beijingDay(now); d != u.day {
		u.day, u.inDay = d, 0
	}
}

func (a *account) quota(path string) quotaLimit {
	if q, ok := a.quotas[path]; ok {
		return q
	}
	return documentedQuotas[path]
}

// spend counts one call against the quota. The subject tells apart whose calls are counted where the limit is one
// user's; it is empty where it is the account's.
func (a *account) spend(path, subject string, now time.Time) *wxError {
	limit := a.quota(path)
	if limit == (quotaLimit{}) {
		return nil
	}
	key := path
	if subject != "" {
		key += "|" + subject
	}
	u := a.usage[key]
	if u == nil {
		u = &usage{}
		a.usage[key] = u
	}
	u.roll(now)
	switch {
	case limit.PerDay > 0 && u.inDay >= limit.PerDay:
		return fail(codeDailyQuota)
	case limit.PerMinute > 0 && u.inMinute >= limit.PerMinute:
		return fail(codeMinuteQuota)
	}
	u.inDay++
	u.inMinute++
	return nil
}

// monthly counts the quota clearances, ten a month.
type monthly struct {
	month string
	used  int
}

func (a *account) clearQuota(now time.Time) *wxError {
	if month := now.In(beijing).Format("2006-01"); month != a.clears.month {
		a.clears = monthly{month: month}
	}
	if a.clears.used >= 10 {
		return fail(codeClearQuotaLimit)
	}
	a.clears.used++
	clear(a.usage)
	return nil
}

// used is how often the route was called today, by everybody together.
func (a *account) used(path string, now time.Time) int {
	total := 0
	for key, u := range a.usage {
		if key == path || strings.HasPrefix(key, path+"|") {
			u.roll(now)
			total += u.inDay
		}
	}
	return total
}
