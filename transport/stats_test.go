package transport_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/enigma-protocol/enigma/transport"
)

func TestStats_CountAnswersByStatus(t *testing.T) {
	accounts := newAccounts()
	s, addr := serve(t, accounts, transport.Options{})
	get(t, addr, "/login/alice")
	get(t, addr, "/nowhere")
	get(t, addr, "/ws/alice")
	raw(t, addr, "GET", "no request\r\n\r\n")
	accounts.panic = true
	get(t, addr, "/login/bob")
	want := map[int]uint64{200: 1, 404: 1, 426: 1, 400: 1, 500: 1}
	if got := s.Stats().Answers; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestStats_TellWhatBecameOfChallenges(t *testing.T) {
	onAll(t, func(t *testing.T, b backend) {
		n := b.start(t, transport.Options{})
		k := newX25519()
		gone := n.connect(k.key, offerV1)
		gone.challenge()
		if s := n.server.Stats(); s.Challenges != 1 || s.Conns != 1 {
			t.Errorf("challenged: %+v", s)
		}
		gone.drop()
		eventually(t, "the end of the conn is seen", func() bool { return n.server.Stats().Conns == 0 })
		closes := n.connect(k.key, offerV1)
		closes.challenge()
		closes.Write(clientFrame(0x88, []byte{0x03, 0xe8}))
		closes.wantClose(1000)
		wrong := n.connect(k.key, offerV1)
		wrong.challenge()
		wrong.sendText(`{"type":"proof","tag":"AAAA"}`)
		wrong.wantRefusal()
		declines := n.connect(k.key, offerV1)
		declines.challenge()
		declines.sendText(`{"type":"proof"}`)
		declines.wantReady(false)
		proves := n.connect(k.key, offerV1)
		proves.prove(k)
		proves.wantReady(true)
		s := n.server.Stats()
		if got := fmt.Sprint(s.Challenges, s.Proven, s.Declined, s.Failed, s.Abandoned, s.Answers[101]); got != "5 1 1 1 2 5" {
			t.Errorf("challenges, proven, declined, failed, abandoned, upgrades: %s", got)
		}
	})
}
