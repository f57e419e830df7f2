package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/unionlink/unionlink/schemas"
)

// verdict is what a producer was answered about an event.
type verdict int32

const (
	// verdictUnknown is an event that was never answered: it may be counted or not, but
	// never in part and never twice.
	verdictUnknown verdict = iota
	verdictAcked
	verdictRejected
)

// intent is an event that a producer is about to publish, and what came of it.
type intent struct {
	producer, k int
	kind        schemas.Kind
	appid       string
	// id is "<appid>:<event_id>", as Nats-Msg-Id has it.
	id   string
	body []byte
	// event is nil where the body is poison: not an event that may be counted.
	event   schemas.Event
	verdict verdict
}

// script writes one producer's events: the same ones for the same seed. Persons live in
// blocks that share keys among themselves only, and blocks age, so that a long run does
// not make one giant person.
type script struct {
	random   *rand.Rand
	producer int
	k        int
	// poison is how many of a hundred events are none; direct allows those that HTTP
	// would refuse together with their neighbours.
	poison int
	direct bool
	erase  bool
	// spread is how many events of a producer share a block; blocks how many blocks are open.
	spread, blocks int
	// start is what skewed clocks are relative to.
	start  time.Time
	orders []*schemas.Purchase
	window []*intent
}

func newScript(seed uint64, producer int, start time.Time) *script {
	return &script{random: rand.New(rand.NewPCG(seed, uint64(producer))), producer: producer, start: start, poison: 3, spread: 60, blocks: 12}
}

// window is within how many events of a producer the order is shuffled.
const window = 40

// next is the producer's next event, in an order that is shuffled within a window.
func (s *script) next() *intent {
	if len(s.window) == 0 {
		for range window {
			s.window = append(s.window, s.write())
		}
		s.random.Shuffle(window, func(i, j int) { s.window[i], s.window[j] = s.window[j], s.window[i] })
	}
	in := s.window[0]
	s.window = s.window[1:]
	return in
}

func (s *script) write() *intent {
	in := &intent{producer: s.producer, k: s.k}
	s.k++
	h := s.head()
	if s.random.IntN(100) < s.poison {
		s.spoil(in, h)
		return in
	}
	switch n := s.random.IntN(20); {
	case n < 8:
		in.event = s.login(h)
	case n < 17:
		in.event = s.purchase(h)
	case n == 17 && s.random.IntN(3) == 0:
		in.event = &schemas.Identity{Envelope: h, Action: schemas.ActionUnlink, Space: pick(s.random, "main", "other", "crm", "migrate")}
	case n == 18 && s.random.IntN(3) == 0:
		in.event = s.migrate(h)
	case n == 19 && s.erase && s.random.IntN(60) == 0:
		in.event = &schemas.Identity{Envelope: h, Action: schemas.ActionErase}
	default:
		in.event = s.login(h)
	}
	s.seal(in)
	return in
}

// seal encodes the event. One in thirty is sent without an event_id.
func (s *script) seal(in *intent) {
	head := in.event.Head()
	if s.random.IntN(30) == 0 {
		head.EventID = ""
	}
	in.kind, in.appid = in.event.Kind(), head.AppID
	in.body, _ = schemas.Encode(in.event) // errs for a type of event that is none of the three
	schemas.FillEventID(in.event)
	in.id = head.AppID + ":" + head.EventID
}

// day is when the producers' clocks begin: fixed, so that a seed says the same again.
var day = time.Date(2025, 1, 10, 0, 0, 0, 0, time.UTC)

// clock is a time on a publisher's clock, which may be skewed by years, or ahead.
func (s *script) clock() time.Time {
	switch s.random.IntN(50) {
	case 0:
		return day.AddDate(-20, 0, s.random.IntN(3))
	case 1:
		return s.start.Add(20 * time.Hour).Add(time.Duration(s.random.IntN(1000)) * time.Microsecond)
	}
	// Whole hours now and then, so that the digest has to break ties.
	d := time.Duration(s.random.Int64N(int64(40 * 24 * time.Hour)))
	if s.random.IntN(4) == 0 {
		return day.Add(d.Truncate(48 * time.Hour))
	}
	return day.Add(d.Truncate(time.Microsecond))
}

// citizen is a person of a block as one account sees them.
type citizen struct{ block, person, account int }

func (c citizen) openid() string { return fmt.Sprintf("o%d-%d", c.block, c.person) }

// unionid is the person's on the account's platform, or the neighbour's.
func (c citizen) unionid(neighbour int) string {
	return fmt.Sprintf("u%d-%d", c.block, (c.person+neighbour)%blockPersons)
}

const blockPersons = 6

func (s *script) citizen() citizen {
	block := s.k/s.spread + s.random.IntN(s.blocks)
	return citizen{block: block, person: s.random.IntN(blockPersons), account: s.random.IntN(len(accounts))}
}

