package transport

import (
	"iter"
	"strings"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
)

// all returns the conns of a loop, and of others those that run on goroutines. Shard goroutine only.
func (l *loop) all() iter.Seq[*conn] {
	return func(yield func(*conn) bool) {
		if l.poll != nil {
			for _, c := range l.poll.conns {
				if c != nil && !yield(&c.conn) {
					return
				}
			}
		}
		l.server.conns.mu.Lock()
		defer l.server.conns.mu.Unlock()
		for c := range l.server.conns.strays {
			if s, ok := c.(*stream); ok && s.loop == l && !yield(&s.conn) {
				return
			}
		}
	}
}

// explosive is a link that panics, once, in each of the methods that are named.
type explosive struct {
	link
	in string
}

func (e *explosive) blow(method string) {
	if strings.Contains(e.in, method) {
		e.in = strings.Replace(e.in, method, "", 1)
		panic("exploded in " + method)
	}
}

func (e *explosive) Submit(s *actors.Submission) {
	e.blow("Submit")
	e.link.Submit(s)
}

func (e *explosive) Fail(code protocol.Code, with protocol.CloseCode) {
	e.blow("Fail")
	e.link.Fail(code, with)
}

func (e *explosive) Detach() {
	e.blow("Detach")
	e.link.Detach()
}

type job func()

func (f job) Run() { f() }

// Explode has the conn of a user panic when it calls its link.
func (s *Server) Explode(shard *actors.Shard, id protocol.UserID, in string) {
	done := make(chan struct{})
	shard.Post(job(func() {
		for c := range s.loopFor(shard).all() {
			if c.id == id && !c.is(discharged) {
				c.link = &explosive{c.link, in}
			}
		}
		close(done)
	}))
	<-done
}
