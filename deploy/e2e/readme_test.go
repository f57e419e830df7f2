package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme pastes the README's commands into a shell and wants what it says.
func TestReadme(t *testing.T) {
	blocks := readmeBlocks(t)
	if len(blocks) < 4 {
		t.Fatalf("the README has %d blocks of commands", len(blocks))
	}
	dir := t.TempDir()
	// The first block writes the configuration and starts unionlink, which is built here
	// already, and on any free ports.
	configure, start, found := strings.Cut(blocks[0], "./deploy/up.sh")
	if !found || strings.TrimSpace(start) != "--config unionlink.yaml" {
		t.Fatalf("the first block does not start unionlink:\n%s", blocks[0])
	}
	shell(t, dir, configure)
	u := up(t, dir, "", "--config", "unionlink.yaml")

	out := shell(t, dir, strings.Join(blocks[1:], "\n"))
	if n := strings.Count(out, `"duplicates":0,"rejected":[]`); n != 3 {
		t.Errorf("%d of 3 posts were taken:\n%s", n, out)
	}
	u.eventually("one person with 100.00 CNY", func() error {
		var answer struct{ Rows []personRow }
		u.get("/v1/reports/top-persons", &answer)
		if len(answer.Rows) != 1 || answer.Rows[0].Net != 10_000 || answer.Rows[0].Accounts != 2 {
			return fmt.Errorf("the answer is %+v", answer.Rows)
		}
		return nil
	})
	asked := shell(t, dir, blocks[1]+"\n"+questions(blocks))
	if n := strings.Count(asked, "p_"); n < 2 || strings.Contains(asked, "problem") {
		t.Errorf("the questions answer\n%s", asked)
	}
	u.terminate()
}

// readmeBlocks are the README's blocks of shell commands.
func readmeBlocks(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// questions are the lines that ask.
func questions(blocks []string) string {
	var lines []string
	for line := range strings.Lines(strings.Join(blocks, "")) {
		if strings.HasPrefix(line, "ask /") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func shell(t *testing.T, dir, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(errors.Join(err, fmt.Errorf("%s\n%s", script, out)))
	}
	return string(out)
}
