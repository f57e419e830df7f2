package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestStory replays the worked story of linker/DESIGN.md as a reader would, and
// compares what it prints with what the page says that it prints.
func TestStory(t *testing.T) {
	page, err := os.ReadFile("../../linker/DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, story, found := strings.Cut(string(page), "## A worked story")
	if !found {
		t.Fatal("linker/DESIGN.md has no worked story")
	}
	config := blocks(story, "yaml")
	u := up(t, t.TempDir(), config)
	if err := os.Symlink(u.data(), filepath.Join(u.dir, "story")); err != nil {
		t.Fatal(err)
	}
	script := blocks(story, "sh")
	cmd := exec.CommandContext(t.Context(), "bash")
	cmd.Dir, cmd.Stdin, cmd.Stderr, cmd.WaitDelay = u.dir, strings.NewReader(script), os.Stderr, time.Minute
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^# → (.*)$`).FindAllStringSubmatch(script, -1) {
		want = append(want, m[1])
	}
	if len(want) < 8 {
		t.Fatalf("the story tells of %d answers only", len(want))
	}
	if d := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); d != "" {
		t.Fatal(d)
	}
}

// blocks joins the fenced blocks of a language.
func blocks(page, language string) string {
	var out strings.Builder
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		out.WriteString(m[1])
	}
	return out.String()
}
