package transport_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest"
	"github.com/enigma-protocol/enigma/transport"
	"github.com/enigma-protocol/enigma/transport/client"
)

// exampleBroker starts a broker. Programs keep its mail in a store that outlives them.
func exampleBroker() *actors.Broker {
	broker, err := actors.New(actors.WithStore(storetest.NewMemory(persistence.Quota{Messages: 1000, Bytes: 16 << 20})))
	if err != nil {
		log.Fatal(err)
	}
	return broker
}

// exampleListener listens on any port, and returns its URL.
func exampleListener() (ln net.Listener, base string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return ln, "http://" + ln.Addr().String()
}

// greet has one user send another a message through the server at a URL.
func greet(ctx context.Context, base string) {
	bob, err := client.DialKey(ctx, base, "bob's key")
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close(ctx)
	alice, err := client.DialKey(ctx, base, "alice's key")
	if err != nil {
		log.Fatal(err)
	}
	defer alice.Close(ctx)
	if err := alice.Send(ctx, bob.ID(), "hello, encrypted"); err != nil {
		log.Fatal(err)
	}
	m, err := bob.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	m.Confirm()
	fmt.Println("at", strings.Replace(base, hostOf(base), "host", 1)+":", m.Payload)
}

func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		log.Fatal(err)
	}
	return u.Host
}

// visit shows what a page of the host says.
func visit(page string) {
	answer, err := http.Get(page)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(body))
}

// A host that serves by fasthttp itself gives the broker a part of its paths.
func ExampleServer_Handler() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := exampleBroker()
	front, err := transport.New(broker, transport.Options{Prefix: "/broker", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	enigma := front.Handler()
	host := &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			// By the target as it was sent: keys in paths are not to be decoded here.
			if target := string(ctx.RequestURI()); target == "/broker" || strings.HasPrefix(target, "/broker/") {
				enigma(ctx)
				return
			}
			ctx.SetBodyString("the host's own")
		},
		ErrorHandler:                 front.ErrorHandler(),
		KeepHijackedConns:            true,
		ReadBufferSize:               18 << 10,
		DisablePreParseMultipartForm: true,
		CloseOnShutdown:              true,
	}
	ln, base := exampleListener()
	go host.Serve(ln)

	greet(ctx, base+"/broker")
	visit(base + "/broker/login/a//b") // a key may hold anything
	visit(base + "/elsewhere")

	front.Drain()        // refuse what is new,
	broker.Shutdown(ctx) // end the conns in order and store what is unconfirmed,
	front.Shutdown(ctx)  // wait for the sockets,
	host.ShutdownWithContext(ctx)
	// Output:
	// at http://host/broker: hello, encrypted
	// {"userId":"pknm6my2lxa6aigbpea6qwjwuj46bksj","user":"pknm6my2lxa6aigbpea6qwjwuj46bksj"}
	// the host's own
}

// A host that serves by net/http runs the front end beside it, on loopback, and passes a part of its paths on: WebSocket
// upgrades go through httputil.ReverseProxy.
func ExampleServer_netHTTP() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	broker := exampleBroker()
	front, err := transport.New(broker, transport.Options{Prefix: "/broker", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	behind, inner := exampleListener()
	go front.Serve(behind)

	target, err := url.Parse(inner)
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()      // the limits are per source address; loopback is believed
		r.Out.Host = r.In.Host // a proof of key possession is bound to it
	}}
	own := http.NewServeMux()
	own.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the host's own") })
	host := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Before the ServeMux, which would redirect keys with two slashes in them.
		if r.URL.Path == "/broker" || strings.HasPrefix(r.URL.Path, "/broker/") {
			proxy.ServeHTTP(w, r)
			return
		}
		own.ServeHTTP(w, r)
	})}
	ln, base := exampleListener()
	go host.Serve(ln)

	greet(ctx, base+"/broker")
	visit(base + "/broker/login/a//b") // a key may hold anything
	visit(base + "/elsewhere")

	front.Drain()
	broker.Shutdown(ctx)
	front.Shutdown(ctx)
	host.Shutdown(ctx)
	// Output:
	// at http://host/broker: hello, encrypted
	// {"userId":"pknm6my2lxa6aigbpea6qwjwuj46bksj","user":"pknm6my2lxa6aigbpea6qwjwuj46bksj"}
	// the host's own
}
