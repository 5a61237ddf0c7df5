package control_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"vchat/daemon/api"
	"vchat/daemon/control/controltest"
)

// FuzzRequest sends bytes to the control socket and ends the connection. The
// server must answer and close. It never fails inside, each error is one of the
// API's or of net/http, and only POST, PUT and DELETE act.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{
		"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/peers HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/id HTTP/1.1\r\nHost: x\r\n\r\n",
		"HEAD /v1/metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/feeds/self.mjpeg HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/feeds/workshop.jpg HTTP/1.0\r\n\r\n",
		"GET /v1/feeds/../status HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET //v1/%73tatus HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/camera/controls?device=/dev/video2;x=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n{\"peer\":\"attic\",\"ring_timeout_ms\":9}",
		"POST /v1/calls/answer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"POST /v1/calls/hangup HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"POST /v1/say HTTP/1.1\r\nHost: x\r\nContent-Length: 24\r\n\r\n{\"text\":\"\\u001b[2J\\u202e\"}",
		"POST /v1/camera/controls HTTP/1.1\r\nHost: x\r\nContent-Length: 32\r\n\r\n" +
			"{\"controls\":{\"brightness\":\"5\"}}  ",
		"PUT /v1/privacy HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"privacy\":true}",
		"GET /v1/privacy HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n{\"privacy\":false}",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET /v1/events HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
		"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n",
		"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{} ",
		"\r\n\r\n\x00\xff",
	} {
		f.Add([]byte(text))
	}
	d := controltest.New()
	socket := startFor(f, d)
	seq := uint64(0)
	f.Fuzz(func(t *testing.T, request []byte) {
		if len(request) > 64<<10 {
			return // more of the same
		}
		seq++
		d.Publish(api.Self, seq, false, []byte{0xff, 0xd8, 0xff, 0xd9})
		conn, err := dial(socket)
		if err != nil {
			t.Fatal(err)
		}
		controltest.Answers(controltest.Exchange(t, conn, request), func(res *http.Response, body []byte, err error) {
			checkAnswer(t, res, body, err)
		})
		acts := slices.DeleteFunc(d.TakeCommands(), func(c string) bool {
			return strings.HasPrefix(c, "formats ") || strings.HasPrefix(c, "controls ")
		})
		writes := func(method string) bool { return bytes.Contains(request, []byte(method+" ")) }
		if len(acts) > 0 && !writes("POST") && !writes("PUT") && !writes("DELETE") {
			t.Errorf("a request that only reads did %q", acts)
		}
	})
}

// startFor is controltest.Start for a fuzz target, whose temporary directory
// has too long a name for a socket.
func startFor(f *testing.F, d *controltest.Device) (socket string) {
	dir, err := os.MkdirTemp("", "vchat")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { os.RemoveAll(dir) })
	controltest.StartAt(f, d, dir+"/control.sock")
	return dir + "/control.sock"
}

// checkAnswer checks an answer. err is that of the body.
func checkAnswer(t *testing.T, res *http.Response, body []byte, err error) {
	t.Helper()
	switch ours := res.Header.Get(api.VersionHeader) != ""; {
	case res.StatusCode == http.StatusInternalServerError:
		t.Fatalf("got status 500: %s", body)
	case res.StatusCode >= 400 && ours && err == nil:
		var e api.ErrorBody
		if err := json.Unmarshal(body, &e); err != nil || e.Error == nil || e.Error.Message == "" {
			t.Fatalf("got status %d with %q, want an error of the API", res.StatusCode, body)
		}
		if e.Error.Kind.HTTPStatus() != res.StatusCode || e.Error.Kind == api.Internal {
			t.Fatalf("got status %d with kind %q", res.StatusCode, e.Error.Kind)
		}
	}
}
