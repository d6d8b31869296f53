//go:build !linux

package transport

import (
	"errors"
	"net"

	"github.com/enigma-protocol/enigma/actors"
)

// epoll is not on this system: conns have a goroutine each.
type epoll struct{ actors.Poller }

// NewEpoll returns an error on this system. Leave the broker its own poller.
func NewEpoll(*actors.Shard) (actors.Poller, error) {
	return nil, errors.New("transport: no epoll on this system")
}

// BrokerOptions are what a broker has to know to carry conns in the best way this system has.
func BrokerOptions() []actors.Option { return nil }

func (s *Server) openEpoll(conn, *actors.Shard, net.Conn, []byte) bool { return false }

// cutJob ends all conns of a server on a shard; there are none.
type cutJob struct {
	poll   *epoll
	server *Server
}

// Run implements [actors.Job].
func (cutJob) Run() {}
