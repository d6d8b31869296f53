package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// ReplyError is an error that the server answered.
type ReplyError string

// Error implements error.
func (e ReplyError) Error() string { return string(e) }

// code is the error's first word.
func (e ReplyError) code() string {
	code, _, _ := strings.Cut(string(e), " ")
	return code
}

// commandTimeout bounds one command of the tests' own.
const commandTimeout = 10 * time.Second

// roundTrip sends one command on a fresh connection. It is independent of the client under test on purpose.
func roundTrip(addr string, auth, args []string) (any, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(commandTimeout)); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	if len(auth) > 0 {
		if _, err := command(conn, r, append([]string{"AUTH"}, auth...)); err != nil {
			return nil, err
		}
	}
	return command(conn, r, args)
}

func command(w io.Writer, r *bufio.Reader, args []string) (any, error) {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	return readReply(r)
}

// readReply reads one RESP2 value.
func readReply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, fmt.Errorf("empty reply line")
	}
	switch kind, text := line[0], line[1:]; kind {
	case '+':
		return text, nil
	case '-':
		return nil, ReplyError(text)
	case ':':
		return strconv.ParseInt(text, 10, 64)
	case '$':
		return readBulk(r, text)
	case '*':
		return readArray(r, text)
	}
	return nil, fmt.Errorf("unexpected reply %q", line)
}

func readBulk(r *bufio.Reader, length string) (any, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return nil, err
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	return string(b[:n]), nil
}

func readArray(r *bufio.Reader, length string) (any, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return nil, err
	}
	values := make([]any, n)
	for i := range values {
		if values[i], err = readReply(r); err != nil {
			return nil, err
		}
	}
	return values, nil
}
