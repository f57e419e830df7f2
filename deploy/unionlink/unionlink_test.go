package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// command runs unionlink in this process.
func command(t *testing.T, env map[string]string, args ...string) (stdout string, err error) {
	t.Helper()
	var out, log bytes.Buffer
	root := newRoot(&terminal{in: strings.NewReader(""), out: &out, err: &log, lookup: func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}})
	root.SetArgs(args)
	err = root.ExecuteContext(context.Background())
	return out.String(), err
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "unionlink.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEveryCommandExplainsItself(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" || c.HasParent() && c.Parent().Name() == "completion" {
			return
		}
		if c.Short == "" {
			t.Errorf("%s says nothing", c.CommandPath())
		}
		if out, err := command(t, nil, append(strings.Fields(c.CommandPath())[1:], "--help")...); err != nil || !strings.Contains(out, "Usage:") {
			t.Errorf("%s --help: %v\n%s", c.CommandPath(), err, out)
		}
	}
	visit(newRoot(&terminal{}))
}

func TestCheckConfig(t *testing.T) {
	good := configFile(t, "accounts: [{appid: wxa, kind: website, secret: \"env:SECRET\"}]\n")
	out, err := command(t, map[string]string{"SECRET": "s"}, "up", "--config", good, "--check-config")
	if err != nil || !strings.Contains(out, "good") {
		t.Errorf("%q, %v", out, err)
	}
	if _, err = command(t, nil, "up", "--config", good, "--check-config"); err == nil || !strings.Contains(err.Error(), "SECRET is not set") {
		t.Errorf("without the secret: %v", err)
	}
	_, err = command(t, nil, "up", "--config", configFile(t, "listen: 127.0.0.1:0\nlistne: 1\n"), "--check-config")
	if err == nil || !strings.Contains(err.Error(), "[2:1]") {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestPrintConfigTellsWhatIsInForce(t *testing.T) {
	file := configFile(t, "listen: 127.0.0.1:1\ndata: from-file\nnats: {url: \"nats://u:CANARY@h:4222\"}\n")
	env := map[string]string{"UNIONLINK_CONFIG": file, "UNIONLINK_DATA": "from-env", "UNIONLINK_LISTEN": "127.0.0.1:2"}
	out, err := command(t, env, "up", "--listen", "127.0.0.1:3", "--print-config")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"listen: 127.0.0.1:3", "data: from-env", "nats://u:***@h:4222"} {
		if !strings.Contains(out, line) {
			t.Errorf("%s is not in\n%s", line, out)
		}
	}
	if strings.Contains(out, "CANARY") {
		t.Error("a secret is printed")
	}
}

func TestCommandsSayWhatIsMissing(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"ingest"}, "nats.url"},
		{[]string{"linker"}, "clickhouse.dsn"},
		{[]string{"api"}, "analysts.secret"},
		{[]string{"migrate"}, "nats.url"},
		{[]string{"import"}, "--logins"},
		{[]string{"import", "--logins", "x", "--data", "nowhere"}, "--data"},
		{[]string{"letters", "drop"}, "--yes"},
		{[]string{"letters", "list", "--data", "nowhere"}, "--data"},
		{[]string{"letters", "list", "--since", "yesterday"}, "--since"},
		{[]string{"wechat", "enrich"}, "appid"},
		{[]string{"demo-data", "--until", "today"}, "--until"},
		{[]string{"demo-data", "--persons", "0"}, "--persons"},
		{[]string{"nonsense"}, "nonsense"},
	} {
		if _, err := command(t, nil, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %q is not in %v", test.args, test.want, err)
		}
	}
}

func TestDemoDataIsWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	out, err := command(t, nil, "demo-data", "--out", dir, "--persons", "20", "--until", "2026-11-22")
	if err != nil || !strings.Contains(out, "logins") {
		t.Fatalf("%q, %v", out, err)
	}
	for _, name := range []string{"logins.ndjson", "purchases.ndjson"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestExitStatus(t *testing.T) {
	if code := run([]string{"version"}); code != 0 {
		t.Errorf("version ends with %d", code)
	}
	if code := run([]string{"nonsense"}); code != 1 {
		t.Errorf("nonsense ends with %d", code)
	}
	var exit *exitError
	if err := error(&exitError{status: 2}); !errors.As(err, &exit) || exit.status != 2 {
		t.Errorf("%v", exit)
	}
}
