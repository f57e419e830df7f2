package e2e

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// sharedEnv names the folder that holds data/CDNOW_master.txt where it is not ../shared.
const sharedEnv = "UNIONLINK_SHARED"

// The totals of the whole file, as its README has them; identities follow from the rules there.
const (
	cdnowCustomers  = 23_570
	cdnowOrders     = 69_659
	cdnowItems      = 167_881
	cdnowCents      = 250_031_563
	cdnowIdentities = 42_815
	cdnowPlatform   = "cdnow"
)

// customer is what the file says of one, added up.
type customer struct {
	id, orders, items, cents int64
	accounts                 map[string]bool
	first, last              time.Time
}

// cdnow is the file, or the part of it with the customers up to a number.
type cdnow struct {
	customers map[int64]*customer
	purchases []*schemas.Purchase
}

// cdnowPath finds the file beside the module's root, or where the environment says.
func cdnowPath(t testing.TB) string {
	t.Helper()
	shared := os.Getenv(sharedEnv)
	if shared == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for !exists(filepath.Join(dir, "go.mod")) {
			if dir == filepath.Dir(dir) {
				t.Fatal("no go.mod above the test's folder")
			}
			dir = filepath.Dir(dir)
		}
		shared = filepath.Join(filepath.Dir(dir), "shared")
	}
	path := filepath.Join(shared, "data", "CDNOW_master.txt")
	if !exists(path) {
		t.Fatalf("the real data are not at %s: put the folder shared beside the repository, or set %s to it", path, sharedEnv)
	}
	return path
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// readCDNOW maps the file to events by the rules of its README.
func readCDNOW(t testing.TB, maxCustomer int64) *cdnow {
	t.Helper()
	file, err := os.Open(cdnowPath(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	d := &cdnow{customers: map[int64]*customer{}}
	in := bufio.NewScanner(file)
	in.Scan() // the header
	for n := int64(1); in.Scan(); n++ {
		fields := strings.Fields(in.Text())
		if len(fields) == 0 {
			n--
			continue
		}
		if len(fields) != 4 {
			t.Fatalf("data line %d: %q", n, in.Text())
		}
		c := number(t, fields[0])
		if c > maxCustomer {
			continue
		}
		day, err := time.Parse("20060102", fields[1])
		if err != nil {
			t.Fatal(err)
		}
		d.add(n, c, day.Add(12*time.Hour), number(t, fields[2]), cents(t, fields[3]))
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return d
}

func number(t testing.TB, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cents reads an amount like 29.33 without floating point.
func cents(t testing.TB, s string) int64 {
	t.Helper()
	whole, fraction, _ := strings.Cut(s, ".")
	return 100*number(t, whole) + number(t, (fraction + "00")[:2])
}

func (d *cdnow) add(n, c int64, at time.Time, quantity, amount int64) {
	appid := fmt.Sprintf("wxcdnow000000000%d", (c+n)%3+1)
	who := d.customers[c]
	if who == nil {
		who = &customer{id: c, accounts: map[string]bool{}, first: at}
		d.customers[c] = who
	}
	who.orders, who.items, who.cents = who.orders+1, who.items+quantity, who.cents+amount
	who.accounts[appid] = true
	who.last = at
	d.purchases = append(d.purchases, &schemas.Purchase{
		Envelope: schemas.Envelope{OccurredAt: at, AppID: appid, OpenID: cdnowOpenID(appid, c)},
		OrderID:  fmt.Sprintf("cd-%d", n), PurchaseKind: schemas.PurchaseKindPurchase, Amount: amount, Currency: "USD",
		Items: []schemas.Item{{SKU: "cd", Quantity: quantity, Amount: amount}},
	})
}

func cdnowOpenID(appid string, c int64) string {
	return pad(fmt.Sprintf("o%s_cd%05d", appid[len(appid)-1:], c))
}

func cdnowUnionID(c int64) string { return pad(fmt.Sprintf("u_cd%05d", c)) }

func pad(s string) string { return s + strings.Repeat("x", 28-len(s)) }

// person is the id that a customer has once linked: that of their only key.
func (c *customer) person() string {
	return schemas.PersonID(schemas.KeyHash(cdnowPlatform, cdnowUnionID(c.id)))
}

// logins are those before the purchases and those after all of them.
func (d *cdnow) logins() (before, after []schemas.Event) {
	for c := int64(1); c <= cdnowCustomers; c++ {
		who := d.customers[c]
		if who == nil {
			continue
		}
		for _, appid := range []string{"wxcdnow0000000001", "wxcdnow0000000002", "wxcdnow0000000003"} {
			if !who.accounts[appid] {
				continue
			}
			head := schemas.Envelope{OccurredAt: who.first.Add(-time.Hour), AppID: appid, OpenID: cdnowOpenID(appid, c)}
			late := head
			late.OccurredAt = who.last.Add(24 * time.Hour)
			open := func(e schemas.Envelope) schemas.Event { return &schemas.Login{Envelope: e, UnionID: cdnowUnionID(c)} }
			switch c % 3 {
			case 0:
				before = append(before, open(head))
			case 1:
				after = append(after, open(late))
			case 2:
				before = append(before, &schemas.Login{Envelope: head})
				after = append(after, open(late))
			}
		}
	}
	return before, after
}

// identities counts the (appid, openid) that bought.
func (d *cdnow) identities() int64 {
	n := 0
	for _, c := range d.customers {
		n += len(c.accounts)
	}
	return int64(n)
}

// personsBeforeLateLinks counts what can be known before the late logins: customers who
// logged in early are one person each, of the others every identity is one.
func (d *cdnow) personsBeforeLateLinks() int64 {
	n := 0
	for _, c := range d.customers {
		if c.id%3 == 0 {
			n++
		} else {
			n += len(c.accounts)
		}
	}
	return int64(n)
}

func (d *cdnow) cents() (sum int64) {
	for _, c := range d.customers {
		sum += c.cents
	}
	return sum
}

// events are the purchases as such.
func (d *cdnow) events() []schemas.Event {
	all := make([]schemas.Event, len(d.purchases))
	for i, p := range d.purchases {
		all[i] = p
	}
	return all
}

// writeEvents writes NDJSON and returns the file's path.
func writeEvents(t testing.TB, dir, name string, events []schemas.Event) string {
	t.Helper()
	path := filepath.Join(dir, name)
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(file)
	for _, e := range events {
		text, err := schemas.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = out.Write(append(text, '\n')) // Flush tells
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func shuffled(events []schemas.Event, seed uint64) []schemas.Event {
	all := append([]schemas.Event(nil), events...)
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// cdnowConfig names the three accounts.
const cdnowConfig = `
accounts:
  - {appid: wxcdnow0000000001, name: Shop 1, kind: official_account, platform: cdnow}
  - {appid: wxcdnow0000000002, name: Shop 2, kind: official_account, platform: cdnow}
  - {appid: wxcdnow0000000003, name: Shop 3, kind: mini_program, platform: cdnow}
`
