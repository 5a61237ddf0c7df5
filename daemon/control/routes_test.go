package control_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
	"vchat/daemon/control"
	"vchat/daemon/control/controltest"
)

// httpClient returns a plain HTTP client of the socket.
func httpClient(t *testing.T, socket string) *http.Client {
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(socket) }}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// dial connects, and retries while the backlog of the socket is full.
func dial(socket string) (conn net.Conn, err error) {
	for range 1000 {
		if conn, err = net.Dial("unix", socket); err == nil {
			return conn, nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil, err
}

func do(t *testing.T, c *http.Client, method, path, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://device"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func TestRoutes(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		kind                     api.Kind
		contains                 string // part of the answer
		command                  string // the last one that the device recorded
	}{
		{name: "status", method: "GET", path: "/v1/status", status: 200, contains: `"name":"kitchen"`},
		{name: "peers", method: "GET", path: "/v1/peers", status: 200, contains: `"name":"workshop"`},
		{name: "diagnosis", method: "GET", path: "/v1/diagnosis", status: 200, contains: `"right":"admin"`},
		{name: "probe", method: "POST", path: "/v1/peers/attic/probe", body: "{}", status: 200,
			contains: `"failed":"connect"`, command: "probe attic"},
		{name: "probe of an unknown peer", method: "POST", path: "/v1/peers/cellar/probe", status: 404,
			kind: api.NoSuchPeer, contains: "cellar", command: "probe cellar"},
		{name: "probe of an address", method: "POST", path: "/v1/peers/192.0.2.1:22/probe", status: 404,
			kind: api.NoSuchPeer, command: "probe 192.0.2.1:22"},
		{name: "probe by GET", method: "GET", path: "/v1/peers/attic/probe", status: 400, kind: api.BadRequest,
			contains: "use POST"},
		{name: "id", method: "GET", path: "/v1/id", status: 200, contains: `"id":"AAAAA`},
		{name: "call", method: "POST", path: "/v1/calls", body: `{"peer":"workshop","ring_timeout_ms":5000}`,
			status: 200, contains: `"state":"calling"`, command: "call workshop 5000"},
		{name: "unknown peer", method: "POST", path: "/v1/calls", body: `{"peer":"cellar"}`, status: 404,
			kind: api.NoSuchPeer, contains: "cellar", command: "call cellar 0"},
		{name: "answer", method: "POST", path: "/v1/calls/answer", body: `{"peer":"workshop"}`, status: 404,
			kind: api.NoSuchCall, command: "answer workshop"},
		{name: "an empty body is an empty request", method: "POST", path: "/v1/calls/hangup", status: 404,
			kind: api.NoSuchCall, command: "hangup "},
		{name: "unknown field", method: "POST", path: "/v1/calls/reject", body: `{"pear":"workshop"}`, status: 400,
			kind: api.BadRequest, contains: "pear"},
		{name: "wrong type", method: "POST", path: "/v1/calls", body: `{"peer":7}`, status: 400, kind: api.BadRequest,
			contains: "peer"},
		{name: "no JSON", method: "POST", path: "/v1/calls", body: `workshop`, status: 400, kind: api.BadRequest},
		{name: "two documents", method: "POST", path: "/v1/calls", body: `{} {}`, status: 400, kind: api.BadRequest,
			contains: "data after the JSON"},
		{name: "too large", method: "POST", path: "/v1/calls", body: `{"peer":"` + strings.Repeat("x", api.MaxBody) +
			`"}`, status: 400, kind: api.BadRequest, contains: "too large"},
		{name: "body where none is accepted", method: "GET", path: "/v1/status", body: "{}", status: 400,
			kind: api.BadRequest},
		{name: "privacy", method: "GET", path: "/v1/privacy", status: 200, contains: `{"privacy":false}`},
		{name: "privacy on", method: "PUT", path: "/v1/privacy", body: `{"privacy":true}`, status: 200,
			contains: `{"privacy":true}`, command: fmt.Sprintf("privacy true uid %d", os.Getuid())},
		{name: "privacy off", method: "PUT", path: "/v1/privacy", body: `{"privacy":false}`, status: 200,
			contains: `{"privacy":false}`, command: fmt.Sprintf("privacy false uid %d", os.Getuid())},
		{name: "an empty request leaves privacy alone", method: "PUT", path: "/v1/privacy", status: 400,
			kind: api.BadRequest, contains: "privacy"},
		{name: "cameras", method: "GET", path: "/v1/cameras", status: 200,
			contains: `"in_use_by":["cheese (pid 812)"]`},
		{name: "formats", method: "GET", path: "/v1/camera/formats", status: 200, contains: `"fps":[30,15,7.5]`,
			command: "formats "},
		{name: "controls of another camera", method: "GET", path: "/v1/camera/controls?device=/dev/video2",
			status: 200, contains: `"name":"brightness"`, command: "controls /dev/video2"},
		{name: "set controls", method: "POST", path: "/v1/camera/controls",
			body: `{"device":"/dev/video2","controls":{"brightness":"5"}}`, status: 200,
			contains: `"changed":[{"name":"brightness","from":10,"to":5}]`, command: "set /dev/video2 brightness=5"},
		{name: "set an unknown control", method: "POST", path: "/v1/camera/controls",
			body: `{"controls":{"shine":"5"}}`, status: 404, kind: api.NoSuchControl, contains: "shine"},
		{name: "set no control", method: "POST", path: "/v1/camera/controls", body: `{"device":"auto"}`, status: 400,
			kind: api.BadRequest, contains: "no controls"},
		{name: "another wrong method", method: "DELETE", path: "/v1/camera/controls", status: 400,
			kind: api.BadRequest, contains: "use GET or POST"},
		{name: "wrong method", method: "POST", path: "/v1/status", status: 400, kind: api.BadRequest,
			contains: "use GET"},
		{name: "no such route", method: "GET", path: "/v2/status", status: 404, kind: api.NotFound},
		{name: "doubled slash", method: "GET", path: "/v1//status", status: 404, kind: api.NotFound},
		{name: "trailing slash", method: "GET", path: "/v1/status/", status: 404, kind: api.NotFound},
		{name: "feeds without a name", method: "GET", path: "/v1/feeds", status: 404, kind: api.NotFound},
		{name: "dots in a feed", method: "GET", path: "/v1/feeds/../status", status: 404, kind: api.NoSuchFeed},
		{name: "no such feed", method: "GET", path: "/v1/feeds/cellar.mjpeg", status: 404, kind: api.NoSuchFeed,
			contains: "cellar"},
		{name: "no such form of a feed", method: "GET", path: "/v1/feeds/self.png", status: 404, kind: api.NoSuchFeed,
			contains: ".mjpeg"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := controltest.New()
			c := httpClient(t, controltest.Start(t, d))
			status, header, body := do(t, c, tt.method, tt.path, tt.body)
			if status != tt.status || !strings.Contains(body, tt.contains) {
				t.Errorf("got %d %s, want %d with %q", status, body, tt.status, tt.contains)
			}
			if got := header.Get(api.VersionHeader); got != api.Version {
				t.Errorf("got version %q, want %q", got, api.Version)
			}
			var e api.ErrorBody
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatalf("got %q, want JSON", body)
			}
			if tt.kind != "" && (e.Error == nil || e.Error.Kind != tt.kind) {
				t.Errorf("got %s, want kind %s", body, tt.kind)
			}
			command := ""
			if all := d.Commands(); len(all) > 0 {
				command = all[len(all)-1]
			}
			if command != tt.command {
				t.Errorf("the device got command %q, want %q", command, tt.command)
			}
		})
	}
}

