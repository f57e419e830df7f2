package wechatsim

import "time"

// tokenSet is the access tokens of an account from one route: the present one, and former ones for a while.
// /cgi-bin/token and /cgi-bin/stable_token have one each and do not touch each other's.
type tokenSet struct {
	current string
	expires time.Time
	former  map[string]time.Time // until when it still works
}

// issue makes a new token; the one before works for the overlap, or not at all.
func (s *tokenSet) issue(token string, now time.Time, life, overlap time.Duration) {
	if s.former == nil {
		s.former = map[string]time.Time{}
	}
	if s.current != "" {
		s.former[s.current] = earlier(s.expires, now.Add(overlap))
	}
	s.current, s.expires = token, now.Add(life)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (s *tokenSet) expire(now time.Time) {
	s.expires = now
	for token := range s.former {
		s.former[token] = now
	}
}

// check answers nil for a token that works, and otherwise known = false for one that never was of this set.
func (s *tokenSet) check(token string, now time.Time) (known bool, err *wxError) {
	if token == s.current {
		if !now.Before(s.expires) {
			return true, fail(codeTokenExpired)
		}
		return true, nil
	}
	until, ok := s.former[token]
	if !ok {
		return false, nil
	}
	if !now.Before(until) {
		return true, fail(codeInvalidCredential)
	}
	return true, nil
}

// cgiAccount finds the account of an access token, from either route.
func (w *world) cgiAccount(token string, now time.Time) (*account, *wxError) {
	if token == "" {
		return nil, fail(codeMissingToken)
	}
	for _, a := range w.order {
		for _, set := range []*tokenSet{&a.normal, &a.stable} {
			if known, err := set.check(token, now); known {
				return a, err
			}
		}
	}
	return nil, fail(codeInvalidCredential)
}

// forceLimit counts forced refreshes of a stable token: 20 a day, 30 seconds apart.
type forceLimit struct {
	day  int64
	used int
	last time.Time
}

func (f *forceLimit) allow(now time.Time) bool {
	if day := beijingDay(now); day != f.day {
		f.day, f.used = day, 0
	}
	if f.used >= 20 || now.Sub(f.last) < 30*time.Second {
		return false
	}
	f.used++
	f.last = now
	return true
}

// stableToken answers the account's stable token and its remaining life, never below the overlap: WeChat renews it
// in its last five minutes.
func (w *world) stableToken(a *account, force bool, now time.Time) (string, time.Duration) {
	life := time.Duration(w.knobs.TokenSeconds) * time.Second
	overlap := time.Duration(w.knobs.TokenOverlapSeconds) * time.Second
	s := &a.stable
	switch {
	case s.current == "" || !now.Before(s.expires):
		s.issue(w.mint.token(), now, life, 0)
	case force && a.force.allow(now):
		s.issue(w.mint.token(), now, life, 0)
	case s.expires.Sub(now) < overlap:
		s.issue(w.mint.token(), now, life, overlap)
	}
	return s.current, s.expires.Sub(now)
}

// beijing is the time zone of WeChat's days: quotas, bills and times in answers.
var beijing = time.FixedZone("CST", 8*3600)

// beijingDay numbers the days that begin at Beijing's midnight.
func beijingDay(t time.Time) int64 { return (t.Unix() + 8*3600) / 86400 }
