package actors_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/enigma-protocol/enigma/actors"
	"github.com/enigma-protocol/enigma/actors/protocol"
	"github.com/enigma-protocol/enigma/persistence"
)

// strangeKeys is a store in which somebody has put another key in place of each.
type strangeKeys struct{ actors.Store }

func (s strangeKeys) Keys(ctx context.Context, users []protocol.UserID, keys []persistence.KeyRecord, errs []error) error {
	err := s.Store.Keys(ctx, users, keys, errs)
	for i := range keys {
		if len(keys[i].Key) > 0 {
			keys[i].Key = bytes.ToUpper(keys[i].Key)
		}
	}
	return err
}

// An id is the hash of its key. One that is not, whoever put it there, is proved by nobody and told to nobody.
func TestBroker_TakesNoKeyForAnotherUsers(t *testing.T) {
	b := newBroker(t, strangeKeys{newMemory()})
	id := login(t, b, "alice")
	for _, ask := range []func(context.Context, protocol.UserID) ([]byte, error){b.PublicKey, b.KeyToProve} {
		if key, err := ask(t.Context(), id); actors.CodeOf(err) != protocol.CodeStoreUnavailable || key != nil {
			t.Errorf("%q, %v", key, err)
		}
	}
	for _, c := range []*conn{connect(t, b, id), connect(t, b, id, proven)} {
		expect(t, c.next(), frame{close: protocol.CloseTryAgain})
	}
}
