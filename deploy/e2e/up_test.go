package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/unionlink/unionlink/deploy/app"
)

const twoShops = `
accounts:
  - {appid: wxe2eshop00000001, name: Shop 1, kind: official_account, platform: e2e}
  - {appid: wxe2eshop00000002, name: Shop 2, kind: website, platform: e2e}
`

// publish posts events and wants all of them taken.
func (u *instance) publish(route, body string) {
	u.t.Helper()
	status, answer := u.request(http.MethodPost, "/v1/events/"+route, u.IngestKey, "application/x-ndjson", strings.NewReader(body))
	if status != http.StatusAccepted || !strings.Contains(string(answer), `"rejected":[]`) {
		u.t.Fatalf("POST %s: %d %s", route, status, answer)
	}
}

const (
	firstOrder  = `{"occurred_at":"2026-01-01T10:00:00Z","appid":"wxe2eshop00000001","openid":"oA","order_id":"1","kind":"purchase","amount":700,"currency":"CNY"}`
	secondOrder = `{"occurred_at":"2026-01-02T10:00:00Z","appid":"wxe2eshop00000002","openid":"oB","order_id":"2","kind":"purchase","amount":300,"currency":"CNY"}`
	bothLogins  = `{"occurred_at":"2026-01-03T10:00:00Z","appid":"wxe2eshop00000001","openid":"oA","unionid":"uAB"}
{"occurred_at":"2026-01-03T10:00:00Z","appid":"wxe2eshop00000002","openid":"oB","unionid":"uAB"}`
)

// awaitPersons waits until so many persons bought, with so many orders: one of two
// orders that nothing links yet is one person's too.
func (u *instance) awaitPersons(n, orders int64) {
	u.t.Helper()
	u.eventually(fmt.Sprintf("%d persons bought with %d orders", n, orders), func() error {
		var answer struct{ Rows []summaryRow }
		u.get("/v1/reports/summary", &answer)
		if len(answer.Rows) != 1 || answer.Rows[0].Buyers != n || answer.Rows[0].Orders != orders {
			return fmt.Errorf("the answer is %+v", answer.Rows)
		}
		return nil
	})
}

func TestUp(t *testing.T) {
	u := up(t, t.TempDir(), twoShops)
	t.Run("credentials_are_the_owner's_alone", func(t *testing.T) {
		info, err := os.Stat(filepath.Join(u.data(), app.CredentialsFile))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
		}
	})
	t.Run("credentials_have_the_addresses_in_use", func(t *testing.T) { checkAddresses(t, u) })
	t.Run("secrets_are_printed_at_the_first_start", func(t *testing.T) {
		if out := u.out.String(); !strings.Contains(out, u.IngestKey) || !strings.Contains(out, u.AnalystToken) {
			t.Errorf("they are not in\n%s", out)
		}
	})
	t.Run("a_busy_port_is_told_with_the_way_out", func(t *testing.T) {
		other := launch(t, t.TempDir(), twoShops, append(append([]string{}, freePorts...), "--listen", u.Listen)...)
		other.wantFailure(u.Listen, "in use", "--listen")
		_, port, _ := net.SplitHostPort(u.ClickHouse.Native)
		other = launch(t, t.TempDir(), twoShops, append(append([]string{}, freePorts...), "--clickhouse-native-port", port)...)
		other.wantFailure(port, "in use", "clickhouse.native_port")
	})
	t.Run("a_second_one_on_the_same_data_is_refused", func(t *testing.T) {
		launch(t, u.dir, "", freePorts...).wantFailure("in use by the process with pid " + strconv.Itoa(u.cmd.Process.Pid))
		var ready struct{ Ready bool }
		u.get("/readyz", &ready)
		if !ready.Ready {
			t.Error("the first one is not ready any more")
		}
	})
	u.publish("purchases", firstOrder+"\n"+secondOrder)
	u.publish("logins", bothLogins)
	u.awaitPersons(1, 2)
	t.Logf("resident memory of all processes at rest: %d MB", residentBytes(t, u.cmd.Process.Pid)/1e6)
	t.Run("after_SIGTERM_and_a_new_start_answers_are_the_same", func(t *testing.T) {
		answers, began := u.answers(), time.Now()
		u.terminate()
		t.Logf("stopped in %s", time.Since(began).Round(time.Millisecond))
		began = time.Now()
		next := u.again()
		t.Logf("ready again in %s", time.Since(began).Round(time.Millisecond))
		if diff := cmp.Diff(answers, next.answers()); diff != "" {
			t.Error(diff)
		}
		if next.IngestKey != u.IngestKey || next.AnalystToken != u.AnalystToken {
			t.Error("key or token changed")
		}
		if strings.Contains(next.out.String(), u.IngestKey) {
			t.Error("the key is printed again")
		}
		checkAddresses(t, next)
		next.terminate()
	})
}

func TestUpWithoutAccounts(t *testing.T) {
	u := up(t, t.TempDir(), "")
	if !strings.Contains(u.out.String(), "No account is configured") {
		t.Errorf("it does not say that no account is configured:\n%s", u.out)
	}
	u.terminate()
}

// wantFailure waits for its end and wants texts in what it said.
func (u *instance) wantFailure(texts ...string) {
	u.t.Helper()
	select {
	case <-u.exited:
	case <-time.After(patience):
		u.t.Fatalf("it did not end\n%s%s", u.out, u.log)
	}
	if u.err == nil {
		u.t.Errorf("it ended with success\n%s", u.log)
	}
	for _, text := range texts {
		if !strings.Contains(u.log.String(), text) {
			u.t.Errorf("%q is not in\n%s", text, u.log)
		}
	}
}

func checkAddresses(t *testing.T, u *instance) {
	t.Helper()
	if status, _ := u.request(http.MethodGet, "/livez", "", "", nil); status != http.StatusOK {
		t.Errorf("listen: /livez answers %d", status)
	}
	nc, err := nats.Connect(u.NATSURL)
	if err != nil {
		t.Fatalf("nats_url: %v", err)
	}
	nc.Close()
	if err := u.analyst().Ping(context.Background()); err != nil {
		t.Errorf("clickhouse native: %v", err)
	}
	resp, err := http.Get("http://" + u.ClickHouse.HTTP + "/ping")
	if err != nil {
		t.Fatalf("clickhouse http: %v", err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("clickhouse http answers %s, %v", resp.Status, err)
	}
}

// residentBytes adds up the memory of a process and its children.
func residentBytes(t *testing.T, pid int) int64 {
	t.Helper()
	total := int64(0)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		id, rest, _ := strings.Cut(string(text), " ")
		_, rest, _ = strings.Cut(rest, ") ") // the name may hold anything
		fields := strings.Fields(rest)
		if len(fields) < 22 || id != strconv.Itoa(pid) && fields[1] != strconv.Itoa(pid) {
			continue
		}
		pages, err := strconv.ParseInt(fields[21], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += pages * int64(os.Getpagesize())
	}
	return total
}
