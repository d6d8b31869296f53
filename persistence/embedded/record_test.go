package embedded

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

func user(name string) protocol.UserID { return protocol.NewUserID([]byte(name)) }

func mailValue(p persistence.Pending) []byte {
	value := make([]byte, encodedMailLen(&p))
	encodeMail(value, &p)
	return value
}

func FuzzParseMail(f *testing.F) {
	f.Add(mailValue(persistence.Pending{From: user("a"), Time: -1, Expires: math.MaxInt64, ID: "id", Payload: []byte("x")}))
	f.Add(mailValue(persistence.Pending{}))
	f.Add([]byte{recordVersion})
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := parseMail(value)
		if err != nil {
			if !errors.Is(err, persistence.ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		again := mailValue(persistence.Pending{From: e.from, Time: e.time, Expires: e.expires, ID: string(e.id), Payload: e.payload})
		if !bytes.Equal(again, value) {
			t.Fatalf("%x was read as %x", value, again)
		}
	})
}

func FuzzParseState(f *testing.F) {
	f.Add(appendState(nil, &state{highest: 1<<53 - 1, floor: 7, count: 3, bytes: 1 << 40, ids: 2, due: math.MaxInt64}))
	f.Add(appendState(nil, &state{}))
	f.Fuzz(func(t *testing.T, value []byte) {
		s, err := parseState(value)
		if err != nil {
			if !errors.Is(err, persistence.ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		again, err := parseState(appendState(nil, &s))
		if err != nil || again != s {
			t.Fatalf("%+v came back as %+v, %v", s, again, err)
		}
	})
}

func FuzzParseKeyRecord(f *testing.F) {
	f.Add(appendKeyRecord(nil, []byte("key"), true))
	f.Add(appendKeyRecord(nil, []byte{0}, false))
	f.Fuzz(func(t *testing.T, value []byte) {
		key, locked, err := parseKeyRecord(value)
		if err != nil {
			if !errors.Is(err, persistence.ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		if again := appendKeyRecord(nil, key, locked); !bytes.Equal(again, value) {
			t.Fatalf("%x was read as %x", value, again)
		}
	})
}

// TestParse_RefusesOtherVersionsAndEveryCut holds what the fuzzers only look for: a value cut short, or of another
// version, is corrupt.
func TestParse_RefusesOtherVersionsAndEveryCut(t *testing.T) {
	st := appendState(nil, &state{highest: 300, floor: 200, count: 2, bytes: 1000, ids: 1, due: 1 << 40})
	mail := mailValue(persistence.Pending{From: user("a"), ID: "id"})
	parsers := map[string]struct {
		value []byte
		parse func([]byte) error
	}{
		"mail":   {mail, func(v []byte) error { _, err := parseMail(v); return err }},
		"state":  {st, func(v []byte) error { _, err := parseState(v); return err }},
		"key":    {appendKeyRecord(nil, nil, true), func(v []byte) error { _, _, err := parseKeyRecord(v); return err }},
		"number": {appendUint64(nil, 5), func(v []byte) error { _, err := parseUint64(v); return err }},
	}
	for name, p := range parsers {
		if err := p.parse(p.value); err != nil {
			t.Errorf("%s: whole value: %v", name, err)
		}
		for n := range p.value {
			if err := p.parse(p.value[:n]); !errors.Is(err, persistence.ErrCorrupt) {
				t.Errorf("%s: first %d of %d bytes: %v", name, n, len(p.value), err)
			}
		}
		other := bytes.Clone(p.value)
		other[0]++
		if err := p.parse(other); !errors.Is(err, persistence.ErrCorrupt) {
			t.Errorf("%s: another version: %v", name, err)
		}
	}
}
