package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// built is a console as build.sh leaves it, in small.
func built(t *testing.T) http.Handler {
	t.Helper()
	s, err := open(fstest.MapFS{
		".keep":                     {},
		"index.html":                {Data: []byte("<!doctype html>app")},
		"index.html.gz":             {Data: []byte("packed app")},
		"favicon.svg":               {Data: []byte("<svg/>")},
		"assets/index-abc123.js":    {Data: []byte("run()")},
		"assets/index-abc123.js.gz": {Data: []byte("packed run")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// get asks h for path with headers given as "Name: value".
func get(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestConsole(t *testing.T) {
	type answer struct {
		Status               int
		Body, Type, Encoding string
		Cache                string
	}
	const html, js = "text/html; charset=utf-8", "text/javascript; charset=utf-8"
	const forever = "public, max-age=31536000, immutable"
	app := answer{Status: 200, Body: "<!doctype html>app", Type: html, Cache: "no-cache"}
	for name, c := range map[string]struct {
		method, path, accept string
		want                 answer
	}{
		"the root opens the application":        {path: "/", want: app},
		"a page of the application opens it":    {path: "/persons/p_00ff", want: app},
		"a page with a trailing slash too":      {path: "/accounts/", want: app},
		"HEAD has no body":                      {method: "HEAD", path: "/", want: answer{Status: 200, Type: html, Cache: "no-cache"}},
		"a hashed file is cached for ever":      {path: "/assets/index-abc123.js", want: answer{200, "run()", js, "", forever}},
		"gzip goes to those who take it":        {path: "/assets/index-abc123.js", accept: "br, gzip", want: answer{200, "packed run", js, "gzip", forever}},
		"gzip with weight zero is refused":      {path: "/", accept: "gzip;q=0, *", want: app},
		"a wildcard takes gzip":                 {path: "/", accept: "*;q=0.5", want: answer{200, "packed app", html, "gzip", "no-cache"}},
		"a file without a packed form is plain": {path: "/favicon.svg", accept: "gzip", want: answer{200, "<svg/>", "image/svg+xml", "", "no-cache"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.method == "" {
				c.method = http.MethodGet
			}
			w := get(built(t), c.method, c.path, "Accept-Encoding: "+c.accept)
			got := answer{w.Code, w.Body.String(), w.Header().Get("Content-Type"), w.Header().Get("Content-Encoding"), w.Header().Get("Cache-Control")}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConsole_never_answers_for_others(t *testing.T) {
	for _, path := range []string{
		"/v1/reports/nosuch", "/v1", "/api/user/wechat/login", "/wechat/wx1/push", "/openapi.json", "/assets/index-old.js",
		"/assets", "/index.html.gz", "/.keep", "/assets/../../secret.txt",
	} {
		if w := get(built(t), http.MethodGet, path, "Accept-Encoding: gzip"); w.Code != http.StatusNotFound {
			t.Errorf("GET %s: status %d, want 404", path, w.Code)
		}
	}
	if w := get(built(t), http.MethodPost, "/persons"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestConsole_revalidates(t *testing.T) {
	h := built(t)
	plain := get(h, http.MethodGet, "/").Header().Get("ETag")
	packed := get(h, http.MethodGet, "/", "Accept-Encoding: gzip").Header().Get("ETag")
	if plain == "" || plain == packed {
		t.Fatalf("tags %q and %q: want two different ones", plain, packed)
	}
	for header, want := range map[string]int{plain: 304, "W/" + plain: 304, `"x", ` + plain: 304, "*": 304, packed: 200, `"x"`: 200} {
		if w := get(h, http.MethodGet, "/", "If-None-Match: "+header); w.Code != want {
			t.Errorf("If-None-Match %s: status %d, want %d", header, w.Code, want)
		}
	}
}

func TestConsole_forbids_other_hosts_and_inline_scripts(t *testing.T) {
	for _, path := range []string{"/", "/assets/index-abc123.js", "/v1/nosuch"} {
		h := get(built(t), http.MethodGet, path).Header()
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; style-src 'self'; ") ||
			strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, h)
		}
	}
}

func TestConsole_says_how_to_build_it(t *testing.T) {
	s, err := open(fstest.MapFS{".keep": {}})
	if err != nil {
		t.Fatal(err)
	}
	w := get(s, http.MethodGet, "/persons")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "api/console/build.sh") {
		t.Errorf("status %d, body %q", w.Code, w.Body)
	}
}

func TestHandler_has_the_embedded_files(t *testing.T) {
	// Built or not, the root is a page.
	w := get(Handler(), http.MethodGet, "/")
	if w.Code != http.StatusOK && w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
	if got := w.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
}

func FuzzAcceptsGzip(f *testing.F) {
	for _, seed := range []string{"", "gzip", "gzip;q=0", "*;q=0.1,gzip;q=0", "br;q=1.0, GZIP ; q=0.8", ";;q=,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		// A header that never speaks of gzip or of everything cannot ask for it.
		if acceptsGzip(header) && !strings.Contains(strings.ToLower(header), "gzip") && !strings.Contains(header, "*") {
			t.Errorf("gzip accepted by %q", header)
		}
	})
}