func TestRoutes_internalError(t *testing.T) {
	d := controltest.New()
	d.OnCall(func(api.CallRequest) (api.Call, error) { return api.Call{}, errors.New("the disk is full") })
	c := httpClient(t, controltest.Start(t, d))
	status, _, body := do(t, c, "POST", "/v1/calls", `{"peer":"workshop"}`)
	if status != 500 || !strings.Contains(body, `"kind":"internal","message":"the disk is full"`) {
		t.Errorf("got %d %s, want 500 with kind internal", status, body)
	}
}

func TestServe_logsCommands(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	socket := t.TempDir() + "/control.sock"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := control.New(control.Config{Socket: socket, Version: "1"}, controltest.New(), log)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	go func() { done <- s.Serve(ctx) }()
	c := httpClient(t, socket)
	do(t, c, "GET", "/v1/status", "")
	do(t, c, "POST", "/v1/calls/hangup", "")
	c.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("path=/v1/calls/hangup uid=%d gid=%d pid=%d", os.Getuid(), os.Getgid(), os.Getpid())
	if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "/v1/status") {
		t.Errorf("log: %s\nwant only: %s", out.String(), want)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket still exists: %v", err)
	}
}

// A local user could fill the journal by requests that it breaks off.
func TestServe_brokenOffRequestIsNoErrorInTheLog(t *testing.T) {
	var out bytes.Buffer
	d := controltest.New()
	socket := t.TempDir() + "/control.sock"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := control.New(control.Config{Socket: socket, Version: "1"}, d, slog.New(slog.NewTextHandler(&out, nil)))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	go func() { done <- s.Serve(ctx) }()
	c := httpClient(t, socket)
	d.FailCameras(context.Canceled)
	do(t, c, "GET", "/v1/cameras", "")
	d.FailCameras(errors.New("the disk is full"))
	do(t, c, "GET", "/v1/cameras", "")
	c.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Contains(got, "canceled") || !strings.Contains(got, "the disk is full") {
		t.Errorf("log: %s\nwant only the full disk", got)
	}
}

