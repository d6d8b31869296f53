package main

import (
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/enigma-protocol/enigma/transport"
)

// frontEnd names the settings of the front end by their fields in Config, and the options that they set.
var frontEnd = map[string]string{
	"Origins": "Origins", "Hosts": "PublicHosts", "RateLogins": "RateLogins", "RateMessages": "RateMessages", "MaxConns": "MaxConns",
	"MaxConnsPerIP": "MaxConnsPerIP", "TrustedProxy": "TrustedProxies", "Memory": "HoldBytes",
}

// elsewhere are the other fields of Config: what they are for is not the front end.
var elsewhere = []string{
	"Listen", "Store", "Auth", "TLSCert", "TLSKey", "Admin", "AdminHosts", "MaxMessage", "MailboxMessages", "MailboxBytes", "TTL",
	"ConfirmInterval", "SpillAfter", "IdleTimeout", "CreditMessages", "CreditBytes", "OutboxBytes", "EventLoop", "MinFree",
	"ShutdownTimeout", "LogLevel", "LogFormat",
}

// TestWiring_EachSettingOfTheFrontEndReachesIt changes one field of the configuration after the other.
func TestWiring_EachSettingOfTheFrontEndReachesIt(t *testing.T) {
	defaults, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	defaults.Memory = 64 << 20 * int64(shards()) // below the largest share that half-sent messages get
	before := optionsOf(*defaults)
	for i := range reflect.TypeFor[Config]().NumField() {
		name := reflect.TypeFor[Config]().Field(i).Name
		option, ours := frontEnd[name]
		if !ours {
			if !slices.Contains(elsewhere, name) {
				t.Errorf("%s: is it a setting of the front end? Write it into one of the lists", name)
			}
			continue
		}
		changed := *defaults
		alter(reflect.ValueOf(&changed).Elem().Field(i))
		if got := difference(before, optionsOf(changed)); !slices.Equal(got, []string{option}) {
			t.Errorf("%s changes the options %q, want %s", name, got, option)
		}
	}
}

// Whatever memory there is, a few of the largest messages may come in part.
func TestWiring_HalfSentMessagesHaveRoom(t *testing.T) {
	if got := optionsOf(Config{MaxMessage: 16 << 20, Memory: 16 << 20}).HoldBytes; got != 64<<20 {
		t.Errorf("%d bytes for messages of 16 MiB", got)
	}
}

func optionsOf(c Config) transport.Options {
	s := &server{cfg: &c, log: slog.New(slog.DiscardHandler)}
	return s.transportOptions()
}

// alter gives a field another value.
func alter(field reflect.Value) {
	switch v := field.Addr().Interface().(type) {
	case *[]string:
		*v = []string{"https://chat.example"}
	case *[]netip.Prefix:
		*v = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	case *int:
		*v = *v*2 + 1
	case *int64:
		*v *= 2
	default:
		panic(field.Type().String() + ": say what another value is")
	}
}

// difference returns the names of the options that are not the same, but for the page and the log.
func difference(a, b transport.Options) (names []string) {
	for i := range reflect.TypeFor[transport.Options]().NumField() {
		field := reflect.TypeFor[transport.Options]().Field(i)
		if !field.IsExported() || field.Name == "Page" || field.Name == "Log" {
			continue
		}
		if !reflect.DeepEqual(reflect.ValueOf(a).Field(i).Interface(), reflect.ValueOf(b).Field(i).Interface()) {
			names = append(names, field.Name)
		}
	}
	return names
}
