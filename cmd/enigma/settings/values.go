package settings

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Text takes any text.
func Text(text string) (string, error) { return text, nil }

// OneOf takes one of a few words.
func OneOf(words ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		for _, word := range words {
			if text == word {
				return word, nil
			}
		}
		return "", fmt.Errorf("%q is none of the choices: write %s", text, strings.Join(words, ", "))
	}
}

// Int takes a whole number within bounds.
func Int(low, high int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < low || n > high {
			return 0, fmt.Errorf("%q does not do: write a whole number from %d to %d", text, low, high)
		}
		return n, nil
	}
}

// IntOrAuto takes a whole number within bounds, or "auto", which is 0: the program finds one itself.
func IntOrAuto(low, high int) func(string) (int, error) {
	number := Int(low, high)
	return func(text string) (int, error) {
		if text == "auto" {
			return 0, nil
		}
		n, err := number(text)
		if err != nil {
			err = fmt.Errorf("%w, or auto", err)
		}
		return n, err
	}
}

// Duration takes a time span within bounds, as time.ParseDuration reads it.
func Duration(low, high time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil || d < low || d > high {
			return 0, fmt.Errorf("%q does not do: write a time with its unit from %s to %s, such as 250ms, 60s, 10m or 24h",
				text, span(low), span(high))
		}
		return d, nil
	}
}

// span formats d without the zero units that time.Duration appends ("720h0m0s").
func span(d time.Duration) string {
	s := d.String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}

// sizeUnits, largest first. The decimal ones are left out: who writes 1MB rarely means 1,000,000.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// Size takes a number of bytes within bounds: 65536, 64KiB, 16MiB.
func Size(low, high int64) func(string) (int64, error) {
	return func(text string) (int64, error) {
		n, ok := parseSize(text)
		if !ok || n < low || n > high {
			return 0, fmt.Errorf("%q does not do: write a size from %s to %s, such as 65536, 128KiB, 16MiB or 1GiB",
				text, FormatSize(low), FormatSize(high))
		}
		return n, nil
	}
}

func parseSize(text string) (int64, bool) {
	number, unit := text, int64(1)
	for _, u := range sizeUnits {
		if cut := len(text) - len(u.name); cut > 0 && strings.EqualFold(text[cut:], u.name) {
			number, unit = strings.TrimSpace(text[:cut]), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, false
	}
	return n * unit, true
}

// FormatSize writes bytes with the largest unit that leaves a whole number.
func FormatSize(bytes int64) string {
	for _, u := range sizeUnits {
		if bytes >= u.bytes && bytes%u.bytes == 0 && u.bytes > 1 {
			return fmt.Sprintf("%d%s", bytes/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(bytes, 10)
}

// Share takes a size, or a percentage of whole.
func Share(whole, low int64) func(string) (int64, error) {
	return func(text string) (int64, error) {
		if number, ok := strings.CutSuffix(text, "%"); ok {
			percent, err := strconv.Atoi(number)
			if err == nil && percent >= 1 && percent <= 100 {
				return max(low, whole/100*int64(percent)), nil
			}
		} else if n, ok := parseSize(text); ok && n >= low {
			return n, nil
		}
		return 0, fmt.Errorf("%q does not do: write a size of at least %s, such as 2GiB, or a share of the memory from 1%% to 100%%",
			text, FormatSize(low))
	}
}

// Rate takes so many a second, "20/s", or "off", which is 0: no bound.
func Rate(text string) (int, error) {
	if text == "off" {
		return 0, nil
	}
	if number, ok := strings.CutSuffix(text, "/s"); ok {
		if n, err := strconv.Atoi(number); err == nil && n > 0 && n <= 1e9 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%q is no rate: write a whole number per second, such as 20/s, or off", text)
}

// HostPort takes an address to listen on: host:port, with an empty host for every interface and port 0 for any.
func HostPort(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err == nil {
		if _, err = strconv.ParseUint(port, 10, 16); err == nil && !strings.ContainsAny(host, " /@") {
			return text, nil
		}
	}
	return "", fmt.Errorf("%q is no address: write HOST:PORT, such as 127.0.0.1:8080, [::1]:8080 or, for every interface, :8080", text)
}

// HostPortOrOff takes an address to listen on, or "off", which is empty.
func HostPortOrOff(text string) (string, error) {
	if text == "off" {
		return "", nil
	}
	address, err := HostPort(text)
	if err != nil {
		err = fmt.Errorf("%w, or off", err)
	}
	return address, err
}

// Origins takes "*", which is nil: any; or a list of what browsers send as Origin, "https://chat.example".
func Origins(text string) ([]string, error) {
	if text == "*" {
		return nil, nil
	}
	return list(text, func(item string) (string, error) {
		u, err := url.Parse(item)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != item || item != strings.ToLower(item) {
			return "", fmt.Errorf("%q is no origin: write SCHEME://HOST[:PORT] in lower case, such as https://chat.example, separated by commas, or *", item)
		}
		return item, nil
	})
}

// Prefixes takes a list of networks, "10.0.0.0/8", or single addresses; empty is none.
func Prefixes(text string) ([]netip.Prefix, error) {
	if text == "" {
		return nil, nil
	}
	return list(text, func(item string) (netip.Prefix, error) {
		if addr, err := netip.ParseAddr(item); err == nil {
			return netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		prefix, err := netip.ParsePrefix(item)
		if err != nil || prefix != prefix.Masked() {
			return netip.Prefix{}, fmt.Errorf("%q is no network: write addresses or ADDRESS/BITS, such as 10.0.0.0/8 or 192.0.2.7, separated by commas", item)
		}
		return prefix, nil
	})
}

// list parses what stands between commas.
func list[T any](text string, parse func(string) (T, error)) ([]T, error) {
	var all []T
	for item := range strings.SplitSeq(text, ",") {
		v, err := parse(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
