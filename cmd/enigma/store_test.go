package main_test

import (
	"testing"

	"github.com/enigma-protocol/enigma/persistence/redis/redistest"
)

// startRedis starts a Redis for the test and returns its URL.
func startRedis(t *testing.T) string { return redistest.Start(t).URL() }
