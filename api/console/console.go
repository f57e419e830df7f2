// Package console serves the analysts' web console: a single-page application whose files are embedded in the
// binary.
//
// It promises that no page loads anything from another host or runs an inline script (the Content-Security-Policy says
// so to the browser), that files whose name carries their hash are cached for ever and all others are revalidated, and
// that an address of the application opens the application whichever page it names.
//
// It knows nothing of the data: the pages ask the routes below /v1 as any other client does. It never answers for those
// routes, so a mistyped one stays a 404 and does not become a web page.
//
// The files come from build.sh. Without them the program still compiles, and the console says how to build it.
package console

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// The folder holds nothing but .keep until build.sh has run; "all:" makes that enough to compile.
//
//go:embed all:dist
var dist embed.FS

// Handler serves the console at the root of its host: GET and HEAD alone, 405 for other methods. It suits as the
// fallback of a router that has the API's routes.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("console: " + err.Error()) // the name is a constant, and valid
	}
	s, err := open(files)
	if err != nil {
		panic("console: " + err.Error()) // the files are part of the binary: reading them cannot fail
	}
	return s
}

// site is the set of files, read once. Paths are looked up in a map, so a request can name nothing outside it.
type site struct {
	files map[string]*file // by URL path without the leading slash
	index *file            // nil until the console is built
}

// open reads every file of the built console. A name ending in .gz is the compressed form of its neighbour, not a file
// of its own.
func open(files fs.FS) (*site, error) {
	s := &site{files: map[string]*file{}}
	compressed := map[string][]byte{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if plain, ok := strings.CutSuffix(name, ".gz"); ok {
			compressed[plain] = body
		} else if !strings.HasPrefix(path.Base(name), ".") {
			s.files[name] = newFile(name, body)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, body := range compressed {
		if f := s.files[name]; f != nil {
			f.gzip = body
		}
	}
	s.index = s.files["index.html"]
	return s, nil
}

// ServeHTTP answers with the named file, the application, or 404.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the console answers GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	if f := s.files[name]; f != nil {
		f.serve(w, r)
		return
	}
	switch {
	case !isPage(name):
		http.NotFound(w, r)
	case s.index == nil:
		notBuilt(w)
	default:
		s.index.serve(w, r)
	}
}

// isPage tells whether a path that is no file may be a page of the application: not below the prefixes that belong to
// the API, to ingest and to the hashed files, and without a file's extension.
func isPage(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "v1", "api", "wechat", "assets":
		return false
	}
	return path.Ext(name) == ""
}

// notBuilt says what to do when the binary was compiled without the console's files.
func notBuilt(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(notBuiltPage)) // the client has gone if this fails; there is nobody left to tell
}

const notBuiltPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>unionlink: the console is not built</title>
<h1>The console is not built into this binary</h1>
<p>Run <code>api/console/build.sh</code> (it needs Node.js 20.19 or later and npm), then build <code>unionlink</code> again.</p>
<p>The API works without it: see <a href="/openapi.json">/openapi.json</a>.</p>
</html>
`
