// Package deploy holds the house's lines by a test: who may import whom, how long a file
// may be, what stands at the top.
package deploy

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/unionlink/unionlink/"

// goFile is a Go file of the repository, by its path from the root.
type goFile struct {
	path    string
	test    bool
	imports []string
	lines   int
}

// room is the top-level folder.
func (f goFile) room() string { room, _, _ := strings.Cut(f.path, "/"); return room }

func (f goFile) dir() string { return path.Dir(f.path) }

// goFiles reads every Go file of the repository.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var all []goFile
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && (base == "node_modules" || base == "testdata" || strings.HasPrefix(base, ".") && base != "..") {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(base, ".go") {
			return nil
		}
		f, err := readGo(name)
		all = append(all, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("%d Go files found: the walk is broken", len(all))
	}
	return all
}

func readGo(name string) (goFile, error) {
	f := goFile{path: filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator))), test: strings.HasSuffix(name, "_test.go")}
	text, err := os.ReadFile(name)
	if err != nil {
		return f, err
	}
	f.lines = strings.Count(string(text), "\n")
	parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return f, err
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return f, err
		}
		f.imports = append(f.imports, imported)
	}
	return f, nil
}

// rooms says which rooms' packages each room may import.
var rooms = map[string][]string{
	"schemas": {"schemas"},
	"ingest":  {"schemas", "ingest"},
	"linker":  {"schemas", "linker"},
	"api":     {"schemas", "api"},
	"deploy":  {"schemas", "ingest", "linker", "api", "deploy"},
}

// forTests may be imported by tests of every room: the real servers, and WeChat's stand-in.
var forTests = []string{module + "deploy/embedded/embeddedtest", module + "deploy/embedded", module + "deploy/wechatsim"}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	for _, f := range goFiles(t) {
		may, known := rooms[f.room()]
		if !known {
			t.Errorf("%s: is in no room", f.path)
			continue
		}
		for _, imported := range f.imports {
			inside, ours := strings.CutPrefix(imported, module)
			if !ours || f.test && slices.Contains(forTests, imported) {
				continue
			}
			if room, _, _ := strings.Cut(inside, "/"); !slices.Contains(may, room) {
				t.Errorf("%s imports %s", f.path, imported)
			}
		}
	}
}

// hasPrefix tells whether a package is one of the modules or below it.
func hasPrefix(imported string, modules ...string) bool {
	return slices.ContainsFunc(modules, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") })
}

func TestServersAreKnownOnlyWhereTheyBelong(t *testing.T) {
	const natsServer = "github.com/nats-io/nats-server"
	clickhouse := []string{"github.com/ClickHouse", module + "schemas/warehouse"}
	nats := []string{"github.com/nats-io", module + "schemas/stream"}
	for _, f := range goFiles(t) {
		for _, imported := range f.imports {
			switch {
			case f.test:
			case f.room() == "ingest" && hasPrefix(imported, clickhouse...):
				t.Errorf("%s: ingest knows no ClickHouse, and imports %s", f.path, imported)
			case f.room() == "api" && hasPrefix(imported, nats...):
				t.Errorf("%s: api knows no NATS, and imports %s", f.path, imported)
			case hasPrefix(imported, natsServer) && f.dir() != "deploy/embedded":
				t.Errorf("%s: only deploy/embedded runs nats-server, and it imports %s", f.path, imported)
			}
		}
	}
}

func TestContractAndRuleArePure(t *testing.T) {
	impure := []string{"context", "log", "net", "os", "database", "github.com/nats-io", "github.com/ClickHouse"}
	clock := regexp.MustCompile(`\btime\.(Now|Since|Until|After|Sleep|Tick|NewTimer|NewTicker)\(`)
	for _, f := range goFiles(t) {
		if f.test || f.dir() != "schemas" && f.dir() != "schemas/identity" {
			continue
		}
		for _, imported := range f.imports {
			// net/url parses text, and talks to nobody.
			if hasPrefix(imported, impure...) && imported != "net/url" {
				t.Errorf("%s is to be pure, and imports %s", f.path, imported)
			}
		}
		text, err := os.ReadFile(filepath.Join("..", f.path))
		if err != nil {
			t.Fatal(err)
		}
		if found := clock.Find(text); found != nil {
			t.Errorf("%s is to be pure, and calls %s)", f.path, found)
		}
	}
}

func TestPackagesAndFilesKeepTheirMeasure(t *testing.T) {
	says := []string{"util", "utils", "common", "helper", "helpers", "misc", "models", "types", "base", "core", "shared"}
	for _, f := range goFiles(t) {
		if slices.Contains(says, path.Base(f.dir())) {
			t.Errorf("%s: the package's name says nothing", f.path)
		}
		if f.lines > 500 {
			t.Errorf("%s has %d lines; at most 500", f.path, f.lines)
		}
	}
}

func TestTopLevelIsAsAgreed(t *testing.T) {
	agreed := []string{"ingest", "linker", "api", "schemas", "deploy", "go.mod", "go.sum", "README.md"}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		// The data folder of a `unionlink up` started here is nobody's source.
		if !slices.Contains(agreed, name) && !strings.HasPrefix(name, ".") && name != "unionlink-data" {
			t.Errorf("the top level holds %s, which is not agreed", name)
		}
	}
}

// TestDashboardsShowMetricsThatExist looks for each metric of dashboards and alerts in the
// sources.
func TestDashboardsShowMetricsThatExist(t *testing.T) {
	name := regexp.MustCompile(`\bunionlink_[a-z0-9_]+`)
	sources := sourceTexts(t)
	for _, folder := range []string{"grafana", "prometheus"} {
		err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(file)
			for _, metric := range name.FindAllString(string(text), -1) {
				if !counted(metric, sources) {
					t.Errorf("%s shows %s, which nobody counts", file, metric)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if counted("unionlink_linker_nonsense_total", sources) || !counted("unionlink_linker_batch_seconds_bucket", sources) {
		t.Error("the look for metrics is broken")
	}
}

// counted tells whether a metric is registered: by its whole name, or, in one file, by the
// name after a subsystem or after the namespace.
func counted(metric string, sources []string) bool {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		metric = strings.TrimSuffix(metric, suffix)
	}
	rest := strings.TrimPrefix(metric, "unionlink_")
	subsystem, last, _ := strings.Cut(rest, "_")
	return slices.ContainsFunc(sources, func(text string) bool {
		has := func(literal string) bool { return strings.Contains(text, strconv.Quote(literal)) }
		return has(metric) || has(last) && has(subsystem) || has(rest)
	})
}

// sourceTexts are the texts of what is no test.
func sourceTexts(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", f.path))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

// TestLockFilesNameNoHost holds npm's lock files to integrity alone.
func TestLockFilesNameNoHost(t *testing.T) {
	found := 0
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "node_modules" {
			return fs.SkipDir
		}
		if entry.Name() != "package-lock.json" {
			return nil
		}
		found++
		return checkLock(name)
	})
	if err != nil {
		t.Error(err)
	}
	if found == 0 {
		t.Error("no lock file was found: the walk is broken")
	}
}

func checkLock(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var lock struct {
		Packages map[string]struct {
			Resolved  string
			Integrity string
			Link      bool
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for pkg, p := range lock.Packages {
		if p.Resolved != "" {
			return fmt.Errorf("%s: %s has a resolved address", name, pkg)
		}
		if pkg != "" && p.Integrity == "" && !p.Link {
			return fmt.Errorf("%s: %s has no integrity", name, pkg)
		}
	}
	return nil
}
