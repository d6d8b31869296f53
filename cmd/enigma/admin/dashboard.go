package admin

import (
	"embed"
	"net/http"
	"path"
)

// page is the dashboard: one page, one style sheet, a few scripts, nothing from elsewhere.
//
//go:embed page
var page embed.FS

// policy lets the page use what it was served with and read the metrics, and nothing else, and nobody frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// dashboard registers the page at / and its files beside it.
func dashboard(mux *http.ServeMux) {
	entries, err := page.ReadDir("page")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, entry := range entries {
		name := entry.Name()
		route := "GET /" + name
		if name == "index.html" {
			route = "GET /{$}"
		}
		mux.HandleFunc(route, func(w http.ResponseWriter, _ *http.Request) { servePage(w, name) })
	}
}

// types are the content types of the files; the machine's own list of them is not asked.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func servePage(w http.ResponseWriter, name string) {
	text, err := page.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	h := w.Header()
	h.Set("Content-Type", types[path.Ext(name)])
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	_, _ = w.Write(text) // a reader that has gone needs no answer
}
