package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view"
)

// startFake starts a server that answers a client's connections by serve, and
// returns its display name.
func startFake(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vchat-x-") // short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Setenv("XAUTHORITY", os.DevNull)
	l, err := net.Listen("unix", filepath.Join(dir, "x:7"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(testTimeout))
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return filepath.Join(dir, "x:7")
}

// setupOf returns a server's first message with this body.
func setupOf(code byte, reason int, body []byte) []byte {
	b := []byte{code, byte(reason), 11, 0, 0, 0, 0, 0}
	binary.LittleEndian.PutUint16(b[6:], uint16(len(body)/4))
	return append(b, body...)
}

// goodSetup is one screen of 24 bits.
func goodSetup() []byte {
	le := binary.LittleEndian
	b := make([]byte, 32) // release, resource ids, motion buffer, vendor's length, …
	le.PutUint32(b[4:], 0x200000)
	le.PutUint32(b[8:], 0x1fffff)
	le.PutUint16(b[18:], 65535)               // maximum request
	b[20], b[21], b[26], b[27] = 1, 1, 8, 255 // roots, formats, keycodes
	b = append(b, 24, 32, 32, 0, 0, 0, 0, 0)  // format
	root := make([]byte, 40)                  // window, colormap, …
	le.PutUint32(root, 0x100)
	le.PutUint16(root[20:], 65535)
	le.PutUint16(root[22:], 65535)
	le.PutUint32(root[32:], 0x21)
	root[38], root[39] = 24, 1
	depth := []byte{24, 0, 1, 0, 0, 0, 0, 0}
	v := make([]byte, 24)
	le.PutUint32(v, 0x21)
	v[4] = 4 // TrueColor
	le.PutUint32(v[8:], 0xff0000)
	le.PutUint32(v[12:], 0xff00)
	le.PutUint32(v[16:], 0xff)
	return setupOf(1, 0, append(append(append(b, root...), depth...), v...))
}

// answer reads requests and answers each by reply, which gets its number.
func answer(c net.Conn, reply func(n uint16, request []byte) []byte) {
	head := make([]byte, 4)
	for n := uint16(1); ; n++ {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		rest := make([]byte, max(0, int(binary.LittleEndian.Uint16(head[2:]))*4-4))
		if _, err := io.ReadFull(c, rest); err != nil {
			return
		}
		if _, err := c.Write(reply(n, append(head, rest...))); err != nil {
			return
		}
	}
}

// message returns a reply to the n-th request that claims a length in words.
func message(kind byte, n uint16, length uint32, fill byte) []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = fill
	}
	b[0] = kind
	binary.LittleEndian.PutUint16(b[2:], n)
	binary.LittleEndian.PutUint32(b[4:], length)
	return b
}

// No server makes this program panic, allocate without limit, or wait forever.
func TestOpen_hostileServer(t *testing.T) {
	after := func(setup []byte, reply func(n uint16, request []byte) []byte) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 12))
			_, _ = c.Write(setup)
			if reply != nil {
				answer(c, reply)
			}
		}
	}
	cut := goodSetup()
	lists := goodSetup()
	lists[8+20], lists[8+21] = 255, 255 // more roots and formats than there are
	visuals := goodSetup()
	binary.LittleEndian.PutUint16(visuals[8+32+8+40+2:], 65535)
	for name, serve := range map[string]func(net.Conn){
		"closes at once":        func(net.Conn) {},
		"closes after the head": after([]byte{1, 0, 11, 0, 0, 0, 0xff, 0xff}, nil),
		"garbage":               after([]byte("HTTP/1.1 400 Bad Request\r\n\r\n: what a display is not"), nil),
		"empty setup":           after(setupOf(1, 0, nil), nil),
		"no screen":             after(setupOf(1, 0, make([]byte, 32)), nil),
		"half a setup":          after(setupOf(1, 0, cut[8:len(cut)-28]), nil),
		"more roots":            after(lists, nil),
		"more visuals":          after(visuals, nil),
		"full of ones":          after(setupOf(1, 0, message(0xff, 0xffff, 0xffffffff, 0xff)), nil),
		"reason beyond the end": after(setupOf(0, 255, make([]byte, 4)), nil),
		"asks for more":         after(setupOf(2, 0, make([]byte, 64)), nil),
		"replies of 16 GiB": after(goodSetup(), func(n uint16, _ []byte) []byte {
			return message(1, n, 0xffffffff, 0)
		}),
		"a length that overflows": after(goodSetup(), func(n uint16, _ []byte) []byte {
			return message(1, n, 0x40000000-8, 0)
		}),
		"lists beyond the end": after(goodSetup(), func(n uint16, _ []byte) []byte { return message(1, n, 0, 0xff) }),
		"nothing but errors":   after(goodSetup(), func(n uint16, _ []byte) []byte { return message(0, n, 0, 1) }),
		"nothing but events": after(goodSetup(), func(n uint16, _ []byte) []byte {
			return append(message(byte(n), n, 0xffffffff, 0xff), message(0xff, n, 7, 7)...)
		}),
		"generic events": after(goodSetup(), func(n uint16, _ []byte) []byte { return message(35, n, 0xffffffff, 0) }),
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Open(t.Context(), Options{Display: startFake(t, serve)})
			if err == nil {
				_ = w.Close()
				t.Fatal("got a window")
			}
			if !errors.Is(err, ErrNoDisplay) && !errors.Is(err, ErrNoVisual) {
				t.Errorf("got %v, want ErrNoDisplay or ErrNoVisual", err)
			}
		})
	}
}

