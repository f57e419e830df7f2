package wechatsim

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"time"
)

// adminPage is the world as the admin page shows it.
type adminPage struct {
	Now        string
	Accounts   []Account
	Merchants  []Merchant
	UserCount  int
	Users      []userChoice
	UserOrders []string
	Faults     []Fault
	Deliveries []delivery
}

// formField is one input of the admin page; its label is the name where the texts have none.
type formField struct{ Label, Name, Type string }

func newFormField(text func(string) string, label, name, kind string) formField {
	if label == "" {
		return formField{name, name, kind}
	}
	return formField{text(label), name, kind}
}

func (s *Simulator) adminPage(rw http.ResponseWriter, r *http.Request) {
	page := locked(s, func() adminPage {
		p := adminPage{
			Now: s.clock.now().In(beijing).Format(time.RFC3339), Accounts: s.copyAccounts(), Merchants: s.copyMerchants(),
			UserCount: len(s.world.userOrder), Faults: s.copyFaults(),
			UserOrders: []string{"follow", "unfollow", "scan", "message", "revoke", "modify", "cancel", "password"},
		}
		for _, u := range s.world.userOrder[max(0, len(s.world.userOrder)-shownUsers):] {
			p.Users = append(p.Users, userChoice{u.id, u.nickname})
		}
		return p
	})
	page.Deliveries = s.courier.list("", "", 20)
	s.render(rw, r, "admin.html", page)
}

// avatar draws a user's picture, for those who set avatar_base to the simulator: a colour that follows from the path.
func (s *Simulator) avatar(rw http.ResponseWriter, r *http.Request) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(r.URL.Path)) // a hash takes every write
	rw.Header().Set("Content-Type", "image/svg+xml")
	rw.Header().Set("Cache-Control", "max-age=86400")
	_, _ = fmt.Fprintf(rw, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 132 132"><rect width="132" height="132" fill="hsl(%d 55%% 45%%)"/>`+
		`<circle cx="66" cy="52" r="24" fill="#fff"/><path d="M18 132a48 48 0 0 1 96 0z" fill="#fff"/></svg>`, h.Sum32()%360)
}
