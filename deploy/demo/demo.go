// Package demo makes a data set of some 2,000 persons who buy tea in three accounts, and
// shows an analyst's first answers about them.
//
// The data set is the same for the same seed and day. It has what real ones have: visitors
// whose unionid is learnt only after they bought, visitors who never tell it, members
// known by a card, refunds, corrected orders, and virtual users.
package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/unionlink/unionlink/deploy/app"
	"github.com/unionlink/unionlink/schemas"
)

// The accounts of the data set.
const (
	TeaHouse = "wxdemo000teahouse1"
	TeaToGo  = "wxdemo0000teatogo2"
	Teaware  = "wxdemo0000teaware3"
	// Platform is the Open Platform account that all three are bound to.
	Platform = "demo-tea"
	// Currency is what everything is paid in.
	Currency = "CNY"
)

// Accounts are the three accounts as configuration has them.
func Accounts() []app.Account {
	return []app.Account{
		{AppID: TeaHouse, Name: "Tea House 茶铺", Kind: schemas.AccountKindOfficial, Platform: Platform},
		{AppID: TeaToGo, Name: "Tea to go 茶饮", Kind: schemas.AccountKindOfficial, Platform: Platform},
		{AppID: Teaware, Name: "Teaware 茶具网", Kind: schemas.AccountKindWebsite, Platform: Platform},
	}
}

// Configure names the accounts, on top of those that are configured, and has the WeChat
// simulator stand in for WeChat.
func Configure(cfg *app.Config) {
	for _, a := range Accounts() {
		if !slices.ContainsFunc(cfg.Accounts, func(b app.Account) bool { return a.AppID == b.AppID }) {
			cfg.Accounts = append(cfg.Accounts, a)
		}
	}
	if cfg.WeChatSim.Listen == "" {
		cfg.WeChatSim.Listen = "127.0.0.1:0"
	}
}

// Config says which data set is made.
type Config struct {
	// Seed makes the choices. Default 1.
	Seed uint64
	// Persons is how many there are. Default 2000.
	Persons int
	// Until is the end of the year that the data set tells of.
	Until time.Time
}

// product is something on sale; price is in fen.
type product struct {
	sku, name, category string
	price               int64
}

var shelves = map[string][]product{
	TeaHouse: {
		{"longjing-100", "龙井 Longjing 100 g", "green tea", 16800}, {"puer-357", "普洱 Pu'er cake 357 g", "dark tea", 29800},
		{"tieguanyin-125", "铁观音 Tieguanyin 125 g", "oolong", 12800}, {"jasmine-200", "茉莉花茶 Jasmine 200 g", "green tea", 8800},
	},
	TeaToGo: {
		{"milk-tea", "奶茶 Milk tea", "drinks", 1800}, {"cold-brew", "冷泡茶 Cold brew", "drinks", 2200},
		{"mooncake-6", "月饼 Mooncakes, 6", "food", 16800},
	},
	Teaware: {
		{"gaiwan", "盖碗 Gaiwan", "teaware", 15900}, {"yixing-pot", "紫砂壶 Yixing pot", "teaware", 68800},
		{"cups-6", "茶杯 Cups, 6", "teaware", 12900}, {"tea-tray", "茶盘 Tea tray", "teaware", 25900},
	},
}

var surnames = []string{"王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴"}
var givenNames = []string{"小明", "丽华", "建国", "晓燕", "志强", "雨桐", "子轩", "思远", "梦琪", "浩然"}

// habit is how a visitor of an account tells who they are.
type habit int

const (
	habitOpen   habit = iota // logs in with a unionid before buying
	habitLate                // silently at first; the unionid comes after purchases
	habitSilent              // never tells it
)

// maker makes the events of one data set.
type maker struct {
	cfg    Config
	rng    *rand.Rand
	logins func(schemas.Event) error
	buys   func(schemas.Event) error
	order  int
}

// Generate gives the data set's logins and purchases to the two functions, in an order in
// which late logins come last.
func Generate(cfg Config, logins, purchases func(schemas.Event) error) error {
	if cfg.Seed == 0 {
		cfg.Seed = 1
	}
	if cfg.Persons == 0 {
		cfg.Persons = 2000
	}
	cfg.Until = cfg.Until.UTC().Truncate(24 * time.Hour)
	m := &maker{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x7ea)), logins: logins, buys: purchases}
	var late []schemas.Event
	for n := range cfg.Persons {
		l, err := m.person(n)
		if err != nil {
			return err
		}
		late = append(late, l...)
	}
	for _, e := range late {
		if err := logins(e); err != nil {
			return err
		}
	}
	return m.virtualUsers()
}

