package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// What health asks need be no server of ours: its answer is written to a terminal as text only.
func TestHealth_WritesNoControlCharacters(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, "ok\x1b]0;x\x07\u009b2J\u202e\nand more")
		}))
		defer site.Close()
		out := enigmatest.Run(t, nil, "health", site.URL).String()
		if !strings.Contains(out, "ok\ufffd]0;x\ufffd\ufffd2J\ufffd and more") || strings.ContainsAny(out, "\x1b\x07\u009b\u202e") {
			t.Errorf("%q", out)
		}
	}
}
