package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/unionlink/unionlink/schemas"
)

// killCustomers bounds the data: some 15,000 purchases, which the import takes a while for.
const killCustomers = 5000

// TestKill kills every process of unionlink in the middle of an import, twice. The import
// waits for it and goes on; afterwards, and after the same import once more, every answer
// is exact.
func TestKill(t *testing.T) {
	t.Parallel() // much of the other long test is waiting
	d := readCDNOW(t, killCustomers)
	before, after := d.logins()
	dir := t.TempDir()
	logins := writeEvents(t, dir, "logins.ndjson", append(append([]schemas.Event{}, before...), after...))
	purchases := writeEvents(t, dir, "purchases.ndjson", d.events())
	u := up(t, t.TempDir(), cdnowConfig)

	// One request at a time, so that the import is still under way at each kill.
	var log bytes.Buffer
	cmd := exec.Command(binary, "import", "--wait", "--flights", "1", "--data", u.data(), "--purchases", purchases, "--logins", logins)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var importErr error
	ended := make(chan struct{}) // closed once importErr is set
	go func() {                  // ends with the import
		importErr = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for round := range 2 {
		u.eventually("some events were taken", func() error {
			select {
			case <-ended:
				t.Logf("the import ended before kill %d", round+1)
				return nil
			default:
			}
			if n := u.counter("unionlink_ingest_events_total"); n < 1000 {
				return fmt.Errorf("%d were", n)
			}
			return nil
		})
		u.kill()
		u = u.again()
	}
	<-ended
	if importErr != nil {
		t.Fatalf("import: %v\n%s", importErr, log.String())
	}
	check := func() {
		t.Helper()
		want := summaryRow{
			Currency: "USD", Orders: int64(len(d.purchases)), Net: d.cents(), AccountBuyers: d.identities(), Buyers: int64(len(d.customers)),
		}
		if diff := cmp.Diff(want, u.summary()); diff != "" {
			t.Error(diff)
		}
	}
	check()
	u.importAll("--logins", logins, "--purchases", purchases)
	check()
	if out, status := tool(t, "verify", "--data", u.data()); status != 0 {
		t.Errorf("verify: status %d\n%s", status, out)
	}
	u.terminate()
}

// counter adds up a counter over its labels, as /metrics tells it now.
func (u *instance) counter(name string) int64 {
	u.t.Helper()
	status, text := u.request(http.MethodGet, "/metrics", "", "", nil)
	if status != http.StatusOK {
		u.t.Fatalf("GET /metrics: %d", status)
	}
	sum := int64(0)
	for _, m := range regexp.MustCompile(`(?m)^`+name+`\{[^}]*\} (\S+)$`).FindAllSubmatch(text, -1) {
		v, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			u.t.Fatal(err)
		}
		sum += int64(v)
	}
	return sum
}
