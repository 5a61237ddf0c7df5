package natlab

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vchat/daemon/api"
)

// marker is in each frame of the camera that camera makes.
var marker = []byte("a text that is in the frame and nowhere else")

// camera writes frames with the marker, and returns the camera's configuration.
func (d *device) camera() string {
	d.t.Helper()
	var frame bytes.Buffer
	d.must(jpeg.Encode(&frame, image.NewGray(image.Rect(0, 0, 320, 240)), nil))
	// A comment, after SOI.
	text := append([]byte{0xff, 0xfe, 0, byte(2 + len(marker))}, marker...)
	path := filepath.Join(d.dir, "camera.mjpeg")
	d.must(os.WriteFile(path, slices.Insert(frame.Bytes(), 2, text...), 0o644))
	return fmt.Sprintf("device: %q, size: 320x240, fps: 30", "file:"+path)
}

// With nothing but ids and a relay, two devices that cannot reach each other
// are in a call.
func TestRelay(t *testing.T) {
	for _, homes := range [][2]nat{
		{masquerade, masquerade}, {masquerade, fullyRandom}, {fullyRandom, fullyRandom}, {masquerade, carrierNAT},
	} {
		t.Run(homes[0].name+" and "+homes[1].name, func(t *testing.T) {
			t.Parallel()
			testRelay(t, homes[0], homes[1])
		})
	}
}

func testRelay(t *testing.T, a, b nat) {
	l := newLab(t, a, b)
	l.proveApart()
	kitchen, cottage := l.newDevice("kitchen", l.a.device), l.newDevice("cottage", l.b.device)
	secrets := [][]byte{marker, []byte("kitchen"), []byte("cottage"), kitchen.id[:], cottage.id[:]}
	c, err := newCapture(l.internet, secrets...)
	l.must(err)
	t.Cleanup(c.close)
	r := l.newRelay()
	kitchen.configure(small, cottage, "", relayed)
	cottage.configure(cottage.camera(), kitchen, "", relayed)
	kitchen.start()
	cottage.start()
	kitchen.waitPath(api.PathRelay)
	cottage.waitPath(api.PathRelay)
	w := cottage.watch(kitchen)
	kitchen.call(cottage)
	kitchen.wait("frames", kitchen.sees)
	cottage.wait("frames", cottage.sees)
	cottage.wait("100 frames", func() bool { n, _, _ := w.counts(); return n >= 100 })

	l.proveRelayed(c)
	for _, d := range []*device{kitchen, cottage} {
		if got := d.link(); got.Path != api.PathRelay || got.Relay != relayAddress {
			t.Errorf("%s: link by path %s, relay %q, want %s", d.name, got.Path, got.Relay, relayAddress)
		}
	}
	frame, err := kitchen.client.Snapshot(t.Context(), cottage.name)
	l.must(err)
	if !bytes.Contains(frame.Data, marker) {
		t.Error("the kitchen got a frame without the marker")
	}
	for _, s := range secrets {
		if n := c.times(s); n != 0 {
			t.Errorf("%q went over the relay %d times", s, n)
		}
	}
	l.proveSearch(r, c)
}

// proveSearch sends the marker over the relay in the clear, so that a search
// that finds nothing means something.
func (l *lab) proveSearch(r *relay, c *capture) {
	l.t.Helper()
	token := strings.Repeat("5", 64)
	from, err := r.join(l.a.device, token, strings.Repeat("1", 16))
	l.must(err)
	defer from.Close()
	to, err := r.join(l.b.device, token, strings.Repeat("2", 16))
	l.must(err)
	defer to.Close()
	b := make([]byte, len("ok\n"))
	for _, conn := range []net.Conn{from, to} {
		l.must(conn.SetDeadline(time.Now().Add(patience)))
		_, err := io.ReadFull(conn, b)
		l.must(err)
	}
	_, err = from.Write(marker)
	l.must(err)
	_, err = io.ReadFull(to, make([]byte, len(marker)))
	l.must(err)
	for limit := time.Now().Add(patience); c.times(marker) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			l.t.Fatal("the search did not find the marker in the clear")
		}
	}
}

// callByRelay starts two devices with small cameras. The first one calls the
// other by the relay. It returns what each of them sees.
func callByRelay(kitchen, cottage *device) (seen [2]*watcher) {
	kitchen.configure(small, cottage, "", relayed)
	cottage.configure(small, kitchen, "", relayed)
	kitchen.start()
	cottage.start()
	kitchen.waitPath(api.PathRelay)
	seen = [2]*watcher{kitchen.watch(cottage), cottage.watch(kitchen)}
	kitchen.call(cottage)
	return seen
}

