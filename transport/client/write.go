package client

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/gobwas/ws"
)

// maxBatch is where a batch of frames is written out. One frame more may go over it.
const maxBatch = 64 << 10

// write is the writing half of a connection, a goroutine that serve starts and waits for. It alone writes to the
// connection once it is ready, and it alone judges by silence whether the server lives.
func (c *Client) write(cn *conn) {
	timer := time.NewTimer(c.cfg.idle)
	defer timer.Stop()
	var (
		buf  []byte
		ping heartbeat
	)
	for {
		c.mu.Lock()
		var sent []*outgoing
		var last bool
		buf, sent, last = c.gather(cn, buf[:0])
		wait := cn.untilRecv()
		c.mu.Unlock()

		beat, now, err := ping.check(c.cfg, cn)
		if err != nil {
			cn.kill(err)
			return
		}
		if now && !last {
			buf = appendFrame(buf, ws.OpPing, nil)
		}
		if len(buf) > 0 {
			if err := cn.w.write(buf, c.stall(cn)); err != nil {
				cn.kill(stalled(err))
				return
			}
			c.settlePlain(sent)
			if last {
				return
			}
			continue // there may be more
		}
		timer.Reset(min(beat, wait))
		select {
		case <-cn.wake:
		case <-timer.C:
		case <-cn.dead:
			return
		}
	}
}

// gather appends what is due: Pong, recv, messages, Close, in this order. It returns the plain messages among them,
// which are settled once written, and whether it ended with Close. Client.mu is held.
func (c *Client) gather(cn *conn, buf []byte) (_ []byte, sent []*outgoing, last bool) {
	last = cn.bye || c.closed
	if cn.pong != nil {
		buf = appendFrame(buf, ws.OpPong, cn.pong)
		cn.pong = nil
	}
	if cn.v1 && c.in.upTo > cn.said && (last || !cn.recvBy.IsZero() && !time.Now().Before(cn.recvBy)) {
		buf = appendFrame(buf, ws.OpText, appendRecv(nil, c.in.upTo))
		cn.said, cn.unsaid, cn.recvBy = c.in.upTo, 0, time.Time{}
	}
	if last {
		status := cn.status
		if !cn.bye {
			status = protocol.CloseNormal
		}
		return appendClose(buf, status), nil, true
	}
	for len(buf) < maxBatch {
		m := c.out.take(window(cn.limits))
		if m == nil {
			break
		}
		if !cn.v1 {
			buf = appendFrame(buf, ws.OpText, appendPlain(nil, c.id, m))
			sent = append(sent, m)
			continue
		}
		text := appendSend(nil, m)
		if most := cn.limits.MaxMessage; most > 0 && len(text) > most {
			// The server would close the connection over it.
			e := &Error{Code: ErrMessageTooLarge.Code, Text: fmt.Sprintf("frame of %d bytes, the server takes %d", len(text), most),
				To: m.to, ID: m.id}
			c.settle(m, e)
			continue
		}
		buf = appendFrame(buf, ws.OpText, text)
	}
	return buf, sent, false
}

// settlePlain settles messages that have been written on the plain profile, which answers nothing.
func (c *Client) settlePlain(sent []*outgoing) {
	if len(sent) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range sent {
		c.settle(m, nil)
	}
}

// untilRecv is how long a recv may wait; long if there is none. Client.mu is held.
func (cn *conn) untilRecv() time.Duration {
	if cn.recvBy.IsZero() {
		return time.Hour
	}
	return max(time.Until(cn.recvBy), 0)
}

// stall is how long one write may take. A server that stops reading a connection, because it cannot keep what comes,
// is not dead: it has its own idle timeout to make up its mind.
func (c *Client) stall(cn *conn) time.Duration {
	const longest = 10 * time.Minute
	idle := min(time.Duration(cn.limits.IdleTimeoutMS), time.Duration(longest/time.Millisecond)) * time.Millisecond
	return max(c.cfg.idle+c.cfg.answerTimeout, idle)
}

func stalled(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: it does not read", ErrDead)
	}
	return err
}

// heartbeat watches for silence. The writer owns it.
type heartbeat struct {
	asked time.Time // when the Ping was sent that nothing has come after; zero if none was
}

// check says how long until it is to be called again, whether a Ping is due, or that the server is dead.
func (h *heartbeat) check(cfg *config, cn *conn) (again time.Duration, ping bool, err error) {
	if cn.paused.Load() {
		cn.w.hear()
	}
	silence := cn.w.silence()
	if silence < cfg.idle {
		h.asked = time.Time{}
		return cfg.idle - silence, false, nil
	}
	if h.asked.IsZero() {
		h.asked = time.Now()
		return cfg.answerTimeout, true, nil
	}
	again = cfg.answerTimeout - time.Since(h.asked)
	if again <= 0 {
		return 0, false, fmt.Errorf("%w: silent for %v", ErrDead, silence.Round(time.Millisecond))
	}
	return again, false, nil
}
