package demo

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"github.com/unionlink/unionlink/schemas"
)

var day = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)

// events makes the data set of a seed.
func events(t *testing.T, seed uint64) (logins []*schemas.Login, purchases []*schemas.Purchase) {
	t.Helper()
	err := Generate(Config{Seed: seed, Until: day},
		func(e schemas.Event) error { logins = append(logins, e.(*schemas.Login)); return e.Validate() },
		func(e schemas.Event) error { purchases = append(purchases, e.(*schemas.Purchase)); return e.Validate() })
	if err != nil {
		t.Fatal(err)
	}
	return logins, purchases
}

func TestDataSetHasWhatRealOnesHave(t *testing.T) {
	logins, purchases := events(t, 1)
	ids := map[string]bool{}
	var silent, snapshot, members, late, refunds, corrected int
	seenBuying := map[uint64]time.Time{}
	for _, p := range purchases {
		if p.OccurredAt.After(seenBuying[p.Identity()]) {
			seenBuying[p.Identity()] = p.OccurredAt
		}
		if p.PurchaseKind == schemas.PurchaseKindRefund {
			refunds++
		}
		if p.Revision > 0 {
			corrected++
		}
		ids[p.EventID] = true
	}
	for _, l := range logins {
		ids[l.EventID] = true
		switch {
		case l.SnapshotUser:
			snapshot++
		case l.UnionID == "":
			silent++
		case l.OccurredAt.After(seenBuying[l.Identity()]):
			late++
		}
		if len(l.Keys) > 0 {
			members++
		}
		if err := schemas.CheckTime(l, day); err != nil {
			t.Error(err)
		}
	}
	for what, n := range map[string]int{
		"silent logins": silent, "virtual users": snapshot, "members": members, "late logins": late, "refunds": refunds, "corrected orders": corrected,
	} {
		if n == 0 {
			t.Errorf("there are no %s", what)
		}
	}
	if want := len(logins) + len(purchases); len(ids) != want {
		t.Errorf("%d event ids of %d events", len(ids), want)
	}
}

// TestDataSetHasSomeTwoThousandPersons counts unionids, and identities that have none.
func TestDataSetHasSomeTwoThousandPersons(t *testing.T) {
	logins, _ := events(t, 1)
	keys, unlinked := map[string]bool{}, map[uint64]bool{}
	linked := map[uint64]bool{}
	for _, l := range logins {
		if l.UnionID != "" {
			keys[l.UnionID] = true
			linked[l.Identity()] = true
		}
	}
	for _, l := range logins {
		if !linked[l.Identity()] && !l.SnapshotUser {
			unlinked[l.Identity()] = true
		}
	}
	if n := len(keys) + len(unlinked); n < 1900 || n > 2500 {
		t.Errorf("%d unionids and %d identities without one", len(keys), len(unlinked))
	}
}

func TestSameSeedAndDayGiveTheSameFiles(t *testing.T) {
	sums := map[[sha256.Size]byte]int{}
	for _, seed := range []uint64{1, 1, 2} {
		dir := t.TempDir()
		logins, purchases, err := WriteFiles(dir, Config{Seed: seed, Until: day, Persons: 100})
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for name, n := range map[string]int{LoginsFile: logins, PurchasesFile: purchases} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(string(text), "\n"); got != n || n == 0 {
				t.Errorf("%s has %d lines, want %d", name, got, n)
			}
			if name == PurchasesFile {
				all = text
			}
		}
		sums[sha256.Sum256(all)]++
	}
	if len(sums) != 2 {
		t.Errorf("%d different files of two seeds", len(sums))
	}
}

func TestDataSetIsKept(t *testing.T) {
	dir := t.TempDir()
	if err := ensureFiles(dir, Config{Until: day, Persons: 10}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, LoginsFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := ensureFiles(dir, Config{Until: day.AddDate(0, 0, 1), Persons: 10}); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(filepath.Join(dir, LoginsFile))
	if err != nil || string(before) != string(after) {
		t.Errorf("the next day's start made another data set: %v", err)
	}
}

func TestTableIsAlignedByWidth(t *testing.T) {
	tab := newTable("title", "account", "net")
	tab.row("茶铺", money(123456789, "CNY"))
	tab.row("Tea to go", money(-5, "JPY"))
	tab.row("x", money(-5, "CNY"))
	lines := strings.Split(strings.TrimSpace(tab.String()), "\n")[1:]
	for _, l := range lines {
		if uniseg.StringWidth(l) != uniseg.StringWidth(lines[0]) {
			t.Errorf("not aligned:\n%s", tab)
		}
	}
	for _, want := range []string{"1,234,567.89 CNY", "-5 JPY", "-0.05 CNY"} {
		if !strings.Contains(tab.String(), want) {
			t.Errorf("%s is not in\n%s", want, tab)
		}
	}
}