// The relay holds dead connections of the server, and joins the client with
// one. A call does not wait for the end of that handshake.
func TestHalfOpen(t *testing.T) {
	l := newLab(t, fullyRandom, masquerade)
	kitchen, cottage := l.newDevice("kitchen", l.a.device), l.newDevice("cottage", l.b.device)
	r := l.newRelay()
	seen := callByRelay(kitchen, cottage)
	kitchen.wait("frames", kitchen.sees)
	cottage.wait("frames", cottage.sees)
	server, client, home := kitchen, cottage, l.a
	if kitchen.id.Compare(cottage.id) < 0 {
		server, client, home = cottage, kitchen, l.b
	}
	certificate, err := client.own.ServerConfig().GetCertificate(nil)
	l.must(err)
	token, err := server.own.RelayToken(certificate.PrivateKey.(ed25519.PrivateKey).Public().(ed25519.PublicKey))
	l.must(err)
	var took []time.Duration
	for range 5 { // one of them must be fast: the machine may be loaded
		for range 4 {
			c, err := r.join(l.relay, token.String(), token.Side(server.id))
			l.must(err)
			defer c.Close()
		}
		l.must(home.forget())
		start := monotonic()
		var worst time.Duration
		for _, w := range seen {
			fresh, err := w.freshAfter(start)
			l.must(err)
			worst = max(worst, fresh)
		}
		if worst <= time.Second {
			return
		}
		took = append(took, worst)
		time.Sleep(2 * time.Second)
	}
	t.Errorf("first frames after %v, want at most 1 s once", took)
}

// A port that is forwarded during a call moves it to the direct way, without a
// lost frame. When the port is closed again, the relay takes over.
func TestDirect(t *testing.T) {
	l := newLab(t, fullyRandom, masquerade)
	kitchen, cottage := l.newDevice("kitchen", l.a.device), l.newDevice("cottage", l.b.device)
	c, err := newCapture(l.internet)
	l.must(err)
	t.Cleanup(c.close)
	l.newRelay()
	kitchen.configure(small, cottage, fmt.Sprintf("%s:%d", l.b.public, peerPort), relayed)
	cottage.configure(small, kitchen, "", relayed)
	kitchen.start()
	cottage.start()
	kitchen.waitPath(api.PathRelay)
	seen := cottage.watch(kitchen)
	kitchen.call(cottage)
	kitchen.wait("frames", kitchen.sees)
	cottage.wait("frames", cottage.sees)
	more := func() {
		t.Helper()
		before, _, _ := seen.counts()
		cottage.wait("frames", func() bool { n, _, _ := seen.counts(); return n >= before+30 })
	}
	var lost []uint64
	// One change must lose nothing. On a loaded machine, what is on its way by
	// the relay may take longer than a link drains.
	for range 5 {
		more()
		before := received(cottage).Lost
		l.must(l.b.openPort())
		kitchen.waitPath(api.PathDirect)
		cottage.waitPath(api.PathDirect)
		more()
		lost = append(lost, received(cottage).Lost-before)
		l.must(l.b.closePort())
		kitchen.waitPath(api.PathRelay)
		cottage.waitPath(api.PathRelay)
		if lost[len(lost)-1] == 0 {
			break
		}
	}
	if lost[len(lost)-1] != 0 {
		t.Errorf("%d frames lost by the changes of the way, want none once", lost)
	}
	if n := c.packets(l.a.public, l.b.public); n < 30 {
		t.Errorf("%d packets between the homes, want those of a call", n)
	}
	if _, err := seen.freshAfter(monotonic()); err != nil {
		t.Error(err)
	}
	if !cottage.inCall(api.CallActive)() {
		t.Error("the call did not survive")
	}
}

// A call gets through lines that carry small packets only and do not say so.
func TestSmallPackets(t *testing.T) {
	l := newLab(t, masquerade, masquerade)
	kitchen, cottage := l.newDevice("kitchen", l.a.device), l.newDevice("cottage", l.b.device)
	for _, h := range []*home{l.a, l.b} {
		l.must(h.router.run("ip link set wan mtu 1280"))
		l.must(l.internet.run("ip link set to-" + h.name + " mtu 1280"))
	}
	for _, n := range []*namespace{l.a.router, l.b.router, l.internet} {
		l.must(n.nft("table ip silent { chain output { " +
			"type filter hook output priority filter; ip protocol icmp drop; }; }\n"))
	}
	l.newRelay()
	seen := callByRelay(kitchen, cottage)
	for i, d := range []*device{kitchen, cottage} {
		d.wait("30 frames", func() bool { n, _, _ := seen[i].counts(); return n >= 30 })
	}
}

func received(d *device) api.Receiving {
	d.t.Helper()
	s := d.status()
	if len(s.Calls) != 1 || s.Calls[0].Receiving == nil {
		d.t.Fatalf("%s: no call", d.name)
	}
	return *s.Calls[0].Receiving
}