func TestEvents_beginWithState(t *testing.T) {
	d := controltest.New()
	c := httpClient(t, controltest.Start(t, d))
	res, err := c.Get("http://device/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func() (e api.Event) {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("read event: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := next(); e.Event != api.EventState || e.Status == nil || e.Status.Name != "kitchen" {
		t.Errorf("first event: got %+v, want the state", e)
	}
	d.SetCall(api.Call{ID: "1", Peer: "workshop", State: api.CallRinging})
	if e := next(); e.Event != api.EventCall || e.Call == nil || e.Call.State != api.CallRinging {
		t.Errorf("second event: got %+v, want a ringing call", e)
	}
}

func TestStream_frames(t *testing.T) {
	d := controltest.New()
	c := httpClient(t, controltest.Start(t, d))
	res, err := c.Get("http://device/v1/feeds/workshop.mjpeg")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/x-mixed-replace" {
		t.Fatalf("got content type %q, %v", kind, err)
	}
	parts := multipart.NewReader(res.Body, params["boundary"])
	for seq := uint64(1); seq <= 20; seq++ {
		// Sizes below and above those of all buffers on the path.
		want := bytes.Repeat([]byte{0xff, byte(seq), '\r', '\n', '-'}, 1+int(seq)*int(seq)*300)
		before := time.Now()
		d.Publish("workshop", seq, seq == 3, want)
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("frame %d: got %d bytes, want the %d published ones", seq, len(got), len(want))
		}
		card := ""
		if seq == 3 {
			card = "1"
		}
		if h := p.Header; h.Get("Content-Type") != "image/jpeg" || h.Get("Content-Length") != fmt.Sprint(len(want)) ||
			h.Get("X-Sequence") != fmt.Sprint(seq) || h.Get("X-Card") != card {
			t.Errorf("frame %d: got headers %v", seq, h)
		}
		var stamp, age float64
		if _, err := fmt.Sscan(p.Header.Get("X-Timestamp"), &stamp); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(p.Header.Get("X-Age-Ms"), &age); err != nil {
			t.Fatal(err)
		}
		taken := time.UnixMicro(int64(stamp * 1e6))
		if taken.Before(before.Add(-time.Millisecond)) || taken.After(time.Now()) || age < 0 {
			t.Errorf("frame %d: got capture time %v, age %v ms; want %v", seq, taken, age, before)
		}
	}
}

