package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/control/controltest"
	"vchat/daemon/daemontest/leaktest"
	"vchat/daemon/frame"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func open(t testing.TB, socket string) *client.Client {
	c := client.New(socket)
	t.Cleanup(c.Close)
	return c
}

func TestClient_commands(t *testing.T) {
	ctx := t.Context()
	d := controltest.New()
	c := open(t, controltest.Start(t, d))
	status, err := c.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.Status(), status); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	peers, err := c.Peers(ctx)
	if diff := cmp.Diff(d.Peers(), peers); err != nil || diff != "" {
		t.Errorf("peers: got error %v (-want +got):\n%s", err, diff)
	}
	id, err := c.Identity(ctx)
	if diff := cmp.Diff(d.Identity(), id); err != nil || diff != "" {
		t.Errorf("identity: got error %v (-want +got):\n%s", err, diff)
	}
	call, err := c.Call(ctx, api.CallRequest{Peer: "workshop", RingTimeoutMS: 7})
	if err != nil || call.Peer != "workshop" || call.State != api.CallCalling {
		t.Errorf("call: got %+v, %v; want state calling", call, err)
	}
	if call, err := c.Answer(ctx, ""); err != nil || call.State != api.CallActive {
		t.Errorf("answer: got %+v, %v; want state active", call, err)
	}
	if call, err := c.Hangup(ctx, "workshop"); err != nil || call.Reason != api.ReasonHungUp {
		t.Errorf("hangup: got %+v, %v; want reason hung_up", call, err)
	}
	_, err = c.Reject(ctx, "workshop")
	var e *api.Error
	if !errors.As(err, &e) || e.Kind != api.NoSuchCall {
		t.Errorf("reject: got %v, want kind no_such_call", err)
	}
	if diff := cmp.Diff([]string{"call workshop 7", "answer ", "hangup workshop", "reject workshop"},
		d.Commands()); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestClient_cameras(t *testing.T) {
	ctx := t.Context()
	d := controltest.New()
	c := open(t, controltest.Start(t, d))
	if err := c.SetPrivacy(ctx, true); err != nil {
		t.Error(err)
	}
	if on, err := c.Privacy(ctx); err != nil || !on {
		t.Errorf("privacy: got %v, %v; want true", on, err)
	}
	if all, err := c.Cameras(ctx); err != nil || len(all.Cameras) != 2 || !all.Cameras[0].Used {
		t.Errorf("cameras: got %+v, %v; want 2, the first one used", all, err)
	}
	if f, err := c.Formats(ctx, "/dev/a b?c&d"); err != nil || len(f.Formats) != 2 {
		t.Errorf("formats: got %+v, %v; want 2", f, err)
	}
	if v, err := c.Controls(ctx, ""); err != nil || len(v.Controls) != 6 {
		t.Errorf("controls: got %+v, %v; want 6", v, err)
	}
	v, err := c.SetControls(ctx, api.ControlsRequest{Controls: map[string]string{"power_line_frequency": "50hz"}})
	if err != nil || len(v.Changed) != 1 || *v.Changed[0].From != 2 || *v.Changed[0].To != 1 {
		t.Errorf("set: got %+v, %v; want one change from 2 to 1", v, err)
	}
	want := []string{fmt.Sprintf("privacy true uid %d", os.Getuid()), "formats /dev/a b?c&d", "controls ",
		"set  power_line_frequency=50hz"}
	if diff := cmp.Diff(want, d.Commands()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d.FailCameras(&api.Error{Kind: api.PrivacyOn, Message: "privacy is on"})
	var e *api.Error
	if _, err := c.Formats(ctx, ""); !errors.As(err, &e) || e.Kind != api.PrivacyOn {
		t.Errorf("refused: got %v, want kind privacy", err)
	}
}

func TestClient_Events(t *testing.T) {
	d := controltest.New()
	c := open(t, controltest.Start(t, d))
	ctx, cancel := context.WithCancel(t.Context())
	events, err := c.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	if e, err := events.Next(); err != nil || e.Status == nil || e.Status.Name != "kitchen" {
		t.Fatalf("first event: got %+v, %v; want the state", e, err)
	}
	d.Events.Publish(api.Event{Event: api.EventText, Peer: "workshop", Text: "tea?"})
	if e, err := events.Next(); err != nil || e.Text != "tea?" {
		t.Errorf("second event: got %+v, %v; want the message", e, err)
	}
	cancel()
	if _, err := events.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: got %v, want context.Canceled", err)
	}
}

