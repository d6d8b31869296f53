package transport_test

import (
	"runtime"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/transport"
)

func init() {
	backends = append(backends, backend{
		name:    "epoll",
		options: transport.BrokerOptions(),
	}, backend{
		name:    "epoll, two shards",
		options: []actors.Option{actors.WithPoller(transport.NewEpoll), actors.WithShards(2)},
	})
}

func TestEpoll_IdleConnsHaveNoGoroutine(t *testing.T) {
	n := backends[1].start(t, transport.Options{})
	var conns []*wsConn
	n.connect("first").attached()
	before := runtime.NumGoroutine()
	for i := range 200 {
		conns = append(conns, n.connect(itoa(i)).attached())
	}
	if after := runtime.NumGoroutine(); after > before+20 {
		t.Errorf("%d goroutines before, %d with %d conns", before, after, len(conns))
	}
}
