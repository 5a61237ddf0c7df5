package controltest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// Exchange sends bytes on a TCP or unix connection, ends the stream, and
// returns all that the server answers, up to 8 MiB. It fails the test if the
// server neither answers nor closes. It closes the connection.
func Exchange(t testing.TB, conn net.Conn, request []byte) []byte {
	t.Helper()
	defer conn.Close()
	// Far more than a good answer takes: only a hang fails.
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	go func() {
		_, _ = conn.Write(request) // the server may close before it has read everything
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
	}()
	b, err := io.ReadAll(io.LimitReader(conn, 8<<20))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the server neither answers nor closes")
	}
	return b
}

// Answers calls check for each answer of HTTP in b. err is that of the body.
// It stops at what is none: the body of a HEAD, or messages of a WebSocket.
func Answers(b []byte, check func(res *http.Response, body []byte, err error)) {
	in := bufio.NewReader(bytes.NewReader(b))
	for {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return
		}
		body, err := io.ReadAll(res.Body)
		check(res, body, err)
	}
}
