package transport

import (
	"bufio"
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// hostileTargets would each cost fasthttp's cleaning of paths the square of their length.
func hostileTargets() []string {
	var targets []string
	for _, part := range []string{"/", "/.", "/a/..", "%2F", "/.%2f", `\..`} {
		long := "/" + strings.Repeat(part, 16_000/len(part))
		targets = append(targets, long, "/login"+long, "/login/a"+long, "/connect"+long, "/connect/"+long[1:], "/ws/"+long[2:], "http://localhost"+long, long+"?"+long)
	}
	return targets
}

// Before it calls the handler, the server has fasthttp take the target to pieces, and cleans its path. Nothing that is long
// may get there, neither then nor when the router is asked.
func TestTargets_AreNeverCleaned(t *testing.T) {
	s := headServer(t)
	for _, target := range hostileTargets() {
		var ctx fasthttp.RequestCtx
		h := &ctx.Request.Header
		in := bufio.NewReaderSize(strings.NewReader("PUT "+target+" HTTP/1.1\r\nHost: localhost\r\n\r\n"), 2*maxHead)
		if err := h.Read(in); err != nil {
			t.Fatal(err)
		}
		s.http.HeaderReceived(h)
		if cleaned := ctx.URI().PathOriginal(); len(cleaned) > 1 {
			t.Errorf("%.20q: %d bytes are cleaned before the handler", target, len(cleaned))
		}
		s.http.Handler(&ctx)
		if cleaned := ctx.URI().PathOriginal(); len(cleaned) > 2*maxRoute {
			t.Errorf("%.20q: %d bytes are cleaned in the handler", target, len(cleaned))
		}
		if got := string(h.RequestURI()); got != target {
			t.Errorf("the target %.20q has become %.20q", target, got)
		}
	}
}

// noBroker is a broker that nobody asks anything.
type noBroker struct{ Broker }

func (noBroker) Limits() protocol.Limits { return protocol.DefaultLimits() }

func headServer(t *testing.T) *Server {
	t.Helper()
	s, err := New(noBroker{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is routed is as short as it may be, and leads where the whole path does.
func TestRoutePath_LeadsWhereTheWholePathDoes(t *testing.T) {
	s := headServer(t)
	long := strings.Repeat("x", maxRoute)
	for _, path := range []string{
		"/", "/version", "/login", "/login/", "/login/a", "/login/" + long, "/login/" + long + "/", "/login//" + long + "//../" + long, "/login/" + long + "/" + long,
		"/connect/" + long, "/connect/" + long + "/", "/connect/" + long + "/x", "/connect//" + long, "/connect/x/" + long, "/ws/" + long, "/ws/" + long + "/" + long,
		"/web/" + long, "/web/" + long + "/" + long, "/" + long, "/" + long + "/", "//login/" + long, "/login2/" + long,
	} {
		var answers []string
		for _, routed := range [][]byte{[]byte(path), routePath([]byte(path))} {
			var ctx fasthttp.RequestCtx
			ctx.Request.Header.SetMethod("BREW")
			ctx.URI().SetPathBytes(routed)
			s.router.Handler(&ctx)
			answers = append(answers, fmt.Sprintf("%d %s", ctx.Response.StatusCode(), ctx.Response.Header.Peek("Allow")))
		}
		if answers[0] != answers[1] {
			t.Errorf("%.20q leads to %q, and to %q by what is routed of it", path, answers[0], answers[1])
		}
		if n := len(routePath([]byte(path))); n > maxRoute+1 {
			t.Errorf("%d bytes are routed", n)
		}
	}
}
