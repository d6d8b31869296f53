package redis

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"redis://h:1":                             "h:1 master= user= pass= db=0 prefix=enigma: tls=false",
		"redis://h":                               "h:6379 master= user= pass= db=0 prefix=enigma: tls=false",
		"redis://h:1/3":                           "h:1 master= user= pass= db=3 prefix=enigma: tls=false",
		"redis://[::1]:7/":                        "[::1]:7 master= user= pass= db=0 prefix=enigma: tls=false",
		"redis://:p%40%2F@h:1":                    "h:1 master= user= pass=p@/ db=0 prefix=enigma: tls=false",
		"redis://u:p@q@h:1":                       "h:1 master= user=u pass=p@q db=0 prefix=enigma: tls=false",
		"rediss://u:p@h?prefix=":                  "h:6379 master= user=u pass=p db=0 prefix= tls=true",
		"redis://a:1,b:2,c":                       "a:1,b:2,c:6379 master= user= pass= db=0 prefix=enigma: tls=false",
		"redis+sentinel://a,b:2/mail":             "a:26379,b:2 master=mail user= pass= db=0 prefix=enigma: tls=false",
		"redis+sentinel://u:p@a/mail/4?prefix=x:": "a:26379 master=mail user=u pass=p db=4 prefix=x: tls=false",
		"rediss+sentinel://a/mail?insecure=1":     "a:26379 master=mail user= pass= db=0 prefix=enigma: tls=true",
	} {
		u, err := parseURL(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		got := fmt.Sprintf("%s master=%s user=%s pass=%s db=%d prefix=%s tls=%v",
			strings.Join(u.addrs, ","), u.master, u.user, u.pass, u.db, u.prefix, u.tls != nil)
		if got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

// TestParseURL_ErrorsKeepSecrets: wherever in a wrong URL a password stands, no error repeats it.
func TestParseURL_ErrorsKeepSecrets(t *testing.T) {
	for _, raw := range []string{
		"", "h:1", "http://u:secret@h", "u:secret@h:1", "redis://", "redis://u:secret@", "redis://u:secret@h:0",
		"redis://u:secret@h:99999", "redis://u:secret@h:x", "redis://u:secret%zz@h", "redis://u:se?cret@h", "redis://u:secret/x@h",
		"redis://u:secret@h/x", "redis://u:secret@a,b/1", "redis://u:secret@h?unknown=1", "redis://u:secret@h?%zz=1",
		"redis://u:secret@h?ca=f", "redis://u:secret@h?prefix=%7B", "redis+sentinel://u:secret@h", "redis+sentinel://u:secret@h/",
		"redis://h?sentinel_password=secret", "rediss://u:secret@h?ca=/nonexistent", "rediss://u:secret@h?cert=/nonexistent",
		"rediss://u:secret@h?key=/nonexistent", "redis://a,,b", "redis+sentinel://h/mail/x",
	} {
		u, err := parseURL(raw)
		if err == nil {
			t.Errorf("%s: accepted as %+v", raw, u)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "cret@") {
			t.Errorf("%s: the error tells: %v", raw, err)
		}
	}
}

func TestTarget_ExposedWithoutAPassword(t *testing.T) {
	for raw, want := range map[string]bool{
		"redis://127.0.0.1": false, "redis://localhost:1": false, "redis://[::1]:1": false, "redis://127.9.9.9": false,
		"redis://10.0.0.1": true, "redis://redis:6379": true, "redis://127.0.0.1,10.0.0.1": true, "redis://:p@10.0.0.1": false,
	} {
		u, err := parseURL(raw)
		if err != nil || u.exposed() != want {
			t.Errorf("%s: exposed %v, %v, want %v", raw, u.exposed(), err, want)
		}
	}
}
