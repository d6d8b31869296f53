package storetest

import (
	"github.com/enigma-protocol/enigma/persistence"
	"github.com/enigma-protocol/enigma/persistence/storetest/memory"
)

// Memory is the store in memory.
type Memory = memory.Store

// NewMemory returns an empty store in memory, for tests. A program that runs on it uses package memory itself, so that
// it does not link the suite.
func NewMemory(quota persistence.Quota) *Memory { return memory.New(quota) }