func TestClient_Feed(t *testing.T) {
	d := controltest.New()
	c := open(t, controltest.Start(t, d))
	feed, err := c.Feed(t.Context(), "workshop")
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	for seq := uint64(1); seq < 20; seq++ {
		want := bytes.Repeat([]byte("\r\n--vchat\r\n"), int(seq*seq*400)) // a frame may contain the boundary
		before := time.Now()
		d.Publish("workshop", seq, seq == 5, want)
		f, err := feed.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Data, want) || f.Seq != seq || f.Card != (seq == 5) {
			t.Errorf("frame %d: got %d bytes of %d, sequence %d, card %v", seq, len(f.Data), len(want), f.Seq, f.Card)
		}
		if ago := frame.Now() - f.Monotonic; ago < 0 || ago > time.Since(before)+time.Millisecond {
			t.Errorf("frame %d: got age %v by CLOCK_MONOTONIC, want at most %v", seq, ago, time.Since(before))
		}
		if f.Captured.Before(before.Add(-time.Millisecond)) || f.Captured.After(time.Now()) || f.Age < 0 {
			t.Errorf("frame %d: got capture time %v, age %v; want %v", seq, f.Captured, f.Age, before)
		}
	}
	d.Publish("workshop", 21, false, []byte("last"))
	if f, err := feed.Next(); err != nil || string(f.Data) != "last" {
		t.Fatalf("last frame: got %q, %v; want it", f.Data, err)
	}
	d.Feed("workshop").End(nil)
	if _, err := feed.Next(); err != io.EOF {
		t.Errorf("after the end of the feed: got %v, want io.EOF", err)
	}
}

func TestClient_Snapshot(t *testing.T) {
	d := controltest.New()
	c := open(t, controltest.Start(t, d))
	d.Publish("workshop", 4, true, []byte("a card"))
	f, err := c.Snapshot(t.Context(), "workshop")
	if err != nil || string(f.Data) != "a card" || f.Seq != 4 || !f.Card || f.Captured.IsZero() {
		t.Errorf("got %+v, %v; want the card", f, err)
	}
	var e *api.Error
	if _, err := c.Snapshot(t.Context(), "cellar"); !errors.As(err, &e) || e.Kind != api.NoSuchFeed {
		t.Errorf("got %v, want kind no_such_feed", err)
	}
}

// A feed's name never changes the path of the request.
func TestClient_Feed_names(t *testing.T) {
	c := open(t, controltest.Start(t, controltest.New()))
	for _, name := range []string{"../status", "a/b", "a?b", "a%2fb", "ä", "", "self.mjpeg"} {
		t.Run(name, func(t *testing.T) {
			var e *api.Error
			if _, err := c.Feed(t.Context(), name); !errors.As(err, &e) || e.Kind != api.NoSuchFeed {
				t.Errorf("%q: got %v, want kind no_such_feed", name, err)
			}
		})
	}
}

func TestClient_noDaemon(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, tt := range []struct {
		socket string
		errno  error
	}{{filepath.Join(dir, "none.sock"), syscall.ENOENT}, {stale, syscall.ECONNREFUSED}} {
		t.Run(filepath.Base(tt.socket), func(t *testing.T) {
			_, err := open(t, tt.socket).Status(t.Context())
			if !errors.Is(err, client.ErrUnreachable) || !errors.Is(err, tt.errno) ||
				!strings.Contains(err.Error(), tt.socket) {
				t.Errorf("got %v, want ErrUnreachable with %v", err, tt.errno)
			}
		})
	}
}

