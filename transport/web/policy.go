package web

import (
	"slices"
	"strings"
)

// modulesOf returns the names of the ES modules in order. theme.js is the one classic script.
func modulesOf(contents map[string][]byte) (names []string) {
	for name := range contents {
		if strings.HasSuffix(name, ".js") && name != "theme.js" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Header is a name and a value.
type Header struct{ Name, Value string }

// PageHeaders returns the headers of the HTML page, with which a browser holds it to what it is: nothing but its own
// scripts and styles, no connection but to this server, in no frame, no data that becomes markup.
//
// host is the request's Host. It is named for WebSockets, which not every browser takes to be included in 'self';
// whatever is no plain host is left out, so that a request cannot add to the policy.
func PageHeaders(host string) []Header {
	connect := "'self'"
	if plainHost(host) {
		connect += " ws://" + host + " wss://" + host
	}
	policy := []string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"connect-src " + connect,
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types 'none'",
	}
	return []Header{
		{"Content-Security-Policy", strings.Join(policy, "; ")},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()"},
	}
}

// plainHost reports whether host is a name or an address, with or without a port, and nothing that means something in
// a policy.
func plainHost(host string) bool {
	return host != "" && len(host) <= 255 && !strings.ContainsFunc(host, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._:[]", r))
	})
}
