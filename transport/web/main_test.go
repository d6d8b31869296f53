package web_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

func TestMain(m *testing.M) {
	status := enigmatest.Main(m)
	stopBrowser()
	if status == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.Exit(status)
}
