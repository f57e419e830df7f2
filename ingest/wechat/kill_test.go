package wechat_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unionlink/unionlink/ingest"
	"github.com/unionlink/unionlink/ingest/wechat"
	"github.com/unionlink/unionlink/ingest/wechat/backfill"
	"github.com/unionlink/unionlink/ingest/wechat/client"
)

// The addresses of NATS and WeChat make this binary the process that a test kills.
const (
	victimNATS   = "UNIONLINK_TEST_VICTIM_NATS"
	victimWeChat = "UNIONLINK_TEST_VICTIM_WECHAT"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(victimNATS); address != "" {
		fmt.Println(enrichAsVictim(address, os.Getenv(victimWeChat)))
		os.Exit(1) // the test expects a kill, not an end
	}
	os.Exit(m.Run())
}

// enrichAsVictim enriches the shop and prints a line after each hundred.
func enrichAsVictim(natsAddress, wechatAddress string) error {
	nc, err := nats.Connect(natsAddress)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	committer, err := ingest.NewCommitter(ingest.CommitConfig{}, nc, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	w, err := wechat.New(wechat.Config{
		Accounts: accounts(), Client: client.Config{APIURL: wechatAddress, OpenURL: wechatAddress}, // Slow, so that it is far from its end when the kill arrives on a loaded machine.
		Backfill: backfill.Config{RequestsPerSecond: 20},
	}, wechat.Deps{JetStream: js, Publisher: committer})
	if err != nil {
		return err
	}
	_, err = w.Enrich(context.Background(), shop, func(p backfill.Progress) { fmt.Println(p.Asked) })
	return err
}

// TestEnrich_killed kills a process with signal 9 in the middle, and goes on in this
// one: everybody is linked, and of those asked for twice there is one hundred at most.
func TestEnrich_killed(t *testing.T) {
	w := newWorld(t, nil)
	const n = 10_000
	w.followers(n, shop)
	target, err := url.Parse(w.sim.URL)
	w.check(err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	between := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/batchget") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // the victim died while it asked
			}
			w.calls.mu.Lock()
			w.calls.bodies = append(w.calls.bodies, body)
			w.calls.mu.Unlock()
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		proxy.ServeHTTP(rw, r)
	}))
	t.Cleanup(between.Close)

	for range 3 {
		self, err := os.Executable()
		w.check(err)
		victim := exec.CommandContext(t.Context(), self)
		victim.Env = append(os.Environ(), victimNATS+"="+w.address, victimWeChat+"="+between.URL)
		out, err := victim.StdoutPipe()
		w.check(err)
		w.check(victim.Start())
		lines := bufio.NewScanner(out)
		for range 5 {
			if !lines.Scan() {
				t.Fatal("the process ended by itself")
			}
		}
		w.check(victim.Process.Kill())
		_ = victim.Wait() // it tells of the kill
	}
	got, err := w.wechat.Enrich(t.Context(), shop, nil)
	w.check(err)
	if got.Linked != n {
		t.Fatalf("%+v", got)
	}
	asked := w.asked()
	twice := 0
	for _, times := range asked {
		twice += times - 1
	}
	if len(asked) != n || twice > 3*client.MaxBatch {
		t.Fatalf("%d followers were asked for, %d of them again after 3 kills", len(asked), twice)
	}
}
