package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// defaultPrefix is what all keys begin with unless the URL says otherwise.
const defaultPrefix = "enigma:"

// target is what a URL says.
type target struct {
	addrs      []string // host:port
	master     string   // the master's name where addrs are sentinels
	user, pass string
	db         int
	prefix     string
	tls        *tls.Config // nil without TLS

	sentinelUser, sentinelPass string
}

// cluster reports whether the URL demands a cluster.
func (t *target) cluster() bool { return t.master == "" && len(t.addrs) > 1 }

// exposed reports whether the server is reached over a network and demands no password.
func (t *target) exposed() bool {
	if t.pass != "" {
		return false
	}
	for _, addr := range t.addrs {
		host, _, _ := net.SplitHostPort(addr)
		ip, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !ip.IsLoopback()) {
			return true
		}
	}
	return false
}

// parseURL reads a URL. Its errors never repeat the URL, which may hold a password. It does not use url.Parse, which
// has no notion of several hosts with ports.
func parseURL(raw string) (*target, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, errors.New("redis URL: write redis://host:port")
	}
	t := &target{prefix: defaultPrefix}
	sentinel, port := false, "6379"
	switch scheme {
	case "redis":
	case "rediss":
		t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	case "redis+sentinel":
		sentinel, port = true, "26379"
	case "rediss+sentinel":
		sentinel, port = true, "26379"
		t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		return nil, errors.New("redis URL: the scheme is redis, rediss, redis+sentinel or rediss+sentinel")
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, _ := strings.Cut(rest, "/")
	hosts, err := t.parseUser(authority)
	if err != nil {
		return nil, err
	}
	if err := t.parseHosts(hosts, port); err != nil {
		return nil, err
	}
	if err := t.parsePath(path, sentinel); err != nil {
		return nil, err
	}
	return t, t.parseQuery(query, sentinel)
}

// parseUser takes the credentials off the authority and returns the hosts.
func (t *target) parseUser(authority string) (string, error) {
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return authority, nil
	}
	user, pass, _ := strings.Cut(authority[:at], ":")
	var err, err2 error
	t.user, err = url.PathUnescape(user)
	t.pass, err2 = url.PathUnescape(pass)
	if err != nil || err2 != nil {
		return "", errors.New("redis URL: user or password is not percent-encoded correctly")
	}
	return authority[at+1:], nil
}

func (t *target) parseHosts(hosts, defaultPort string) error {
	for _, one := range strings.Split(hosts, ",") {
		host, port, err := net.SplitHostPort(one)
		if err != nil { // no port
			host, port = strings.Trim(one, "[]"), defaultPort
		}
		if n, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || n == 0 {
			return errors.New("redis URL: hosts are host:port, separated by commas")
		}
		t.addrs = append(t.addrs, net.JoinHostPort(host, port))
	}
	return nil
}

// parsePath reads [/master][/db].
func (t *target) parsePath(path string, sentinel bool) error {
	db := path
	if sentinel {
		t.master, db, _ = strings.Cut(path, "/")
		if t.master == "" {
			return errors.New("redis URL: write the master's name behind the sentinels: redis+sentinel://host:port/name")
		}
	}
	if db == "" {
		return nil
	}
	n, err := strconv.ParseUint(db, 10, 16)
	if err != nil {
		return errors.New("redis URL: the database is a number")
	}
	if t.db = int(n); t.db != 0 && t.cluster() {
		return errors.New("redis URL: a cluster has database 0 only")
	}
	return nil
}

func (t *target) parseQuery(query string, sentinel bool) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("redis URL: the parameters are not percent-encoded correctly")
	}
	for name := range values {
		value := values.Get(name)
		switch {
		case name == "prefix":
			if strings.ContainsAny(value, "{}") {
				return errors.New("redis URL: prefix must not contain braces")
			}
			t.prefix = value
		case name == "sentinel_user" && sentinel:
			t.sentinelUser = value
		case name == "sentinel_password" && sentinel:
			t.sentinelPass = value
		case name == "insecure" && t.tls != nil:
			t.tls.InsecureSkipVerify = value == "1" || value == "true" // #nosec G402 -- the operator's word, and a warning
		case name == "ca" && t.tls != nil:
			err = t.loadCA(value)
		case name == "cert" && t.tls != nil:
			err = t.loadCertificate(value, values.Get("key"))
		case name == "key" && t.tls != nil && values.Has("cert"):
		default:
			return errParameters // not the name: of a password with a bare question mark it would be a part
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errParameters = errors.New("redis URL: the parameters are prefix, with rediss also ca, cert, key and insecure, " +
	"and with sentinels also sentinel_user and sentinel_password")

func (t *target) loadCA(file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("redis URL: parameter ca: %w", err)
	}
	t.tls.RootCAs = x509.NewCertPool()
	if !t.tls.RootCAs.AppendCertsFromPEM(pem) {
		return errors.New("redis URL: parameter ca: no certificate in the file")
	}
	return nil
}

func (t *target) loadCertificate(certFile, keyFile string) error {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return fmt.Errorf("redis URL: parameters cert and key: %w", err)
	}
	t.tls.Certificates = []tls.Certificate{pair}
	return nil
}
