package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/unionlink/unionlink/schemas"
	"github.com/unionlink/unionlink/schemas/stream"
)

// TestBadInput gives unionlink what no event is, by every way in.
func TestBadInput(t *testing.T) {
	u := up(t, t.TempDir(), twoShops)
	t.Run("garbage_straight_to_NATS_becomes_dead_letters", func(t *testing.T) { checkGarbage(t, u) })
	t.Run("an_import_names_the_lines_that_are_not_taken", func(t *testing.T) { checkRejects(t, u) })
	t.Run("no_key_and_no_token_mean_no", func(t *testing.T) {
		for _, request := range []struct{ method, path, token string }{
			{http.MethodPost, "/v1/events/logins", ""}, {http.MethodPost, "/v1/events/logins", u.AnalystToken},
			{http.MethodGet, "/v1/reports/summary", ""}, {http.MethodGet, "/v1/reports/summary", u.IngestKey},
		} {
			if status, _ := u.request(request.method, request.path, request.token, "application/json", strings.NewReader("{}")); status != http.StatusUnauthorized {
				t.Errorf("%s %s answers %d", request.method, request.path, status)
			}
		}
	})
	u.terminate()
}

func checkGarbage(t *testing.T, u *instance) {
	nc, err := nats.Connect(u.NATSURL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	purchase := stream.Subject(schemas.KindPurchase, "wxe2eshop00000001")
	garbage := map[string]string{
		"not JSON":            "\x00\xff garbage",
		"an empty payload":    "",
		"another account's":   secondOrder,
		"a fractional amount": strings.Replace(firstOrder, "700", "7.5", 1),
		"an unknown currency": strings.Replace(firstOrder, "CNY", "CNYX", 1),
		"an undefined openid": strings.Replace(firstOrder, "oA", "undefined", 1),
		"a year long past":    strings.Replace(firstOrder, "2026", "0026", 1),
		"an array":            "[" + firstOrder + "]",
		"nested without end":  strings.Repeat("[", 100_000),
	}
	for what, payload := range garbage {
		if _, err := js.Publish(t.Context(), purchase, []byte(payload)); err != nil {
			t.Fatalf("publish %s: %v", what, err)
		}
	}
	if _, err := js.Publish(t.Context(), stream.Subject(schemas.KindLogin, "wxnobody"), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	want := uint64(len(garbage) + 1)
	u.eventually("the dead letters", func() error {
		dead, err := js.Stream(context.Background(), stream.DeadLetters)
		if err != nil {
			return err
		}
		if n := dead.CachedInfo().State.Msgs; n != want {
			return fmt.Errorf("%d of %d", n, want)
		}
		return nil
	})
	u.publish("purchases", firstOrder+"\n"+secondOrder)
	u.awaitPersons(2, 2)
	var ready struct{ Ready bool }
	if u.get("/readyz", &ready); !ready.Ready {
		t.Error("it is not ready any more")
	}
	out, status := tool(t, "letters", "list", "--data", u.data(), "--log-level", "error")
	if n := strings.Count(out, purchase); status != 0 || n != len(garbage) {
		t.Errorf("letters list: status %d, %d letters of purchases, want %d\n%s", status, n, len(garbage), out)
	}
}

func checkRejects(t *testing.T, u *instance) {
	dir := t.TempDir()
	file, rejects := filepath.Join(dir, "orders.csv"), filepath.Join(dir, "rejects.ndjson")
	const csv = `occurred_at,appid,openid,order_id,amount,currency
2026-02-01T10:00:00Z,wxe2eshop00000001,oC,10,100,CNY
2026-02-01T10:00:00Z,wxe2eshop00000001,oC,11,1.5,CNY
2026-02-01T10:00:00Z,wxunknown,oC,12,100,CNY
2026-02-01T10:00:00Z,wxe2eshop00000001,oC,13,100
2026-02-01T10:00:00Z,wxe2eshop00000002,oD,14,100,CNY
`
	if err := os.WriteFile(file, []byte(csv), 0o600); err != nil {
		t.Fatal(err)
	}
	out, status := tool(t, "import", "--data", u.data(), "--purchases", file, "--rejects", rejects)
	if status != 2 {
		t.Errorf("status %d, want 2", status)
	}
	for _, line := range []string{file + ":3: invalid-amount", file + ":4: unknown-account", file + ":5: invalid-csv"} {
		if !strings.Contains(out, line) {
			t.Errorf("%q is not in\n%s", line, out)
		}
	}
	text, err := os.ReadFile(rejects)
	if err != nil || strings.Count(string(text), "\n") != 3 {
		t.Errorf("rejected lines %v:\n%s", err, text)
	}
	u.awaitPersons(4, 4)
}
