package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enigma-protocol/enigma/cmd/enigma/enigmatest"
)

// quickLoad are settings with which a run takes a moment.
var quickLoad = []string{"--users", "10", "--warmup", "0s", "--duration", "100ms", "--settle", "0s"}

func TestLoad_ReportsAsTextJSONAndPlots(t *testing.T) {
	s := enigmatest.Start(t, "--store", "memory")
	at := append([]string{"--server", s.URL("")}, quickLoad...)
	r := enigmatest.Run(t, nil, append([]string{"load", "pairs"}, at...)...)
	if r.Status != 0 || r.Stderr != "" || !strings.Contains(r.Stdout, "all as it should be") {
		t.Errorf("text: %s", r)
	}
	dir := filepath.Join(t.TempDir(), "plots")
	r = enigmatest.Run(t, nil, append([]string{"load", "idle", "--json", "--plot", dir}, append(at, "--users", "4,8")...)...)
	var results []struct {
		Mode  string
		Users int
		Steps []struct{ Count int }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &results); err != nil || r.Status != 0 {
		t.Fatalf("JSON: %v: %s", err, r)
	}
	if len(results) != 2 || results[1].Mode != "idle" || results[1].Users != 8 || results[1].Steps[0].Count != 8 {
		t.Errorf("results are %+v", results)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "throughput.svg")); err != nil || !strings.HasPrefix(string(text), "<svg ") {
		t.Errorf("plot: %v, %.100q", err, text)
	}
}

func TestLoad_WrongUseExitsWithTwoAndSaysWhatToWrite(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "no mode: write `enigma load MODE`, which is pairs, "},
		{[]string{"chat"}, "write pairs, "},
		{[]string{"pairs", "now"}, `what is "now" to be? Write --NAME VALUE`},
		{[]string{"pairs", "--users", "3"}, "write an even number"},
		{[]string{"pairs", "--users", "many"}, "write a whole number from 2"},
		{[]string{"pairs", "--rate", "fast"}, "such as 20/s, or off"},
		{[]string{"pairs", "--profile", "v2"}, "write plain, v1"},
	} {
		r := enigmatest.Run(t, nil, append([]string{"load"}, c.args...)...)
		if r.Status != 2 || r.Stdout != "" {
			t.Errorf("load %s: %s", strings.Join(c.args, " "), r)
		}
		contains(t, r, c.want)
	}
}

func TestLoad_ExitsWithOneWhenTheServerDoesWrong(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	r := enigmatest.Run(t, nil, append([]string{"load", "pairs", "--server", s.URL}, quickLoad...)...)
	if r.Status != 1 {
		t.Errorf("%s", r)
	}
	contains(t, r, "enigma: nobody could connect: user ", "login: status 404")
}
