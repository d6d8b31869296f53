package admin

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// guard lets requests through that somebody means who may; see the package comment.
func (a *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		switch {
		case !a.hostAllowed(r.Host):
			respond(w, http.StatusForbidden, "this address does not answer to that name: ask for localhost or an address, or name it with --admin-host")
		case crossSite(r) || unasked(r):
			respond(w, http.StatusForbidden, "not for pages of other sites")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// hostAllowed says whether a request's Host is an address or a name of this server. A page can make the browser send
// any name, but no address that is not the page's own.
func (a *Server) hostAllowed(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback() || !a.opts.Local || slices.Contains(a.opts.Hosts, "*")
	}
	return host == "localhost" || slices.Contains(a.opts.Hosts, host) || slices.Contains(a.opts.Hosts, "*")
}

// crossSite says whether a browser sends the request for another site's page. Following a link to the dashboard is fine.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.URL.Path != "/" || r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// unasked says whether a page of another site may be behind a request for a profile without the browser saying so: browsers
// send Sec-Fetch-Site to this machine and over TLS only. A page cannot make them leave out who they are, nor send a Referer
// of another site than its own; who asks by hand comes from the list of profiles.
func unasked(r *http.Request) bool {
	const profiles = "/debug/pprof/"
	if r.Header.Get("Sec-Fetch-Site") != "" || !strings.HasPrefix(r.UserAgent(), "Mozilla/") || !strings.HasPrefix(r.URL.Path, profiles) || r.URL.Path == profiles {
		return false
	}
	from, err := url.Parse(r.Referer())
	return err != nil || from.Host != r.Host
}
