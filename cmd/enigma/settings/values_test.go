package settings_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/cmd/enigma/settings"
)

// refused stands for "an error which says what to write".
const refused = "refused"

// check parses each text and compares what comes out, printed.
func check[T any](t *testing.T, name string, parse func(string) (T, error), cases map[string]string) {
	t.Helper()
	for text, want := range cases {
		v, err := parse(text)
		got := fmt.Sprint(v)
		if err != nil {
			got = refused
			if !strings.Contains(err.Error(), "write ") {
				t.Errorf("%s %q: the error does not say what to write: %v", name, text, err)
			}
		}
		if got != want {
			t.Errorf("%s %q: %s, want %s (%v)", name, text, got, want, err)
		}
	}
}

func TestValues_ParseOrSayWhatToWrite(t *testing.T) {
	check(t, "size", settings.Size(0, math.MaxInt64), map[string]string{
		"0": "0", "65536": "65536", "128KiB": "131072", "16 MiB": "16777216", "1gib": "1073741824", "7B": "7",
		"1TiB": "1099511627776", "": refused, "KiB": refused, "1MB": refused, "-1": refused, "1.5MiB": refused,
		"9223372036854775807": "9223372036854775807", "9223372036854775807KiB": refused,
	})
	check(t, "bounded size", settings.Size(10, 20), map[string]string{"9": refused, "10": "10", "20": "20", "21": refused})
	check(t, "share", settings.Share(1000, 100), map[string]string{
		"25%": "250", "5%": "100", "100%": "1000", "0%": refused, "101%": refused, "1KiB": "1024", "99": refused, "x%": refused,
	})
	check(t, "duration", settings.Duration(time.Millisecond, 720*time.Hour), map[string]string{
		"1ms": "1ms", "1m30s": "1m30s", "720h": "720h0m0s", "0": refused, "721h": refused, "5": refused, "-1s": refused, "30d": refused,
	})
	check(t, "rate", settings.Rate, map[string]string{
		"20/s": "20", "off": "0", "20": refused, "0/s": refused, "-1/s": refused, "0.5/s": refused, "x/s": refused, "20/d": refused,
	})
	check(t, "int", settings.Int(1, 5), map[string]string{"1": "1", "5": "5", "0": refused, "6": refused, "x": refused, "": refused})
	check(t, "choice", settings.OneOf("text", "json"), map[string]string{"text": "text", "json": "json", "": refused, "xml": refused})
	check(t, "host:port", settings.HostPort, map[string]string{
		":8080": ":8080", "127.0.0.1:0": "127.0.0.1:0", "[::1]:80": "[::1]:80", "localhost:80": "localhost:80",
		"8080": refused, "a:b": refused, "::1:80": refused, "http://a:80": refused, "a:65536": refused, "": refused, "off": refused,
	})
	check(t, "host:port or off", settings.HostPortOrOff, map[string]string{"off": "", ":9090": ":9090", "no": refused, "": refused})
	check(t, "origins", settings.Origins, map[string]string{
		"*": "[]", "https://chat.example": "[https://chat.example]", "http://a:1, https://b": "[http://a:1 https://b]",
		"chat.example": refused, "https://a/": refused, "https://A": refused, "": refused, "https://a,": refused, "https://a,*": refused,
	})
	check(t, "prefixes", settings.Prefixes, map[string]string{
		"": "[]", "10.0.0.0/8": "[10.0.0.0/8]", "192.0.2.7, fd00::/8": "[192.0.2.7/32 fd00::/8]",
		"10.0.0.1/8": refused, "x": refused, "10.0.0.0/33": refused,
	})
}

func TestNearest_FindsTheWordThatWasMeant(t *testing.T) {
	words := []string{"serve", "version", "help", "max-message", "max-conns-per-ip"}
	for written, want := range map[string]string{
		"serv": "serve", "sevre": "serve", "Serve": "serve", "vesrion": "version", "maxmessage": "max-message", "max-conns": "",
		"max-conn-per-ip": "max-conns-per-ip", "start": "", "": "", "hlep": "help",
	} {
		if got := settings.Nearest(written, words); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
}
