package wechatsim

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strings"
)

//go:embed pages
var pageFiles embed.FS

var pageTemplates = template.Must(template.New("pages").Funcs(template.FuncMap{"field": newFormField}).
	ParseFS(pageFiles, "pages/*.html"))

// shownUsers is how many users a page lists; the others are reached by their id.
const shownUsers = 20

// noticePage is a page that only says something.
type noticePage struct {
	Text   string
	Number int // of an error page; 0 is not shown
}

// consentPage is the page on which one picks a user and decides.
type consentPage struct {
	Ticket   string
	Account  string
	Scope    string
	Website  bool
	Snapshot bool // the page was asked to open in snapshot mode
	Current  string
	Users    []userChoice
}

// userChoice is a user as the pages show one.
type userChoice struct{ ID, Nickname string }

func (s *Simulator) consentPage(request authorizeRequest, current *user) consentPage {
	page := consentPage{
		Ticket: s.world.mint.nonce(40), Account: request.account.Name, Scope: request.scope,
		Website: request.account.Kind == KindWebsite, Snapshot: request.forceSnapshot && request.scope == scopeUserinfo,
	}
	if current != nil {
		page.Current = current.id
		page.Users = append(page.Users, userChoice{current.id, current.nickname})
	}
	for _, u := range s.world.userOrder {
		if len(page.Users) == shownUsers {
			break
		}
		if !u.cancelled && u != current {
			page.Users = append(page.Users, userChoice{u.id, u.nickname})
		}
	}
	if page.Current == "" && len(page.Users) > 0 {
		page.Current = page.Users[0].ID
	}
	s.world.tickets[page.Ticket] = &ticket{request, s.clock.now().Add(ticketLife)}
	return page
}

func (s *Simulator) renderConsent(rw http.ResponseWriter, r *http.Request, page consentPage) {
	// A browser holds every redirect that follows a form to the form-action line too: the callback, and wherever the
	// callback goes on to.
	s.renderFor(rw, r, "consent.html", page, "'self' http: https:")
}

// errorPage shows the page of an authorization error. WeChat answers 200 with it.
func (s *Simulator) errorPage(rw http.ResponseWriter, r *http.Request, number int) {
	s.render(rw, r, "notice.html", noticePage{Text: "error", Number: number})
}

func (s *Simulator) render(rw http.ResponseWriter, r *http.Request, name string, page any) {
	s.renderFor(rw, r, name, page, "'self'")
}

func (s *Simulator) renderFor(rw http.ResponseWriter, r *http.Request, name string, page any, formAction string) {
	lang := language(r)
	text := func(key string) string { return pageTexts[lang][key] }
	var buf bytes.Buffer
	err := pageTemplates.ExecuteTemplate(&buf, name, struct {
		Lang string
		T    func(string) string
		Page any
	}{lang, text, page})
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	h := rw.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
		"img-src 'self'; base-uri 'none'; frame-ancestors 'self'; form-action "+formAction)
	_, _ = rw.Write(buf.Bytes()) // the browser has gone; nothing is left to tell it
}

// language is zh or en: the query's lang, or the first of the browser's that fits.
func language(r *http.Request) string {
	for _, wanted := range append([]string{r.URL.Query().Get("lang")}, strings.Split(r.Header.Get("Accept-Language"), ",")...) {
		wanted = strings.ToLower(strings.TrimSpace(wanted))
		switch {
		case strings.HasPrefix(wanted, "zh"):
			return "zh"
		case strings.HasPrefix(wanted, "en"):
			return "en"
		}
	}
	return "zh"
}

// asset serves one embedded file of the pages.
func asset(name, contentType string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		body, err := pageFiles.ReadFile("pages/" + name)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		rw.Header().Set("Content-Type", contentType)
		rw.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = rw.Write(body) // as above
	}
}
