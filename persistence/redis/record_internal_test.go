package redis

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

func sample() persistence.Pending {
	return persistence.Pending{
		To: protocol.NewUserID([]byte("bob")), From: protocol.NewUserID([]byte("alice")), Seq: 1<<53 - 1,
		Time: 1_700_000_000_000, Expires: -5, ID: "id-7", Payload: []byte("some \x00 payload"),
	}
}

func TestRecord_ComesBackAsItWas(t *testing.T) {
	for _, change := range []func(*persistence.Pending){
		func(*persistence.Pending) {},
		func(p *persistence.Pending) { p.ID = "" },
		func(p *persistence.Pending) { p.ID = strings.Repeat("x", maxIDLen) },
		func(p *persistence.Pending) { p.Payload = []byte{} },
	} {
		p := sample()
		change(&p)
		b := appendRecord([]byte("before"), &p)[len("before"):]
		if len(b) != recordSize(&p) {
			t.Fatalf("%d bytes, recordSize says %d", len(b), recordSize(&p))
		}
		if got, err := parseRecord(p.To, b); err != nil || !reflect.DeepEqual(got, p) {
			t.Fatalf("got %+v, %v, want %+v", got, err, p)
		}
	}
}

// TestRecord_EveryChangedBitIsFound: and so is every cut, and another user's record.
func TestRecord_EveryChangedBitIsFound(t *testing.T) {
	p := sample()
	whole := appendRecord(nil, &p)
	for i := range whole {
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			if _, err := parseRecord(p.To, b); !errors.Is(err, persistence.ErrCorrupt) {
				t.Fatalf("bit %d of byte %d changed: %v", bit, i, err)
			}
		}
		if _, err := parseRecord(p.To, whole[:i]); !errors.Is(err, persistence.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v", i, err)
		}
	}
	if _, err := parseRecord(p.From, whole); !errors.Is(err, persistence.ErrCorrupt) {
		t.Fatalf("another user's record: %v", err)
	}
}

func FuzzParseRecord(f *testing.F) {
	p := sample()
	f.Add(appendRecord(nil, &p))
	p.ID, p.Payload = "", nil
	f.Add(appendRecord(nil, &p))
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{recordVersion, 0xff}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseRecord(p.To, b)
		if err != nil {
			if !errors.Is(err, persistence.ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		if again := appendRecord(nil, &got); !bytes.Equal(again, b) {
			t.Fatalf("%x parses to what is written as %x", b, again)
		}
	})
}

// TestLibrary_NamesItsVersion: two versions of the code have no name in common.
func TestLibrary_NamesItsVersion(t *testing.T) {
	first, _, _ := strings.Cut(library, "\n")
	version := strings.TrimPrefix(first, "#!lua name=enigma_")
	if len(version) != 8 {
		t.Fatalf("library begins with %q", first)
	}
	for _, s := range scripts {
		if !strings.HasSuffix(s.name, version) || len(s.sha) != 40 {
			t.Errorf("function %q, sha %q, version %s", s.name, s.sha, version)
		}
	}
}
