package embedded_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/unionlink/unionlink/deploy/embedded"
)

// TestNATS_goes_on_when_its_full_disk_has_room_again holds what nats-server alone does not do: after an error of the
// disk it refuses every message for ever. It holds the words too by which that is known, which another version may change.
func TestNATS_goes_on_when_its_full_disk_has_room_again(t *testing.T) {
	disk := smallDisk(t)
	restarts := make(chan error, 100)
	server := startNATS(t, embedded.NATSConfig{
		Dir: filepath.Join(disk, "nats"), MaxStore: 1 << 30, OnRestart: func(reason error) { restarts <- reason },
	})
	address := server.ClientURL()
	js := connect(t, address, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "EVENTS", Subjects: []string{"events"}}); err != nil {
		t.Fatal(err)
	}

	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 44<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	acked := publishUntilRefused(t, js)
	if len(restarts) != 0 {
		t.Error("the server was restarted while its disk was full")
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	select {
	case reason := <-restarts:
		if !strings.Contains(reason.Error(), "no space left") {
			t.Errorf("restarted because %q; want the full disk", reason)
		}
	case <-time.After(patience):
		t.Fatalf("the server was not restarted %s after its disk had room", patience)
	}
	eventually(t, "messages are taken again", func() error { return publish(t, js) })
	if now := server.ClientURL(); now != address {
		t.Errorf("the server moved from %s to %s", address, now)
	}
	stream, err := js.Stream(t.Context(), "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got <= acked {
		t.Errorf("%d messages after the restart; %d were acknowledged before it and one after", got, acked)
	}

	publishUntilRefused(t, js)
	if err := server.Close(); err != nil {
		t.Errorf("close while the disk is full: %v", err)
	}
}

// smallDisk mounts a file system of 64 MiB, which needs root.
func smallDisk(t *testing.T) string {
	t.Helper()
	at := t.TempDir()
	if err := syscall.Mount("tmpfs", at, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatalf("mount a small tmpfs (this test must run as root, in a container with the right to mount): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(at, 0); err != nil {
			t.Errorf("unmount the small tmpfs: %v", err)
		}
	})
	return at
}

// publishUntilRefused returns how many messages were acknowledged. The server does not answer the one that it cannot store.
func publishUntilRefused(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	for acked := uint64(0); acked < 1000; acked++ {
		if publish(t, js) != nil {
			return acked
		}
	}
	t.Fatal("the disk does not fill up")
	return 0
}

func publish(t *testing.T, js jetstream.JetStream) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := js.Publish(ctx, "events", make([]byte, 256<<10), jetstream.WithRetryAttempts(0))
	return err
}
