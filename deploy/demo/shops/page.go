package shops

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/unionlink/unionlink/schemas"
)

//go:embed pages
var pageFiles embed.FS

var shopPage = template.Must(template.ParseFS(pageFiles, "pages/shop.html"))

// view is what the page is made of.
type view struct {
	Lang, OtherLang string
	T               map[string]string
	Shop            Shop
	Doors           []door
	Products        []productView
	// Script is where unionlink.js is.
	Script string
	Config pageConfig
}

type productView struct {
	SKU, Name, Price string
}

// pageConfig is what the page's script needs.
type pageConfig struct {
	AppID   string            `json:"appid"`
	Website bool              `json:"website"`
	Lang    string            `json:"lang"`
	Console string            `json:"console"`
	Shops   map[string]string `json:"shops"`
	Texts   map[string]string `json:"texts"`
}

// page serves the shop's only page.
func (s *shop) page(w http.ResponseWriter, r *http.Request) {
	lang := language(r)
	v := view{
		Lang: lang, OtherLang: "en", T: texts[lang], Shop: s.Shop, Script: s.up.URL + "/wechat/unionlink.js",
		Config: pageConfig{
			AppID: s.AppID, Website: s.Kind == schemas.AccountKindWebsite, Lang: htmlLang[lang], Console: s.up.URL,
			Shops: map[string]string{}, Texts: texts[lang],
		},
	}
	if lang == "en" {
		v.OtherLang = "zh"
	}
	for _, d := range s.doors {
		v.Config.Shops[d.AppID] = d.Name
		if d.AppID != s.AppID {
			v.Doors = append(v.Doors, door{d.AppID, d.Name, d.URL + "?lang=" + lang})
		}
	}
	for _, p := range s.Products {
		v.Products = append(v.Products, productView{p.SKU, p.Name, price(p.Price, s.Currency)})
	}
	var page bytes.Buffer
	if err := shopPage.Execute(&page, v); err != nil {
		s.log.ErrorContext(r.Context(), "page not made", "appid", s.AppID, "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	secure(w.Header(), s.up.URL)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // its address may hold a code
	_, _ = page.WriteTo(w)                      // a browser that left needs no page
}

// HTMLLang is the attribute lang of a page in this language.
func (v view) HTMLLang() string { return htmlLang[v.Lang] }

// secure lets the page use its own files and unionlink's script and login route alone.
func secure(h http.Header, unionlink string) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self' "+unionlink+"; connect-src 'self' "+unionlink+
		"; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// language is zh or en: the query's lang, or the first of the browser's that fits.
func language(r *http.Request) string {
	for _, wanted := range append([]string{r.URL.Query().Get("lang")}, strings.Split(r.Header.Get("Accept-Language"), ",")...) {
		switch wanted = strings.ToLower(strings.TrimSpace(wanted)); {
		case strings.HasPrefix(wanted, "zh"):
			return "zh"
		case strings.HasPrefix(wanted, "en"):
			return "en"
		}
	}
	return "zh"
}

// price shows an amount of minor units in the currency's own.
func price(amount int64, currency string) string {
	unit, digits := int64(1), schemas.MinorDigits(currency)
	for range digits {
		unit *= 10
	}
	if digits == 0 {
		return fmt.Sprintf("%d %s", amount, currency)
	}
	text := fmt.Sprintf("%d.%0*d", amount/unit, digits, amount%unit)
	if currency == "CNY" {
		return "¥" + text
	}
	return text + " " + currency
}

// asset serves one embedded file.
func asset(name, contentType string) http.HandlerFunc {
	body, err := pageFiles.ReadFile("pages/" + name)
	return func(w http.ResponseWriter, _ *http.Request) {
		if err != nil { // the name is a constant
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(body) // a browser that left needs no file
	}
}

// Elsewhere is the address of this page in the other language.
func (v view) Elsewhere() string { return "?" + url.Values{"lang": {v.OtherLang}}.Encode() }
