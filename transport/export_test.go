package transport

import (
	"bufio"
	"time"

	"github.com/valyala/fasthttp"
)

// WithProofTimeout changes how long a client may take to answer a challenge.
func (o Options) WithProofTimeout(d time.Duration) Options {
	o.proofTimeout = d
	return o
}

// WithClock changes the clock of challenges.
func (o Options) WithClock(now func() time.Time) Options {
	o.now = now
	return o
}

// WithMaxHTTPConns changes how many connections may speak HTTP.
func (o Options) WithMaxHTTPConns(n int) Options {
	o.maxHTTPConns = n
	return o
}

// Routes returns what the server answers: paths by method.
func (s *Server) Routes() map[string][]string { return s.router.List() }

// Read reads a request as the server's loop does before it calls the handler. The target is what was sent.
func (s *Server) Read(ctx *fasthttp.RequestCtx, in *bufio.Reader) (target string, err error) {
	h := &ctx.Request.Header
	if err := h.Read(in); err != nil {
		return "", err
	}
	target = string(h.RequestURI())
	s.http.HeaderReceived(h)
	if err := new(fasthttp.URI).Parse(h.Host(), h.RequestURI()); err != nil {
		return target, err
	}
	if err := ctx.Request.ContinueReadBody(in, maxBody, false); err != nil {
		return target, err
	}
	return target, nil
}
