package transport_test

import (
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
