package protocol_test

import (
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// What a connection with proof costs the server beside one without: Parse, Challenge and Verify, once each.

func BenchmarkParseProvableKey(b *testing.B) {
	eachOwner(b, func(b *testing.B, o owner) {
		for b.Loop() {
			if _, ok := protocol.ParseProvableKey(o.claim.PublicKey); !ok {
				b.Fatal("not provable")
			}
		}
	})
}

func BenchmarkChallenge(b *testing.B) {
	eachOwner(b, func(b *testing.B, o owner) {
		key, _ := protocol.ParseProvableKey(o.claim.PublicKey)
		buf := make([]byte, 0, 512)
		for b.Loop() {
			c, err := key.Challenge(time.Now())
			if err != nil {
				b.Fatal(err)
			}
			buf = c.Append(buf[:0])
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	eachOwner(b, func(b *testing.B, o owner) {
		key, _ := protocol.ParseProvableKey(o.claim.PublicKey)
		now := time.Now()
		for b.Loop() {
			b.StopTimer()
			c := must(key.Challenge(now))
			p := must(protocol.Prove(o.private, c, &o.claim))
			b.StartTimer()
			if !c.Verify(now, &o.claim, p) {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkProve(b *testing.B) {
	eachOwner(b, func(b *testing.B, o owner) {
		key, _ := protocol.ParseProvableKey(o.claim.PublicKey)
		c := must(key.Challenge(time.Now()))
		for b.Loop() {
			if _, err := protocol.Prove(o.private, c, &o.claim); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func eachOwner(b *testing.B, run func(*testing.B, owner)) {
	for _, name := range []string{"x25519", "p256", "ed25519", "rsa"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			run(b, owners()[name])
		})
	}
}
