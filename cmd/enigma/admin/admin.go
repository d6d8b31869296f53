// Package admin is what an operator sees of a running server, on a listener of its own, for none of it is for the public:
//
//	/                     the dashboard, which draws what /metrics.json says
//	/metrics              all metrics for Prometheus; [Table] lists those that are ours
//	/metrics.json         the same for the dashboard and for `enigma top`
//	/healthz, /readyz     200 or 503: the process answers; it takes users
//	/debug/pprof/         profiles
//
// # The flow of a number
//
// Shards count in plain fields, the front end in atomics; both give a copy when they are asked. A scrape asks once, and
// [Table] says which field each metric shows. There is no state here, so any number of readers see the same.
//
// # Who may ask
//
// The listener has no password: it is for loopback, or a network of the operator's own. What it has to fear is a browser
// in that place. A page of a stranger may point its own name at this address (DNS rebinding) and read profiles, which
// hold what is in memory; so a Host that is a name must be one of those the operator gave, or localhost. A page may also
// have the browser fetch things from here without seeing them; so requests from other sites are refused, but for links
// to the dashboard. Browsers do not say so of requests over http to other machines: profiles, which cost something to make,
// they get there from the list of profiles only.
package admin

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyWithin bounds the question to the store behind /readyz.
const readyWithin = time.Second

// Options are what the server shows, and to whom. All but Hosts must be set.
type Options struct {
	Metrics prometheus.Gatherer         // what /metrics shows
	Ready   func(context.Context) error // why this node takes no users; nil: it does
	Local   bool                        // the listener is on loopback: only this machine's own addresses are asked for
	Hosts   []string                    // names, beside localhost, by which the server is asked; "*" for any
	Log     *slog.Logger
}

// Server is the HTTP server of the admin listener.
type Server struct {
	http.Server
	opts Options
}

// New makes the server; Serve and Close are those of [http.Server].
func New(opts Options) *Server {
	a := &Server{opts: opts}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(opts.Metrics, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(opts.Log.Handler(), slog.LevelWarn)}))
	mux.HandleFunc("GET /metrics.json", a.serveReading)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	// Not pprof.Cmdline: the arguments may hold the store's password.
	mux.HandleFunc("GET /debug/pprof/cmdline", func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, "enigma") })
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	dashboard(mux)
	a.Handler = a.guard(mux)
	// No WriteTimeout: a profile takes as long as its reader asks for.
	a.ReadHeaderTimeout, a.ReadTimeout, a.IdleTimeout = 5*time.Second, 10*time.Second, time.Minute
	a.MaxHeaderBytes = 64 << 10
	a.ErrorLog = slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug)
	return a
}

func (a *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	if err := a.opts.Ready(ctx); err != nil {
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
