// Package grafana holds the dashboard, and by a test every metric and label that dashboard
// and alerts name to what a running unionlink registers.
package grafana

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/deploy/embedded/embeddedtest"
	"github.com/unionlink/unionlink/schemas"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }

// patience bounds every wait; nothing takes as long.
const patience = 3 * time.Minute

// metric is what a registry knows of one.
type metric struct {
	help   string
	labels []string
}

// description is how client_golang writes a prometheus.Desc.
var description = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "([^"]*)",(?: unit: "[^"]*",)? constLabels: \{[^}]*\}, variableLabels: \{([^}]*)\}\}$`)

// registered runs everything until all parts are ready, and returns what they registered.
func registered(t *testing.T) map[string]metric {
	t.Helper()
	cfg := app.Default()
	cfg.Data, cfg.Listen = t.TempDir(), "127.0.0.1:0"
	cfg.NATS.Port, cfg.ClickHouse.NativePort, cfg.ClickHouse.HTTPPort = 0, 0, 0
	cfg.Tracing.Endpoint = "http://127.0.0.1:1" // nothing is traced before a request
	cfg.Accounts = []app.Account{{AppID: "wxdashboard", Name: "Shop", Kind: schemas.AccountKindOfficial, Platform: "p", Secret: "s"}}
	registry, ready, done := prometheus.NewRegistry(), make(chan struct{}), make(chan error, 1)
	a, err := app.New(cfg, app.TargetUp, app.Deps{
		Log: slog.New(slog.DiscardHandler), Out: io.Discard, Progress: os.Stderr, Metrics: registry,
		OnReady: func(context.Context, app.Credentials) error { close(ready); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- a.Run(ctx) }() // ends with ctx
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("up ended while starting: %v", err)
	case <-time.After(patience):
		t.Fatalf("up is not ready after %s", patience)
	}
	return describe(t, registry)
}

func describe(t *testing.T, registry *prometheus.Registry) map[string]metric {
	t.Helper()
	descs := make(chan *prometheus.Desc, 4096)
	registry.Describe(descs)
	close(descs)
	found := map[string]metric{}
	for d := range descs {
		part := description.FindStringSubmatch(d.String())
		if part == nil {
			t.Fatalf("the description reads %s", d)
		}
		found[part[1]] = metric{help: part[2], labels: strings.FieldsFunc(part[3], func(r rune) bool { return r == ',' || r == ' ' })}
	}
	return found
}

// expressions are all PromQL of the dashboard and of the alerts, by where it stands.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	read(t, "unionlink.json", json.Unmarshal, &dashboard)
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all["panel "+p.Title+": "+target.Expr] = target.Expr
		}
	}
	var alerts struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	read(t, "../prometheus/alerts.yml", func(text []byte, v any) error { return yaml.Unmarshal(text, v) }, &alerts)
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			all["alert "+r.Alert] = r.Expr
		}
	}
	if len(all) < 40 {
		t.Fatalf("%d expressions found: the reading is broken", len(all))
	}
	return all
}

func read(t *testing.T, name string, decode func([]byte, any) error, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = decode(text, into)
	}
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
}

var (
	named    = regexp.MustCompile(`\bunionlink_[a-z_]+`)
	suffix   = regexp.MustCompile(`_(bucket|sum|count)$`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
	matcher  = regexp.MustCompile(`unionlink_[a-z_]+\{([a-z_]+)`)
)

// labelsOf are the labels that an expression wants the metrics to have.
func labelsOf(expr string) []string {
	var all []string
	for _, by := range grouping.FindAllStringSubmatch(expr, -1) {
		all = append(all, strings.Split(by[1], ", ")...)
	}
	for _, m := range matcher.FindAllStringSubmatch(expr, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestMetrics(t *testing.T) {
	known := registered(t)
	t.Run("each has a help text", func(t *testing.T) {
		ours := 0
		for name, m := range known {
			if strings.HasPrefix(name, "unionlink_") {
				ours++
				if m.help == "" {
					t.Errorf("%s has none", name)
				}
			}
		}
		if ours < 25 {
			t.Errorf("only %d metrics are registered", ours)
		}
	})
	t.Run("each that is shown exists, with its labels", func(t *testing.T) {
		for where, expr := range expressions(t) {
			for _, name := range named.FindAllString(expr, -1) {
				m, ok := known[name]
				if !ok {
					m, ok = known[suffix.ReplaceAllString(name, "")]
				}
				if !ok {
					t.Errorf("%s: nobody registers %s", where, name)
				}
				for _, label := range labelsOf(expr) {
					if label != "le" && !slices.Contains(m.labels, label) {
						t.Errorf("%s: %s has no label %s", where, name, label)
					}
				}
			}
		}
	})
	t.Run("each of the parts is shown", func(t *testing.T) {
		var all strings.Builder
		for _, expr := range expressions(t) {
			all.WriteString(expr + "\n")
		}
		// Traces have a place of their own to be looked at.
		for name := range known {
			shown := strings.Contains(all.String(), name)
			if strings.HasPrefix(name, "unionlink_") && !strings.HasPrefix(name, "unionlink_tracing_") && !shown {
				t.Errorf("%s is on no panel and in no alert", name)
			}
		}
	})
}
