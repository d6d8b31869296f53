package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listen opens the address that the named setting holds. Failures are no usage errors: a port that is taken now may be
// free at the next start, which is when a supervisor should try again.
func listen(setting, address string) (net.Listener, error) {
	// No keepalive: HTTP connections have deadlines, WebSockets Pings, and four system calls for each are saved.
	config := net.ListenConfig{KeepAlive: -1}
	l, err := config.Listen(context.Background(), "tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		advice := "another port"
		if setting == "admin" {
			advice = "another port, or --admin off"
		}
		return nil, fmt.Errorf("--%s: %s is in use, by another server perhaps: write %s", setting, address, advice)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("--%s: %s is not for this user: write a port from 1024 up, or grant CAP_NET_BIND_SERVICE", setting, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("--%s: %s is no address of this machine: write one that is, or leave the host out for all", setting, address)
	}
	return nil, fmt.Errorf("--%s: %w: write HOST:PORT with a host that is this machine", setting, err)
}

// anyPort tells whether an address leaves the port to the system.
func anyPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port == "0"
}

// isLoopback tells whether only this machine can reach the listener.
func isLoopback(l net.Listener) bool {
	addr, ok := l.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// dialable is the listener's address as somebody on this machine would write it: an unspecified host is localhost.
func dialable(l net.Listener) string {
	addr, ok := l.Addr().(*net.TCPAddr)
	if ok && addr.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", addr.Port)
	}
	return l.Addr().String()
}
