package web

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"vchat/daemon/client"
	"vchat/daemon/control/controltest"
)

// lateActs is how many inputs later the fake device may still do what one
// asked for: the end of the connection does not wait for it.
const lateActs = 10

// FuzzPage sends bytes to the server of a page, and ends the connection. In
// the bytes, SECRET stands for the secret path and HOST for the address. The
// server answers and closes. Without the secret nothing is served, and without
// the origin of the page nothing is done.
func FuzzPage(f *testing.F) {
	const upgrade = "GET /SECRET/live HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\nConnection: Upgrade\r\n" +
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	post := func(path, body string) string {
		return "POST /SECRET/" + path + " HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\n" +
			"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + body + "\r\n0\r\n\r\n"
	}
	for _, text := range []string{
		"GET /SECRET/ HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"GET /SECRET HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"GET //SECRET/../icon.svg HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"GET /SECRET/icon.svg HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"GET http://HOST/SECRET/snapshot/self HTTP/1.1\r\nHost: HOST\r\nSec-Fetch-Site: cross-site\r\n\r\n",
		"GET /SECRET/snapshot/nobody HTTP/1.0\r\nHost: HOST\r\n\r\n",
		post("privacy", "10\r\n{\"privacy\":true}"),
		post("call", "13\r\n{\"peer\":\"workshop\"}"),
		post("say", "e\r\n{\"text\":\"hi\"} "),
		post("hangup", "2\r\n{}") + post("answer", "2\r\n[]"),
		strings.Replace(post("decline", "2\r\n{}"), "Origin: http://HOST\r\n", "", 1),
		upgrade,
		upgrade + "\x81\x9a\x00\x00\x00\x00{\"id\":1,\"feed\":\"self\"}    ", // asks for a frame
		upgrade + "\x81\x96\x00\x00\x00\x00{\"id\":1,\"cancel\":true}",       // cancels none
		upgrade + "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00x",
		upgrade + "\x89\x80\x00\x00\x00\x00\x01\x85\x01\x02\x03\x04hello\x80\x80\x00\x00\x00\x00\x88\x00",
		upgrade + strings.Repeat("\x81\x88\x00\x00\x00\x00{\"id\":2}", 30),
	} {
		f.Add([]byte(text))
	}
	d := controltest.New()
	s := startPage(f, d)
	host := s.listener.Addr().String()
	seq, allowed := uint64(0), uint64(0) // of inputs
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 64<<10 {
			return // more of the same
		}
		seq++
		d.Publish("self", seq, false, []byte{0xff, 0xd8, 0xff, 0xd9})
		knows := bytes.Contains(b, []byte("SECRET"))
		raw := bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("SECRET"), []byte(s.secret)), []byte("HOST"), []byte(host))
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		out := controltest.Exchange(t, conn, raw)
		if !knows && bytes.Contains(out, []byte(s.secret)) {
			t.Fatal("the answer has the secret")
		}
		checkAnswers(t, out, knows)
		if knows && bytes.Contains(raw, []byte("POST")) && bytes.Contains(raw, []byte("http://"+host)) {
			allowed = seq
		}
		acts := slices.DeleteFunc(d.TakeCommands(), func(c string) bool { return strings.HasPrefix(c, "controls ") })
		if len(acts) > 0 && seq > allowed+lateActs {
			t.Fatalf("got %q", acts)
		}
	})
}

// startPage serves the page of a fake device for the time of a fuzz target.
func startPage(f *testing.F, d *controltest.Device) *Server {
	dir, err := os.MkdirTemp("", "vchat") // the name of f.TempDir is too long for a socket
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	controltest.StartAt(f, d, dir+"/control.sock")
	c := client.New(dir + "/control.sock")
	s, err := Listen(c, Options{})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	f.Cleanup(func() {
		cancel(errQuit)
		if err := <-done; err != errQuit {
			f.Errorf("Serve: got %v, want %v", err, errQuit)
		}
		c.Close()
	})
	return s
}

func checkAnswers(t *testing.T, b []byte, knows bool) {
	t.Helper()
	controltest.Answers(b, func(res *http.Response, body []byte, _ error) {
		if res.StatusCode == http.StatusInternalServerError {
			t.Fatalf("got status 500: %s", body)
		}
		if !knows && res.StatusCode < 400 && res.StatusCode != http.StatusContinue {
			t.Fatalf("without the secret: got status %d: %s", res.StatusCode, body)
		}
	})
}
