package transport

import (
	"bufio"
	"bytes"
	"fmt"

	"github.com/valyala/fasthttp"
)

// fasthttp keeps the memory of a request for the next one, on the same connection or another, and every header line, every
// name in Trailer, has a place of its own there, which keeps the longest value that it has ever held. It also takes a target
// to pieces before anybody asks, and to clean a path moves what follows each "//" and "/./". What a client can make of
// either is bounded here: of a head with many lines only those stay that anybody asks for, what is not small is not kept,
// and the target is hidden.

const (
	// Of a head with more than maxLines header lines, and names in its Trailer, only those stay that are asked for, and no
	// more of them. Browsers behind proxies send some forty.
	maxLines = 128
	// A request is small, and its memory kept for the next, up to this many bytes and header lines.
	keepBytes, keepLines = 1 << 10, 32
	// maxRoute bounds what the router gets of a path, which is cleaned before that. No resource has a longer one, but
	// logins, where what follows is the key.
	maxRoute = 256

	// hiddenTarget precedes a target that is hidden: what fasthttp takes for a query it leaves alone. A space cannot be in
	// one that has come with a request.
	hiddenTarget = "/? "
	// refusedTarget is one that fasthttp refuses, and nobody can send.
	refusedTarget = "/\x00"
)

// headRead sees a head as soon as it is read, before the target is looked at and the body is waited for.
func (s *Server) headRead(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if !fewLines(h) {
		thin(h)
	}
	switch {
	case !fewLines(h):
		*h = fasthttp.RequestHeader{}
		h.SetRequestURI(refusedTarget)
	case small(h): // little to clean, and nothing to drop
	default:
		// What is kept of it, if its connection ends before it is handled, has the size of one head, and not of all that
		// ever were in the same memory.
		var only fasthttp.RequestHeader
		h.CopyTo(&only)
		*h = fasthttp.RequestHeader{}
		only.CopyTo(h)
		hideTarget(h)
	}
	return fasthttp.RequestConfig{}
}

// thin leaves of a head the lines that are asked for. It is read anew, so that fasthttp and we know of the same.
func thin(h *fasthttp.RequestHeader) {
	var few bytes.Buffer
	few.Grow(len(h.RawHeaders()))
	fmt.Fprintf(&few, "%s %s %s\r\n", h.Method(), h.RequestURI(), h.Protocol())
	stays := false
	for line := range bytes.Lines(h.RawHeaders()) {
		if line[0] != ' ' && line[0] != '\t' { // else it goes on with the one before
			name, _, _ := bytes.Cut(line, []byte{':'})
			stays = asked(name)
		}
		if stays {
			few.Write(line)
		}
	}
	few.WriteString("\r\n")
	*h = fasthttp.RequestHeader{}
	if h.Read(bufio.NewReaderSize(&few, few.Len()+1)) != nil { // it has been read once
		h.SetRequestURI(refusedTarget)
	}
}

// asked reports whether anybody looks at a header: fasthttp to read a body or to end a connection, or this package.
func asked(name []byte) bool {
	for _, known := range askedHeaders {
		if len(name) == len(known) && bytes.EqualFold(name, []byte(known)) {
			return true
		}
	}
	return isForwarding(name)
}

var askedHeaders = []string{
	fasthttp.HeaderHost, fasthttp.HeaderContentLength, fasthttp.HeaderTransferEncoding, fasthttp.HeaderExpect,
	fasthttp.HeaderConnection, fasthttp.HeaderUpgrade, fasthttp.HeaderSecWebSocketKey, fasthttp.HeaderSecWebSocketVersion,
	fasthttp.HeaderSecWebSocketProtocol, fasthttp.HeaderOrigin, fasthttp.HeaderAccept, fasthttp.HeaderAcceptEncoding,
	fasthttp.HeaderIfNoneMatch,
}

// fewLines reports whether a head has no more lines than it may.
func fewLines(h *fasthttp.RequestHeader) bool {
	n := lines(h)
	for range h.Trailers() {
		n++
	}
	return n <= maxLines
}

// lines counts the header lines, with the empty one after them.
func lines(h *fasthttp.RequestHeader) int { return bytes.Count(h.RawHeaders(), []byte{'\n'}) }

// small reports whether the memory of a request may be kept. A body is never small: its memory is taken by what is said of
// its length, and header lines may follow it.
func small(h *fasthttp.RequestHeader) bool {
	return len(h.Method())+len(h.RequestURI())+len(h.RawHeaders()) <= keepBytes && lines(h) <= keepLines &&
		!sent(h, fasthttp.HeaderContentLength) && !sent(h, fasthttp.HeaderTransferEncoding) && !sent(h, fasthttp.HeaderTrailer)
}

// forget drops a request's memory when it has been answered, but for what the server still asks of it.
func forget(ctx *fasthttp.RequestCtx) {
	head, http11 := ctx.IsHead(), ctx.Request.Header.IsHTTP11()
	ctx.Request = fasthttp.Request{}
	if head {
		ctx.Request.Header.SetMethod(fasthttp.MethodHead)
	}
	if !http11 {
		ctx.Request.Header.SetProtocol("HTTP/1.0")
	}
}

// hideTarget keeps the target from being cleaned.
func hideTarget(h *fasthttp.RequestHeader) { h.SetRequestURI(hiddenTarget + string(h.RequestURI())) }

// showTarget undoes hideTarget.
func showTarget(h *fasthttp.RequestHeader) {
	if target, hidden := bytes.CutPrefix(h.RequestURI(), []byte(hiddenTarget)); hidden {
		h.SetRequestURIBytes(target)
	}
}

// routePath returns a short path that leads where the whole one does.
func routePath(path []byte) []byte {
	if len(path) <= maxRoute {
		return path
	}
	short, rest := path[:maxRoute:maxRoute], path[maxRoute:]
	if bytes.IndexByte(rest, '/') >= 0 {
		return append(short, '/')
	}
	return short
}