func (s *script) head() schemas.Envelope {
	c := s.citizen()
	return schemas.Envelope{
		EventID: fmt.Sprintf("p%d-%d", s.producer, s.k), OccurredAt: s.clock(), AppID: accounts[c.account].AppID, OpenID: c.openid(),
	}
}

// of finds the citizen again that an envelope is about.
func of(h schemas.Envelope) citizen {
	var c citizen
	_, _ = fmt.Sscanf(h.OpenID, "o%d-%d", &c.block, &c.person) // the script wrote it
	return c
}

func (s *script) login(h schemas.Envelope) *schemas.Login {
	c := of(h)
	l := &schemas.Login{Envelope: h, Scope: "snsapi_userinfo", SnapshotUser: s.random.IntN(25) == 0}
	if s.random.IntN(3) > 0 {
		neighbour := 0
		if s.random.IntN(12) == 0 {
			neighbour = 1
		}
		l.UnionID = c.unionid(neighbour)
	}
	if s.random.IntN(4) == 0 {
		l.Keys = append(l.Keys, schemas.Key{Space: "crm", Value: fmt.Sprintf("M%d-%d", c.block, c.person)})
	}
	if s.random.IntN(8) == 0 {
		l.Keys = append(l.Keys, schemas.Key{Space: "promo", Value: fmt.Sprintf("all%d", c.block)})
	}
	if s.random.IntN(4) == 0 {
		l.Profile = &schemas.Profile{Nickname: fmt.Sprint("n", s.random.IntN(100))}
	}
	return l
}

// purchase is a new order, or a correction or a refund of a recent one. An order keeps
// its identity and its time.
func (s *script) purchase(h schemas.Envelope) *schemas.Purchase {
	amount := int64(1 + s.random.IntN(1_000_000))
	p := &schemas.Purchase{
		Envelope: h, OrderID: fmt.Sprintf("order-%d-%d", s.producer, s.k), PurchaseKind: schemas.PurchaseKindPurchase,
		Amount: amount, Currency: pick(s.random, "CNY", "CNY", "USD"), Revision: uint32(s.random.IntN(3)),
		Items: []schemas.Item{{SKU: fmt.Sprint("sku", s.random.IntN(50)), Quantity: 1, Amount: amount}},
	}
	if n := s.random.IntN(10); n < 3 && len(s.orders) > 0 {
		old := s.orders[s.random.IntN(len(s.orders))]
		p.OrderID, p.Currency, p.AppID, p.OpenID, p.OccurredAt = old.OrderID, old.Currency, old.AppID, old.OpenID, old.OccurredAt
		if n == 0 {
			p.PurchaseKind, p.RefundID = schemas.PurchaseKindRefund, fmt.Sprint("refund", s.random.IntN(2))
		}
		return p
	}
	if s.random.IntN(5) == 0 {
		p.UnionID = of(h).unionid(0)
	}
	s.orders = append(s.orders, p)
	if len(s.orders) > 50 {
		s.orders = s.orders[1:]
	}
	return p
}

func (s *script) migrate(h schemas.Envelope) schemas.Event {
	c := of(h)
	from := citizen{block: c.block, person: s.random.IntN(blockPersons)}
	appid := accounts[s.random.IntN(len(accounts))].AppID
	if appid == h.AppID && from.openid() == h.OpenID {
		return s.login(h)
	}
	return &schemas.Identity{Envelope: h, Action: schemas.ActionMigrate, FromAppID: appid, FromOpenID: from.openid()}
}

// spoil makes an event that nobody may count.
func (s *script) spoil(in *intent, h schemas.Envelope) {
	p := s.purchase(h)
	in.kind, in.appid, in.id = schemas.KindPurchase, p.AppID, p.AppID+":"+h.EventID
	p.EventID = h.EventID
	n := 5
	if s.direct {
		n = 8
	}
	appid := p.AppID
	fields := map[string]any{
		"event_id": p.EventID, "occurred_at": p.OccurredAt, "appid": p.AppID, "openid": p.OpenID,
		"order_id": p.OrderID + "-poison", "kind": "purchase", "amount": p.Amount, "currency": "CNY",
	}
	switch s.random.IntN(n) {
	case 0:
		fields["openid"] = "undefined"
	case 1:
		fields["amount"] = -5
	case 2:
		fields["currency"] = "YUAN"
	case 3:
		fields["occurred_at"] = s.start.Add(60 * 24 * time.Hour)
	case 4:
		appid = "wxnobody"
		fields["appid"] = appid
	case 5:
		fields["appid"] = "wxanother" // than the subject's
	case 6:
		delete(fields, "order_id")
	case 7:
		in.body = []byte(`{"event_id": not json`)
	}
	in.appid, in.id = appid, appid+":"+p.EventID
	if in.body == nil {
		in.body, _ = json.Marshal(fields) // a map of plain values cannot err
	}
}

func pick[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }
