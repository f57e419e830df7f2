package bench

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// The population is numbered: identity i is of account i mod 3 and, once linked, of
// person i mod persons. The SQL that fills tables makes the same names, so all names
// have a fixed length.
const (
	platform     = "bench"
	accountCount = 3
	appIDPrefix  = "wxbench000000000"
)

func appID(i int) string       { return fmt.Sprintf("%s%d", appIDPrefix, 1+i%accountCount) }
func openID(i int) string      { return fmt.Sprintf("o%027d", i) }
func unionID(p int) string     { return fmt.Sprintf("u%027d", p) }
func identityOf(i int) uint64  { return schemas.IdentityHash(appID(i), openID(i)) }
func personOfKey(p int) uint64 { return schemas.KeyHash(platform, unionID(p)) }

// accounts are the three accounts, all bound to one platform.
func accounts() []schemas.Account {
	var all []schemas.Account
	for i := range accountCount {
		all = append(all, schemas.Account{AppID: appID(i), Name: fmt.Sprintf("Bench %d", i+1), Kind: schemas.AccountKindOfficial, Platform: platform})
	}
	return all
}

// epoch is when the events of all benchmarks begin; they spread over a year.
var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const span = 365 * 24 * time.Hour

// traffic makes events as back ends send them: purchases, and among them logins that
// tell late who the buyers are. The same seed gives the same events, in chunks of any size.
type traffic struct {
	rng                 *rand.Rand
	identities, persons int
	purchaseShare       float64
	made                int

	// What the events come to.
	purchases uint64
	amount    int64
	bought    map[int]bool
	linked    map[int]bool
}

// The traffic's identities are a tenth of its events, of two and a half identities a person.
func newTraffic(seed uint64, events int, purchaseShare float64) *traffic {
	identities := max(events/10, 10)
	return &traffic{
		rng: rand.New(rand.NewPCG(seed, 1)), identities: identities, persons: max(identities*2/5, 1), purchaseShare: purchaseShare,
		bought: map[int]bool{}, linked: map[int]bool{},
	}
}

// next makes n events.
func (t *traffic) next(n int) []schemas.Event {
	events := make([]schemas.Event, n)
	for i := range events {
		who := t.rng.IntN(t.identities)
		head := schemas.Envelope{
			EventID: fmt.Sprintf("bench-%d", t.made), OccurredAt: epoch.Add(time.Duration(t.rng.Int64N(int64(span))).Truncate(time.Microsecond)),
			AppID: appID(who), OpenID: openID(who),
		}
		if t.rng.Float64() < t.purchaseShare {
			events[i] = t.purchase(head, who)
		} else {
			events[i] = t.login(head, who)
		}
		t.made++
	}
	return events
}

func (t *traffic) purchase(head schemas.Envelope, who int) *schemas.Purchase {
	p := &schemas.Purchase{Envelope: head, OrderID: fmt.Sprintf("A-%d", t.made), PurchaseKind: schemas.PurchaseKindPurchase, Currency: "CNY"}
	for range 1 + t.rng.IntN(3) {
		sku := t.rng.IntN(200)
		item := schemas.Item{
			SKU: fmt.Sprintf("sku-%d", sku), Name: fmt.Sprintf("Tea No. %d", sku), Category: fmt.Sprintf("category-%d", sku%10),
			Quantity: 1 + t.rng.Int64N(3), Amount: 100 + t.rng.Int64N(20_000),
		}
		p.Amount += item.Amount
		p.Items = append(p.Items, item)
	}
	t.purchases++
	t.amount += p.Amount
	t.bought[who] = true
	return p
}

// login tells the unionid in seven of ten; the others are silent and link nobody.
func (t *traffic) login(head schemas.Envelope, who int) *schemas.Login {
	l := &schemas.Login{Envelope: head, Scope: "snsapi_base"}
	if t.rng.Float64() < 0.7 {
		l.Scope, l.UnionID = "snsapi_userinfo", unionID(who%t.persons)
		t.linked[who] = true
	}
	return l
}

// buyers is how many persons bought, by what all logins told.
func (t *traffic) buyers() uint64 {
	persons := map[uint64]bool{}
	for who := range t.bought {
		if t.linked[who] {
			persons[personOfKey(who%t.persons)] = true
		} else {
			persons[identityOf(who)] = true
		}
	}
	return uint64(len(persons))
}
