package main

import (
	"slices"
	"testing"
	"time"

	"github.com/enigma-protocol/enigma/actors"
)

// load reads a configuration from flags alone.
func load(t *testing.T, args ...string) (*Config, error) {
	t.Helper()
	c, _, err := loadConfig(&system{}, args)
	return c, err
}

func TestConfig_DefaultsHold(t *testing.T) {
	c, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.MaxMessage != 128<<10 || c.TTL != 30*24*time.Hour || c.RateLogins != 20 ||
		c.Store != (storeURL{storeEmbedded, "./enigma-data"}) || c.Origins != nil || c.Auth != actors.AuthLock || c.Hosts != nil || c.Memory < 16<<20 {
		t.Errorf("%+v", c)
	}
}

func TestConfig_HostsAreAsProofsNameThem(t *testing.T) {
	c, err := load(t, "--auth", "require", "--public-host", "Chat.Example:443, [::1]:8443")
	if err != nil || c.Auth != actors.AuthRequire || !slices.Equal(c.Hosts, []string{"chat.example", "[::1]:8443"}) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestStore_IsNamedWithoutItsPassword(t *testing.T) {
	for store, want := range map[string]string{
		"memory":                 "memory",
		"./data":                 "./data",
		"redis://u:secret@h:1/0": "redis://h:1/0",
		"rediss://:se@cret@h:1":  "rediss://h:1",
		"redis+sentinel://u:secret@a:1,b:2/m/0?sentinel_pass=secret": "redis+sentinel://a:1,b:2/m/0",
	} {
		s, err := parseStore(store)
		if err != nil || s.String() != want {
			t.Errorf("%s: %s, %v; want %s", store, s, err, want)
		}
	}
}
