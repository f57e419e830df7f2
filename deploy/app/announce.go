package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// announce tells the person at the terminal where everything is, and new secrets once.
func (a *App) announce(w *web, where *servers, k *issued) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nunionlink %s is ready after %s\n", a.target, a.deps.Now().Sub(a.began).Round(10*time.Millisecond))
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-11s %s\n", what, fmt.Sprintf(format, args...))
	}
	c := k.Credentials
	c.Listen = w.Addr()
	if a.parts.api {
		row("console", "%s/", c.URL())
		row("questions", "%s/v1/reports/summary and others; see /openapi.json", c.URL())
	}
	if a.parts.ingest {
		row("events", "%s/v1/events/logins, /purchases, /identities; see /asyncapi.json", c.URL())
	}
	row("operations", "%s/readyz, /livez, /metrics", c.URL())
	if a.simulator != "" {
		row("simulator", "%s/_sim/ stands in for WeChat", a.simulator)
	}
	if a.target == TargetUp {
		row("NATS", "%s", redact(where.natsURL))
		row("ClickHouse", "native %s, HTTP %s, user %s", where.native, orDash(where.http), where.analystUser)
		row("data", "%s", a.cfg.Data)
		row("keys", "%s", filepath.Join(a.cfg.Data, CredentialsFile))
	}
	if k.fresh {
		b.WriteString("\nMade at this first start, kept in credentials.json, shown this once:\n")
		if k.IngestKey != "" {
			row("ingest key", "%s", k.IngestKey)
		}
		if k.AnalystToken != "" {
			row("token", "%s (sign in to the console with it; role admin)", k.AnalystToken)
		}
	}
	if a.parts.ingest && len(a.cfg.Accounts) == 0 {
		b.WriteString("\nNo account is configured, so no event is taken: each is rejected as unknown-account.\n" +
			"Name your accounts in a file and start with --config FILE, or try: unionlink up --demo\n")
	}
	b.WriteString("\n")
	_, _ = fmt.Fprint(a.deps.Out, b.String()) // a closed terminal stops nothing
}

func redact(raw string) string {
	return secret{isURL: true}.mask(raw)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