func TestStream_feedEnds(t *testing.T) {
	d := controltest.New()
	c := httpClient(t, controltest.Start(t, d))
	res, err := c.Get("http://device/v1/feeds/workshop.mjpeg")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	d.Feed("workshop").End(nil)
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "--vchat\r\n" {
		t.Errorf("got %q, %v; want the first boundary only", b, err)
	}
}

func TestStream_clientDisconnects(t *testing.T) {
	d := controltest.New()
	c := httpClient(t, controltest.Start(t, d))
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", "http://device/v1/feeds/self.mjpeg", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	h := d.Feed(api.Self)
	await(t, "a reader", func() bool { return h.Readers() == 1 })
	cancel()
	await(t, "no reader, without a frame", func() bool { return h.Readers() == 0 })
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("timeout waiting for %s", what)
}

func TestSnapshot(t *testing.T) {
	for _, tt := range []struct {
		name, feed string
		card       bool
		status     int
		contains   string
	}{
		{name: "frame of a peer", feed: "workshop", status: 200, contains: "frame"},
		{name: "frame of its own camera", feed: "self", status: 200, contains: "frame"},
		{name: "card of a peer", feed: "workshop", card: true, status: 200, contains: "frame"},
		{name: "card of its own camera", feed: "self", card: true, status: 503,
			contains: `"kind":"camera_unavailable","message":"no picture from the camera: unplugged"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := controltest.New()
			d.Update(func(s *api.Status) { s.Camera.Reason = "unplugged" })
			c := httpClient(t, controltest.Start(t, d))
			d.Publish(tt.feed, 9, tt.card, []byte("frame"))
			status, header, body := do(t, c, "GET", "/v1/feeds/"+tt.feed+".jpg", "")
			if status != tt.status || !strings.Contains(body, tt.contains) {
				t.Errorf("got %d %s, want %d with %q", status, body, tt.status, tt.contains)
			}
			if status == 200 && (header.Get("X-Sequence") != "9" || (header.Get("X-Card") == "1") != tt.card) {
				t.Errorf("got headers %v, want sequence 9, card %v", header, tt.card)
			}
		})
	}
}

func TestSnapshot_privacy(t *testing.T) {
	d := controltest.New()
	d.Update(func(s *api.Status) { s.Privacy = true })
	c := httpClient(t, controltest.Start(t, d))
	d.Publish(api.Self, 9, true, []byte("card"))
	if status, _, body := do(t, c, "GET", "/v1/feeds/self.jpg", ""); status != 409 ||
		!strings.Contains(body, `"kind":"privacy"`) {
		t.Errorf("got %d %s, want 409 with kind privacy", status, body)
	}
}

func TestServe_endsStreams(t *testing.T) {
	d := controltest.New()
	socket := t.TempDir() + "/control.sock"
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := control.New(control.Config{Socket: socket, Version: "1"}, d, slog.New(slog.DiscardHandler))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	go func() { done <- s.Serve(ctx) }()

	// The clients wait for events, wait for a frame, do not read, and have sent
	// half a request line.
	for _, request := range []string{
		"GET /v1/events HTTP/1.1\r\nHost: d\r\n\r\n", "GET /v1/feeds/self.mjpeg HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /v1/feeds/workshop.mjpeg HTTP/1.1\r\nHost: d\r\n\r\n", "GET /v1/sta",
	} {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the readers", func() bool { return d.Feed("workshop").Readers() == 1 && d.Feed("self").Readers() == 1 })
	for i := range uint64(3) {
		d.Publish("workshop", i, false, make([]byte, 1<<20))
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
	if n := d.Feed("workshop").Readers() + d.Feed("self").Readers(); n != 0 {
		t.Errorf("got %d readers after Serve, want 0", n)
	}
}

// Streams beyond the places, clients that do not read, half requests and idle
// connections keep no other client from acting.
func TestServe_streamFlood(t *testing.T) {
	d := controltest.New()
	socket := controltest.Start(t, d)
	requests := []string{"GET /v1/events HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /v1/feeds/workshop.mjpeg HTTP/1.1\r\nHost: d\r\n\r\n",
		"GET /v1/feeds/workshop.jpg HTTP/1.1\r\nHost: d\r\n\r\n",
		"PUT /v1/privacy HTTP/1.1\r\nHost: d\r\nContent-Length: 16\r\n\r\n{",
		"PUT /v1/privacy HTTP/1.1\r\nHost: d\r\nContent-Length: 1000000000\r\n\r\n" + strings.Repeat(" ", 1000),
		"PUT /v1/privacy HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
		"GET /v1/status HTTP/1.1\r\nHost: d\r\nContent-Length: 1000\r\n\r\n", ""}
	for i := range 256 * len(requests) {
		conn, err := dial(socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, requests[i*len(requests)/(256*len(requests))]) // may be closed
	}
	c := httpClient(t, socket)
	if status, _, body := do(t, c, "PUT", "/v1/privacy", `{"privacy":true}`); status != 200 {
		t.Errorf("privacy on: got %d %s, want 200", status, body)
	}
	if status, _, body := do(t, c, "GET", "/v1/status", ""); status != 200 && status != 409 {
		t.Errorf("status: got %d %s, want 200, or 409 while snapshots have all places", status, body)
	}
	status, _, body := do(t, c, "GET", "/v1/events", "")
	if status != 409 || !strings.Contains(body, `"kind":"limit_reached"`) || !strings.Contains(body, "64 streams") {
		t.Errorf("one more stream: got %d %s, want 409 with the limit", status, body)
	}
}

// TestServe_connectionFlood opens thousands of connections that send nothing or
// an incomplete request. Established streams continue, a regular client is
// served, and memory stays bounded.
func TestServe_connectionFlood(t *testing.T) {
	const flood, kept = 10_000, 3_000
	d := controltest.New()
	socket := controltest.Start(t, d)
	c := httpClient(t, socket)
	res, err := c.Get("http://device/v1/feeds/workshop.mjpeg")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	stream := bufio.NewReader(res.Body)
	if line, _ := stream.ReadString('\n'); line != "--vchat\r\n" {
		t.Fatalf("got first line %q, want the boundary", line)
	}
	frame := bytes.Repeat([]byte("x"), 100_000)
	readFrame := func(seq uint64) {
		t.Helper()
		d.Publish("workshop", seq, false, frame)
		for {
			line, err := stream.ReadString('\n')
			if err != nil {
				t.Fatalf("the established stream broke: %v", err)
			}
			if line == "\r\n" {
				break
			}
		}
		if _, err := io.CopyN(io.Discard, stream, int64(len(frame)+len("\r\n--vchat\r\n"))); err != nil {
			t.Fatalf("the established stream broke: %v", err)
		}
	}
	readFrame(1)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	requests := []string{"", "G", "GET /v1/status HTTP/1.1\r\n", "GET /v1/status HTTP/1.1\r\nHost: d\r\nX: ",
		"POST /v1/calls HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999\r\n\r\n{", "\x16\x03\x01\x00",
		strings.Repeat("A", 20000)}
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			conn.Close()
		}
	}()
	for i := range flood {
		conn, err := dial(socket)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		_, _ = io.WriteString(conn, requests[i%len(requests)]) // the server may have closed it
		held = append(held, conn)
		if len(held) > kept {
			held[0].Close()
			held = held[1:]
		}
		if i%1000 == 0 {
			readFrame(uint64(2 + i/1000))
		}
	}
	if status, _, body := do(t, c, "GET", "/v1/status", ""); status != 200 {
		t.Errorf("a regular client got %d %s, want 200", status, body)
	}
	readFrame(1000)
	if n := runtime.NumGoroutine(); n > 2*320+50 { // the handlers of connlimit, and those of this test
		t.Errorf("got %d goroutines, want at most %d", n, 2*320+50)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 16<<20 {
		t.Errorf("the heap grew by %d MiB, want at most 16", grown>>20)
	}
	if diff := cmp.Diff([]string(nil), d.Commands()); diff != "" {
		t.Errorf("commands of the device: %s", diff)
	}
}
