package bench_test

import (
	"os"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestMain(m *testing.M) { os.Exit(enigmatest.Main(m)) }
