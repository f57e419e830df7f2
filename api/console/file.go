package console

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// file is one embedded file, ready to send.
type file struct {
	body, gzip []byte // gzip is nil where build.sh made no compressed form
	mime       string
	etag       string // strong, of the plain body; the compressed form's has a suffix
	cache      string
}

func newFile(name string, body []byte) *file {
	sum := sha256.Sum256(body)
	f := &file{body: body, mime: mimeOf(name), etag: hex.EncodeToString(sum[:12]), cache: "no-cache"}
	if strings.HasPrefix(name, "assets/") { // the build puts a hash of the content into these names
		f.cache = "public, max-age=31536000, immutable"
	}
	return f
}

// mimeOf names the types the build emits. mime.TypeByExtension would ask the host's tables, which differ.
func mimeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// serve sends the file, compressed where the client takes that, or 304 where the client has it.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("Cache-Control", f.cache)
	body, etag := f.body, `"`+f.etag+`"`
	if f.gzip != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			body, etag = f.gzip, `"`+f.etag+`-gzip"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // the client has gone if this fails; there is nobody left to tell
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, 12.5.3): gzip counts unless its weight is zero, and the
// wildcard speaks for gzip where gzip is not named.
func acceptsGzip(header string) bool {
	wildcard := false
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return weighs(params)
		case "*":
			wildcard = weighs(params)
		}
	}
	return wildcard
}

// weighs tells whether a coding's parameters leave it acceptable. A weight that cannot be read counts as refused: the
// plain form is always right.
func weighs(params string) bool {
	name, value, ok := strings.Cut(strings.TrimSpace(params), "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return strings.TrimSpace(params) == ""
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return err == nil && q > 0
}

// matches reads an If-None-Match header: a list of entity tags compared weakly, or "*".
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
