package shops

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/unionlink/unionlink/schemas"
)

// shop is one account's back end.
type shop struct {
	Shop
	listener net.Listener
	origin   string
	up       *upstream
	doors    []door // of all shops
	log      *slog.Logger
}

// door is where a shop is entered.
type door struct{ AppID, Name, URL string }

// handler is the whole of a shop.
func (s *shop) handler(all *Shops, up *upstream, log *slog.Logger) http.Handler {
	s.up, s.log = up, log
	for _, other := range all.shops {
		s.doors = append(s.doors, door{other.AppID, other.Name, other.origin + "/"})
	}
	r := chi.NewRouter()
	r.Use(s.atHome)
	r.Get("/", s.page)
	for name, kind := range map[string]string{"shop.js": "text/javascript", "shop.css": "text/css", "icon.svg": "image/svg+xml"} {
		r.Get("/"+name, asset(name, kind+"; charset=utf-8"))
	}
	r.Get("/api/me", s.me)
	r.Post("/api/orders", s.order)
	return r
}

// atHome sends a browser that came by another name of this address (localhost) to the one
// that logins return to, and refuses what a foreign page's name points here.
func (s *shop) atHome(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if "http://"+r.Host != s.origin {
			http.Redirect(w, r, s.origin+r.URL.RequestURI(), http.StatusFound)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// visitor is who the request's session token names; without a good one it answers 401.
func (s *shop) visitor(w http.ResponseWriter, r *http.Request) (visitor, bool) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	v, err := s.up.verify(r.Context(), token, s.AppID)
	if err != nil {
		refuse(w, http.StatusUnauthorized, "log in first")
		return visitor{}, false
	}
	return v, true
}

// me answers what the analysts know of the visitor.
func (s *shop) me(w http.ResponseWriter, r *http.Request) {
	v, ok := s.visitor(w, r)
	if !ok {
		return
	}
	p, err := s.up.person(r.Context(), s.AppID, v.OpenID)
	switch {
	case errors.Is(err, errUnknown): // the login is not counted yet
		p = &person{Keys: []schemas.Key{}, Totals: []total{}, Orders: []order{}}
	case r.Context().Err() != nil: // the page was left
		return
	case err != nil:
		s.log.WarnContext(r.Context(), "person not answered", "appid", s.AppID, "error", err)
		refuse(w, http.StatusBadGateway, "the total cannot be asked now")
		return
	}
	answer(w, http.StatusOK, p)
}

// maxQuantity bounds one order.
const maxQuantity = 9

// order sells one product: the purchase is durable before the browser is thanked.
func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	v, ok := s.visitor(w, r)
	if !ok {
		return
	}
	var wanted struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
	}
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	in.DisallowUnknownFields()
	if err := in.Decode(&wanted); err != nil {
		refuse(w, http.StatusBadRequest, `the body is not {"sku","quantity"}`)
		return
	}
	product, ok := s.product(wanted.SKU)
	if !ok || wanted.Quantity < 1 || wanted.Quantity > maxQuantity {
		refuse(w, http.StatusUnprocessableEntity, "the shop does not sell this")
		return
	}
	bought := s.purchase(v, product, wanted.Quantity, time.Now())
	if err := s.up.publish(r.Context(), bought); err != nil {
		s.log.WarnContext(r.Context(), "purchase not taken", "appid", s.AppID, "error", err)
		refuse(w, http.StatusServiceUnavailable, "the order is not stored; try again")
		return
	}
	answer(w, http.StatusCreated, map[string]any{"order_id": bought.OrderID, "amount": bought.Amount, "currency": bought.Currency})
}

func (s *shop) product(sku string) (Product, bool) {
	for _, p := range s.Products {
		if p.SKU == sku {
			return p, true
		}
	}
	return Product{}, false
}

// purchase is the event of an order paid just now. Its order id is its event id, so that
// sending it again is harmless.
func (s *shop) purchase(v visitor, p Product, quantity int64, at time.Time) *schemas.Purchase {
	id := "S-" + rand.Text()[:12]
	return &schemas.Purchase{
		Envelope: schemas.Envelope{EventID: id, OccurredAt: at.Truncate(time.Microsecond), AppID: s.AppID, OpenID: v.OpenID},
		OrderID:  id, PurchaseKind: schemas.PurchaseKindPurchase, Amount: quantity * p.Price, Currency: s.Currency,
		Items: []schemas.Item{{SKU: p.SKU, Name: p.Name, Category: p.Category, Quantity: quantity, Amount: quantity * p.Price}},
	}
}

func refuse(w http.ResponseWriter, status int, why string) {
	answer(w, status, map[string]string{"error": why})
}

func answer(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a browser that left needs no answer
}
