// Package compose holds, by tests, what compose.yaml and the Kubernetes manifests say to the
// binary that they run and to the servers that they set up.
package compose

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/unionlink/unionlink/deploy/app"
)

// binary is the built program. A variable of the package, since TestMain has nowhere else to keep it.
var binary string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "unionlink-compose-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "unionlink")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "../unionlink")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build unionlink:", err)
		return 1
	}
	return m.Run()
}

// configPath is where the configuration lies in a container.
const configPath = "/etc/unionlink/unionlink.yaml"

// accepts runs a container's command with its environment alone, asking for a check of the
// configuration, and then makes the part, which tells what it needs beyond.
func accepts(t *testing.T, command []string, env map[string]string, config string) {
	t.Helper()
	args := slices.Clone(command)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], configPath, config)
	}
	if slices.Equal(args, command) {
		t.Errorf("%s reads no configuration", command)
	}
	cmd := exec.CommandContext(t.Context(), binary, append(args, "--check-config")...)
	cmd.Env = []string{}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "the configuration is good") {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	cfg, err := app.Load(config, lookup)
	if err = errors.Join(err, cfg.Resolve(lookup)); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	if command[0] == "migrate" {
		if cfg.NATS.URL == "" || cfg.ClickHouse.DSN == "" {
			t.Errorf("%s knows not both servers", command)
		}
		return
	}
	if _, err := app.New(cfg, app.Target(command[0]), app.Deps{Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Errorf("%s: %v", command, err)
	}
}

// service is what matters here of a service of compose.yaml.
type service struct {
	Image       string
	Command     []string
	Environment map[string]string
	Volumes     []string
}

func services(t *testing.T) map[string]service {
	t.Helper()
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Services map[string]service }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Services
}

var variable = regexp.MustCompile(`\$\{([A-Z0-9_]+):\?\}`)

// stand-ins for the values of .env.
func standIn(name string) string { return "p" + strings.Repeat(strings.ToLower(name[:1]), 40) }

func TestCompose(t *testing.T) {
	example, err := os.ReadFile("env.example")
	if err != nil {
		t.Fatal(err)
	}
	parts := 0
	for name, s := range services(t) {
		for key, value := range s.Environment {
			for _, v := range variable.FindAllStringSubmatch(value, -1) {
				if !strings.Contains(string(example), "\n"+v[1]+"=\n") {
					t.Errorf("%s: env.example has no %s", name, v[1])
				}
			}
			s.Environment[key] = variable.ReplaceAllStringFunc(value, func(v string) string { return standIn(variable.FindStringSubmatch(v)[1]) })
		}
		for _, volume := range s.Volumes {
			if from, _, _ := strings.Cut(volume, ":"); strings.HasPrefix(from, "./") {
				if _, err := os.Stat(from); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		if s.Image == "unionlink" {
			parts++
			t.Run(name, func(t *testing.T) { accepts(t, s.Command, s.Environment, "unionlink.yaml") })
		}
	}
	if parts != 4 {
		t.Errorf("%d parts found, want migrate, ingest, linker and api", parts)
	}
}

func TestClickHouseFilesAreWellFormed(t *testing.T) {
	for _, name := range []string{"clickhouse/config.xml", "clickhouse/users.xml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		decoder := xml.NewDecoder(bytes.NewReader(text))
		for err == nil {
			_, err = decoder.Token()
		}
		if err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}