// person gives what one person does and returns the logins that come late.
func (m *maker) person(n int) (late []schemas.Event, err error) {
	accounts := []string{TeaHouse, TeaToGo, Teaware}
	m.rng.Shuffle(len(accounts), func(i, j int) { accounts[i], accounts[j] = accounts[j], accounts[i] })
	accounts = accounts[:m.pick(55, 30, 15)+1]
	member := m.rng.IntN(10) == 0
	for _, appid := range accounts {
		visitor := habit(m.pick(60, 25, 15))
		joined := m.cfg.Until.AddDate(0, 0, -m.rng.IntN(360)-2).Add(m.daytime())
		first := m.login(n, appid, joined, visitor == habitOpen)
		if member {
			first.Keys = []schemas.Key{{Space: "card", Value: fmt.Sprintf("T-%05d", n)}}
		}
		if err := m.logins(first); err != nil {
			return nil, err
		}
		last := joined
		for range 1 + m.rng.IntN(5) {
			last = last.Add(time.Duration(1+m.rng.IntN(40*24)) * time.Hour)
			if last.After(m.cfg.Until) {
				break
			}
			if err := m.purchase(n, appid, last); err != nil {
				return nil, err
			}
		}
		if visitor == habitLate {
			late = append(late, m.login(n, appid, minTime(last, m.cfg.Until).Add(time.Hour), true))
		}
	}
	return late, nil
}

// pick chooses 0, 1 or 2 with these chances in a hundred.
func (m *maker) pick(chances ...int) int {
	draw := m.rng.IntN(100)
	for i, c := range chances {
		if draw -= c; draw < 0 {
			return i
		}
	}
	return len(chances) - 1
}

// daytime is a moment between nine in the morning and eleven at night in China.
func (m *maker) daytime() time.Duration {
	return time.Hour + time.Duration(m.rng.IntN(14*60*60))*time.Second
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func openID(n int, appid string) string {
	return fmt.Sprintf("o%s_demo%021d", appid[len(appid)-1:], n)
}

func (m *maker) head(kind string, n int, appid string, at time.Time) schemas.Envelope {
	m.order++
	return schemas.Envelope{EventID: fmt.Sprintf("demo-%s-%06d", kind, m.order), OccurredAt: at, AppID: appid, OpenID: openID(n, appid)}
}

func (m *maker) login(n int, appid string, at time.Time, open bool) *schemas.Login {
	l := &schemas.Login{Envelope: m.head("login", n, appid, at), Scope: "snsapi_base"}
	if open {
		l.Scope, l.UnionID = "snsapi_userinfo", fmt.Sprintf("u_demo%022d", n)
		l.Profile = &schemas.Profile{Nickname: surnames[n%len(surnames)] + givenNames[n/len(surnames)%len(givenNames)]}
	}
	return l
}

// purchase is an order; one in fifty is corrected later, one in twenty-five given back in part.
func (m *maker) purchase(n int, appid string, at time.Time) error {
	shelf := shelves[appid]
	p := &schemas.Purchase{Envelope: m.head("order", n, appid, at), PurchaseKind: schemas.PurchaseKindPurchase, Currency: Currency}
	p.OrderID = fmt.Sprintf("D%s-%06d", appid[len(appid)-1:], m.order)
	for range 1 + m.pick(70, 22, 8) {
		x := shelf[m.rng.IntN(len(shelf))]
		quantity := int64(1 + m.pick(75, 18, 7))
		p.Items = append(p.Items, schemas.Item{SKU: x.sku, Name: x.name, Category: x.category, Quantity: quantity, Amount: quantity * x.price})
		p.Amount += quantity * x.price
	}
	if err := m.buys(p); err != nil {
		return err
	}
	if m.rng.IntN(50) == 0 {
		corrected := *p
		corrected.EventID, corrected.Revision = p.EventID+"-r1", 1
		corrected.Amount -= corrected.Amount / 10 // a discount that was forgotten
		if err := m.buys(&corrected); err != nil {
			return err
		}
	}
	if m.rng.IntN(25) != 0 {
		return nil
	}
	back := &schemas.Purchase{
		Envelope: m.head("refund", n, appid, minTime(at.Add(time.Duration(1+m.rng.IntN(7*24))*time.Hour), m.cfg.Until)),
		OrderID:  p.OrderID, PurchaseKind: schemas.PurchaseKindRefund, RefundID: "R-" + p.OrderID, Currency: Currency, Amount: p.Amount / 2,
	}
	return m.buys(back)
}

// virtualUsers are visits in WeChat's snapshot mode: they are nobody, and are counted apart.
func (m *maker) virtualUsers() error {
	for i := range 25 {
		l := m.login(1_000_000+i, TeaHouse, m.cfg.Until.Add(-time.Duration(i+1)*time.Hour), false)
		l.SnapshotUser = true
		if err := m.logins(l); err != nil {
			return err
		}
	}
	return nil
}
