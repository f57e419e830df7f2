package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/unionlink/unionlink/deploy/embedded"
)

// parentEnv makes this test binary a small unionlink that holds a ClickHouse in the folder named by it.
const parentEnv = "EMBEDDED_TEST_PARENT"

// runParentIfAsked starts a ClickHouse, prints the child's pid and lives until it is killed or standard input ends.
func runParentIfAsked() {
	dir := os.Getenv(parentEnv)
	if dir == "" {
		return
	}
	server, err := embedded.NewClickHouse(embedded.ClickHouseConfig{Dir: dir}, slog.New(slog.DiscardHandler))
	if err == nil {
		err = server.Start(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(server.Pid())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		fmt.Println(err)
	}
	os.Exit(0)
}

func TestClickHouse_child_does_not_outlive_a_killed_parent(t *testing.T) {
	dir := t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentEnv+"="+dir)
	stdin, err := parent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent says %q", line)
	}
	if err := syscall.Kill(child, 0); err != nil {
		t.Fatalf("the child %d does not live: %v", child, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Fatal("the parent ended well; it was to be killed")
	}

	// A new start waits for the child to be gone, whether or not it is by now.
	start(t, embedded.ClickHouseConfig{Dir: dir})
	eventually(t, "the child of the killed parent is gone", func() error {
		if syscall.Kill(child, 0) == nil && !zombie(child) {
			return fmt.Errorf("pid %d lives", child)
		}
		return nil
	})
}

// zombie reports whether a process has ended and only waits to be noticed, as an orphan does where no init collects it.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}
