package login

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	logins   *prometheus.CounterVec
	seconds  prometheus.Histogram
	profiles prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "unionlink_wechat_logins_total", Help: "Codes that were sent, by outcome: ok, or the code that was answered.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "unionlink_wechat_login_seconds", Help: "Time from a code to its answer.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 13),
		}),
		profiles: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "unionlink_wechat_profiles_missed_total", Help: "Logins whose profile WeChat did not give though it was granted.",
		}),
	}
	reg.MustRegister(m.logins, m.seconds, m.profiles)
	return m
}

func outcome(code int) string { return strconv.Itoa(code) }