// serveBytes serves one connection with a fixed answer.
func serveBytes(t *testing.T, answer string) (socket string) {
	socket = filepath.Join(t.TempDir(), "odd.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, answer)
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return socket
}

func TestClient_invalidAnswers(t *testing.T) {
	answer := func(version, status, body string) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\nVchat-Version: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			status, version, len(body), body)
	}
	for _, tt := range []struct {
		name, answer string
		is           error
		contains     []string
	}{
		{"another program", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", client.ErrProtocol,
			[]string{"is not vchatd"}},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n", client.ErrUnreachable, nil},
		{"nothing", "", client.ErrUnreachable, nil},
		{"half", "HTTP/1.1 200 OK\r\nVchat-Version: 1\r\nContent-Length: 100\r\n\r\n{", client.ErrUnreachable, nil},
		{"another version's form", answer("9.9", "200 OK", "[]"), client.ErrProtocol,
			[]string{"9.9", api.Version, "restart"}},
		{"an error in another form", answer("9.9", "500 Oh", "oh"), client.ErrProtocol, []string{"9.9"}},
		{"far too long", answer(api.Version, "200 OK", strings.Repeat(" ", 2<<20)), client.ErrProtocol,
			[]string{"more than"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(t, serveBytes(t, tt.answer)).Status(t.Context())
			if !errors.Is(err, tt.is) {
				t.Fatalf("got %v, want %v", err, tt.is)
			}
			for _, w := range tt.contains {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got %v, want %q in it", err, w)
				}
			}
		})
	}
}

func TestClient_otherVersion(t *testing.T) {
	body := `{"error":{"kind":"not_found","message":"no such route: /v1/status"}}`
	answer := fmt.Sprintf("HTTP/1.1 404 Not Found\r\nVchat-Version: 9.9\r\n"+
		"Content-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
	c := open(t, serveBytes(t, answer))
	_, err := c.Status(t.Context())
	var e *api.Error
	if !errors.As(err, &e) || !strings.Contains(e.Hint, "9.9") {
		t.Errorf("got %#v, want a hint with the version", err)
	}
}

func TestFeed_invalid(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nVchat-Version: 1\r\n" +
		"Content-Type: multipart/x-mixed-replace; boundary=vchat\r\nConnection: close\r\n\r\n--vchat\r\n"
	for _, tt := range []struct {
		name, answer string
		is           error
	}{
		{"ends at once", head, io.EOF},
		{"a huge frame", head + "Content-Length: 99999999999\r\n\r\n", client.ErrProtocol},
		{"a frame of negative length", head + "Content-Length: -5\r\n\r\n", client.ErrProtocol},
		{"a frame without a length", head + "X-Sequence: 5\r\n\r\nxxxx", client.ErrProtocol},
		{"half a frame", head + "Content-Length: 5\r\n\r\nxx", client.ErrUnreachable},
		{"half a header", head + "Content-Length: 5\r\nX-Seq", client.ErrUnreachable},
		{"an endless header", head + strings.Repeat("x", 10000), client.ErrProtocol},
		{"endless headers", head + strings.Repeat("X-More: 1\r\n", 1000), client.ErrProtocol},
		{"endless empty lines", head + strings.Repeat("\r\n", 10000), client.ErrProtocol},
		{"an invalid number", head + "X-Sequence: many\r\n", client.ErrProtocol},
		{"no header", head + "hello\r\n", client.ErrProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			feed, err := open(t, serveBytes(t, tt.answer)).Feed(t.Context(), "self")
			if err != nil {
				t.Fatal(err)
			}
			defer feed.Close()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := feed.Next(); !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %v", err, tt.is)
			}
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
				t.Errorf("allocated %d bytes, want at most 1 MiB", allocated)
			}
		})
	}
}

// BenchmarkFeed measures the time of a frame from the hub through the socket to
// a viewer.
func BenchmarkFeed(b *testing.B) {
	d := controltest.New()
	c := open(b, controltest.Start(b, d))
	feed, err := c.Feed(b.Context(), "workshop")
	if err != nil {
		b.Fatal(err)
	}
	defer feed.Close()
	frame := bytes.Repeat([]byte("x"), 120_000)
	took := make([]time.Duration, 0, 1<<16)
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		d.Publish("workshop", uint64(i), false, frame)
		if _, err := feed.Next(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
