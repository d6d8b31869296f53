package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyWithin bounds the question to the store behind /readyz.
const readyWithin = time.Second

// admin serves what an operator looks at: health, metrics, profiles. It is apart from the front end, on an address of
// its own, because none of it is for the public.
type admin struct {
	http.Server
	ready func(context.Context) error // nil: ready
}

// newAdmin makes the server. metrics are what /metrics shows; ready tells why this node takes no users, or nil.
func newAdmin(metrics prometheus.Gatherer, ready func(context.Context) error, onlyLocal bool, log *slog.Logger) *admin {
	a := &admin{ready: ready}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	a.Handler = mux
	if onlyLocal {
		a.Handler = localHost(mux)
	}
	// No WriteTimeout: a profile takes as long as its reader asks for.
	a.ReadHeaderTimeout, a.IdleTimeout = 5*time.Second, time.Minute
	a.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	return a
}

func (a *admin) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	if err := a.ready(ctx); err != nil {
		respond(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	respond(w, http.StatusOK, "ok")
}

// respond writes one line of text.
func respond(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // a reader that has gone needs no answer
}

// localHost refuses requests whose Host is not this machine by name. A listener on loopback is reached by every page
// in a local browser whose DNS answers 127.0.0.1 (DNS rebinding), and profiles hold what is in memory.
func localHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if !strings.EqualFold(host, "localhost") && (err != nil || !addr.IsLoopback()) {
			respond(w, http.StatusForbidden, "this address answers to localhost only")
			return
		}
		next.ServeHTTP(w, r)
	})
}
