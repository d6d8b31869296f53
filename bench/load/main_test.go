package load_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestMain(m *testing.M) {
	status := enigmatest.Main(m)
	if status == 0 {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			status = 1
		}
	}
	os.Exit(status)
}