// FuzzServer answers with any bytes.
func FuzzServer(f *testing.F) {
	f.Add(goodSetup(), message(1, 1, 0, 0))
	f.Add(goodSetup(), append(message(1, 1, 0, 1), message(28, 0, 0, 9)...))
	f.Add(setupOf(0, 9, []byte("no access\n\n\n")), []byte{})
	f.Fuzz(func(t *testing.T, setup, answers []byte) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			_, _ = theirs.Write(setup)
			_, _ = theirs.Write(answers)
		}()
		conn, err := setUp(&serverConn{Conn: ours, request: setupRequest(nil)})
		if err != nil {
			_ = ours.Close()
			return
		}
		w := &Window{conn: conn, socket: ours, input: make(chan view.Input, 64), activity: make(chan struct{}, 1),
			done: make(chan struct{}), stop: func() bool { return true }}
		_ = w.open(Options{})
		go w.listen()
		_ = w.Close()
	})
}

// A client that sends the window false sizes does not make it allocate for
// them.
func TestResized_limit(t *testing.T) {
	w := &Window{width: 640, height: 480, input: make(chan view.Input, 64)}
	for _, size := range [][2]int{{65535, 65535}, {32767, 32767}, {65535, 600}} {
		w.resized(size[0], size[1])
		if w.width != 640 || w.height != 480 {
			t.Errorf("%v: got %dx%d", size, w.width, w.height)
		}
	}
	if w.resized(7680, 4320); w.width != 7680 || w.height != 4320 {
		t.Errorf("got %dx%d, want 7680x4320", w.width, w.height)
	}
}

func TestParseDisplay(t *testing.T) {
	for _, tt := range []struct {
		name string
		want display
	}{
		{":0", display{"unix", "/tmp/.X11-unix/X0", "", "0", 0}},
		{":1.2", display{"unix", "/tmp/.X11-unix/X1", "", "1", 2}},
		{"unix:3", display{"unix", "/tmp/.X11-unix/X3", "", "3", 0}},
		{"/tmp/launch-12/:0", display{"unix", "/tmp/launch-12/:0", "", "0", 0}},
		{"localhost:10.0", display{"tcp", "localhost:6010", "localhost", "10", 0}},
		{"tcp/host:1", display{"tcp", "host:6001", "host", "1", 0}},
		{"[::1]:1", display{"tcp", "[::1]:6001", "[::1]", "1", 0}},
	} {
		if got, err := parseDisplay(tt.name); err != nil || got != tt.want {
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
	for _, name := range []string{"0", ":", ":x", ":-1", ":0.x", ":0.-1", ":99999999999", ":0."} {
		if got, err := parseDisplay(name); !errors.Is(err, ErrNoDisplay) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestFindCookie(t *testing.T) {
	entry := func(family uint16, fields ...string) (b []byte) {
		b = binary.BigEndian.AppendUint16(nil, family)
		for _, f := range fields {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(f))), f...)
		}
		return b
	}
	file := entry(256, "other", "0", cookieName, "no")
	file = append(file, entry(256, "host", "1", cookieName, "no")...)
	file = append(file, entry(256, "host", "0", "XDM-AUTHORIZATION-1", "no")...)
	file = append(file, entry(256, "host", "0", cookieName, "yes")...)
	for n := range len(file) {
		if got := findCookie(file[:n], "host", "0"); got != nil {
			t.Errorf("%d bytes: got %q", n, got)
		}
	}
	if got := findCookie(file, "host", "0"); string(got) != "yes" {
		t.Errorf("got %q, want yes", got)
	}
	for _, wild := range [][]byte{entry(65535, "", "0", cookieName, "yes"), entry(256, "host", "", cookieName, "yes")} {
		if got := findCookie(wild, "host", "0"); string(got) != "yes" {
			t.Errorf("got %q, want yes", got)
		}
	}
	if got := fmt.Sprintf("%x", setupRequest([]byte("0123456789abcdef"))); len(got) != 2*(12+20+16) {
		t.Errorf("got %s", got)
	}
}
