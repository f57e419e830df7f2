package wechatsim

import (
	"fmt"
	"net/http"
	"time"
)

// Fault makes a route misbehave. What it does is done in this order: wait, take effect (burn, drop_reply), then fail.
type Fault struct {
	ID int `json:"id"`
	// Route is a path, "*" for all, or "push" or "pay" for what is sent out (there only drop_reply counts: it is lost).
	Route string `json:"route"`
	// AppID limits the fault to requests that name this appid in their query. Empty: all.
	AppID string `json:"appid"`
	// Times is how many requests it hits. 0: all, until it is taken away.
	Times int `json:"times"`
	// LatencyMillis is how long the request waits first, in real time.
	LatencyMillis int `json:"latency_ms"`
	// Errcode is answered instead. On a page's route it is the error page's number.
	Errcode int `json:"errcode"`
	// HTTPStatus is answered instead, with a page of the gateway and no JSON.
	HTTPStatus int `json:"http_status"`
	// DropReply lets the request take its full effect and then cuts the connection.
	DropReply bool `json:"drop_reply"`
	// Burn lets the request take its full effect before Errcode or HTTPStatus is answered.
	Burn bool `json:"burn"`
	// Hits counts the requests it has hit.
	Hits int `json:"hits"`
}

// Validate tells what is wrong with a fault that somebody asks for.
func (f *Fault) Validate() error {
	switch {
	case f.Route == "":
		return badRequest("route: empty")
	case f.Times < 0 || f.LatencyMillis < 0:
		return badRequest("times, latency_ms: negative")
	case f.HTTPStatus != 0 && (f.HTTPStatus < 400 || f.HTTPStatus > 599):
		return badRequest("http_status: %d is not within 400 to 599", f.HTTPStatus)
	case f.LatencyMillis == 0 && f.Errcode == 0 && f.HTTPStatus == 0 && !f.DropReply:
		return badRequest("no effect: give latency_ms, errcode, http_status or drop_reply")
	}
	return nil
}

func (w *world) addFault(f Fault) int {
	w.nextFault++
	f.ID, f.Hits = w.nextFault, 0
	w.faults = append(w.faults, &f)
	return f.ID
}

func (w *world) removeFault(id int) bool {
	for i, f := range w.faults {
		if f.ID == id {
			w.faults = append(w.faults[:i:i], w.faults[i+1:]...)
			return true
		}
	}
	return false
}

// strike finds the first fault for the route and counts the hit; one that is used up goes away.
func (w *world) strike(route, appID string) (Fault, bool) {
	for _, f := range w.faults {
		if (f.Route != route && f.Route != "*") || (f.AppID != "" && f.AppID != appID) {
			continue
		}
		f.Hits++
		hit := *f
		if f.Times > 0 && f.Hits >= f.Times {
			w.removeFault(f.ID)
		}
		return hit, true
	}
	return Fault{}, false
}

// faulty serves next, and the faults set for the route before it. The errcode is answered by refuse.
func (s *Simulator) faulty(refuse func(http.ResponseWriter, *http.Request, int), next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		f, hit := s.world.strike(r.URL.Path, r.URL.Query().Get("appid"))
		s.mu.Unlock()
		if !hit {
			next(rw, r)
			return
		}
		select {
		case <-time.After(time.Duration(f.LatencyMillis) * time.Millisecond):
		case <-r.Context().Done():
			return
		}
		if f.Burn || f.DropReply {
			next(discard{http.Header{}}, r)
		}
		switch {
		case f.DropReply:
			panic(http.ErrAbortHandler) // net/http's own way to cut the connection
		case f.HTTPStatus != 0:
			rw.Header().Set("Content-Type", "text/html")
			rw.WriteHeader(f.HTTPStatus)
			_, _ = fmt.Fprintf(rw, "<html><body><h1>%d %s</h1></body></html>", f.HTTPStatus, http.StatusText(f.HTTPStatus))
		case f.Errcode != 0:
			refuse(rw, r, f.Errcode)
		default:
			next(rw, r)
		}
	})
}

// discard takes an answer that nobody will see.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
