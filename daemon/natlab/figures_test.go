package natlab

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/api"
)

var figures = flag.Bool("figures", false, "measure, for some minutes")

// hd is a stream of 25 Mbit/s.
const hd = "device: test, size: 1280x720, fps: 30"

// scene is a call between the two homes.
type scene struct {
	*lab
	kitchen, cottage *device
	relay            *relay
	seen             [2]*watcher // at the kitchen and at the cottage
}

// newScene makes a call over the relay, or over a forwarded port without one.
func newScene(t testing.TB, camera string, direct bool) *scene {
	t.Helper()
	if !*figures {
		t.Skip("it measures: -figures")
	}
	s := newDevices(t, camera, direct)
	s.kitchen.start()
	s.cottage.start()
	s.kitchen.wait("link", s.kitchen.up)
	s.cottage.wait("link", s.cottage.up)
	s.seen = [2]*watcher{s.kitchen.watch(s.cottage), s.cottage.watch(s.kitchen)}
	s.kitchen.call(s.cottage)
	s.fresh("first frames", monotonic())
	return s
}

func newDevices(t testing.TB, camera string, direct bool) *scene {
	l := newLab(t, fullyRandom, fullyRandom)
	s := &scene{lab: l, kitchen: l.newDevice("kitchen", l.a.device), cottage: l.newDevice("cottage", l.b.device)}
	address, more := "", relayed
	if direct {
		address, more = fmt.Sprintf("%s:%d", l.b.public, peerPort), ""
		l.must(l.b.openPort())
	} else {
		s.relay = l.newRelay()
	}
	s.kitchen.configure(camera, s.cottage, address, more)
	s.cottage.configure(camera, s.kitchen, "", more)
	return s
}

func (d *device) up() bool { return d.link().State == api.LinkUp }

// fresh prints how long after t the first new frame arrived at each device.
func (s *scene) fresh(what string, t time.Duration) {
	s.t.Helper()
	var took [2]time.Duration
	for i, w := range s.seen {
		var err error
		if took[i], err = w.freshAfter(t); err != nil {
			s.t.Errorf("%s: %v", what, err)
		}
	}
	s.print("%s: frame at the kitchen after %v, at the cottage after %v", what, took[0].Round(time.Millisecond),
		took[1].Round(time.Millisecond))
}

func (s *scene) print(format string, args ...any) {
	s.t.Helper()
	load, _ := os.ReadFile("/proc/loadavg")
	s.t.Logf("%s (load %s)", fmt.Sprintf(format, args...), strings.Fields(string(load))[0])
}

func TestFigures_answer(t *testing.T) {
	s := newScene(t, hd, false)
	for i := range 5 {
		_, err := s.kitchen.client.Hangup(t.Context(), "")
		s.must(err)
		for _, d := range []*device{s.kitchen, s.cottage} {
			d.wait("end of the call", func() bool { return len(d.status().Calls) == 0 })
		}
		time.Sleep(time.Second)
		start := monotonic()
		_, err = s.kitchen.client.Call(t.Context(), api.CallRequest{Peer: s.cottage.name})
		s.must(err)
		s.cottage.wait("incoming call", s.cottage.inCall(api.CallIncoming))
		rings := monotonic() - start
		time.Sleep(500 * time.Millisecond)
		answered := monotonic()
		_, err = s.cottage.client.Answer(t.Context(), "")
		s.must(err)
		s.fresh(fmt.Sprintf("call %d rings after %v; answered", i+1, rings.Round(time.Millisecond)), answered)
	}
}

func TestFigures_outages(t *testing.T) {
	s := newScene(t, hd, false)
	settle := func() { time.Sleep(3 * time.Second) }
	for _, tt := range []struct {
		name  string
		begin func()
		last  time.Duration
		end   func()
	}{
		{"line of a cut for 10 s", func() { s.must(s.a.cut(true)) }, 10 * time.Second,
			func() { s.must(s.a.cut(false)) }},
		{"line of b cut for 10 s", func() { s.must(s.b.cut(true)) }, 10 * time.Second,
			func() { s.must(s.b.cut(false)) }},
		{"line of a cut for 1 s", func() { s.must(s.a.cut(true)) }, time.Second, func() { s.must(s.a.cut(false)) }},
		{"other public address of a", func() {}, 0, func() { s.must(s.a.setAddress(11)) }},
		{"other public address of b", func() {}, 0, func() { s.must(s.b.setAddress(21)) }},
		{"line of a cut for 10 s, then another address", func() { s.must(s.a.cut(true)) }, 10 * time.Second,
			func() { s.must(s.a.setAddress(12)); s.must(s.a.cut(false)) }},
		{"router of a restarted", func() {}, 0, func() { s.must(s.a.forget()) }},
		{"relay killed for 3 s", s.relay.kill, 3 * time.Second, s.relay.start},
		{"relay killed for 20 s", s.relay.kill, 20 * time.Second, s.relay.start},
		{"relay stopped for 10 s", func() { s.must(s.relay.cmd.Process.Signal(syscall.SIGSTOP)) }, 10 * time.Second,
			func() { s.must(s.relay.cmd.Process.Signal(syscall.SIGCONT)) }},
		{"power cut of the relay for 10 s", func() { // neither FIN nor RST
			s.must(s.lab.relay.run("ip link set eth0 down"))
			s.relay.kill()
		}, 10 * time.Second, func() {
			s.must(s.lab.relay.run("ip link set eth0 up", "ip route add default via 192.0.2.1"))
			s.relay.start()
		}},
	} {
		settle()
		for _, w := range s.seen {
			w.clear()
		}
		tt.begin()
		time.Sleep(tt.last)
		tt.end()
		s.fresh(tt.name, monotonic())
		if !s.kitchen.inCall(api.CallActive)() {
			t.Errorf("%s: the call did not survive", tt.name)
		}
	}
}

// The relay holds a dead connection of the kitchen, to which it may join the
// cottage.
func TestFigures_halfOpen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		during func(s *scene)
	}{
		// The kitchen does not know that its connection is dead.
		{"address changed", func(*scene) {}},
		// The kitchen waits again, beside its dead connection.
		{"power cut", func(s *scene) { s.kitchen.end(syscall.SIGKILL); s.kitchen.start() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !*figures {
				t.Skip("it measures: -figures")
			}
			for i := range 3 {
				s := newDevices(t, small, false)
				s.kitchen.start()
				time.Sleep(2 * time.Second)
				s.must(s.a.cut(true))
				s.must(s.a.setAddress(40 + i)) // the relay never hears of it
				tt.during(s)
				s.must(s.a.cut(false))
				time.Sleep(4 * time.Second)
				start := monotonic()
				s.cottage.start()
				s.kitchen.wait("link", s.kitchen.up)
				s.cottage.wait("link", s.cottage.up)
				s.print("link %v after the start of the other device", (monotonic() - start).Round(time.Millisecond))
			}
		})
	}
}

// b's line carries a third of the stream.
func TestFigures_slow(t *testing.T) {
	for _, direct := range []bool{true, false} {
		t.Run(map[bool]string{true: "direct", false: "relay"}[direct], func(t *testing.T) {
			s := newScene(t, hd, direct)
			s.must(s.slow(s.b, 8, 50*time.Millisecond))
			time.Sleep(10 * time.Second)
			s.seen[1].clear()
			time.Sleep(20 * time.Second)
			s.delays("at the cottage", s.seen[1])
			r := received(s.cottage)
			s.print("cottage receives %.1f fps, %.1f Mbit/s, %s", r.FPS, r.MbitS, r.Size)
		})
	}
}

func (s *scene) delays(what string, w *watcher) {
	s.t.Helper()
	w.mu.Lock()
	delays, lost, gap := slices.Clone(w.delays), w.lost, w.gap
	w.mu.Unlock()
	if len(delays) == 0 {
		s.t.Errorf("%s: no frames", what)
		return
	}
	slices.Sort(delays)
	s.print("%s: %d frames, %d lost, longest gap %v, delay p50 %v, p99 %v, max %v", what, len(delays), lost,
		gap.Round(time.Millisecond), delays[len(delays)/2].Round(100*time.Microsecond),
		delays[len(delays)*99/100].Round(100*time.Microsecond), delays[len(delays)-1].Round(100*time.Microsecond))
}

func TestFigures_strangers(t *testing.T) {
	s := newScene(t, hd, false)
	measure := func(what string) {
		for _, w := range s.seen {
			w.clear()
		}
		before := cpu(s.relay.cmd.Process.Pid)
		time.Sleep(10 * time.Second)
		s.delays(what+", at the kitchen", s.seen[0])
		s.delays(what+", at the cottage", s.seen[1])
		s.print("%s: relay %.0f %% of a processor", what, 100*(cpu(s.relay.cmd.Process.Pid)-before).Seconds()/10)
	}
	measure("alone")
	var waiting []net.Conn
	t.Cleanup(func() {
		for _, c := range waiting {
			c.Close()
		}
	})
	for i := range 1000 {
		c, err := s.relay.join(s.lab.relay, fmt.Sprintf("%064x", i), fmt.Sprintf("%016x", i))
		s.must(err)
		waiting = append(waiting, c)
	}
	measure("1000 strangers wait")
	s.relay.kill()
	time.Sleep(time.Second)
	s.relay.start()
	s.fresh("relay back", monotonic())
}

func TestFigures_direct(t *testing.T) {
	if !*figures {
		t.Skip("it measures: -figures")
	}
	s := newDevices(t, hd, false)
	s.kitchen.configure(hd, s.cottage, fmt.Sprintf("%s:%d", s.b.public, peerPort), relayed)
	s.kitchen.start()
	s.cottage.start()
	s.kitchen.waitPath(api.PathRelay)
	s.seen = [2]*watcher{s.kitchen.watch(s.cottage), s.cottage.watch(s.kitchen)}
	s.kitchen.call(s.cottage)
	s.fresh("first frames", monotonic())
	time.Sleep(5 * time.Second)
	for range 3 {
		for _, w := range s.seen {
			w.clear()
		}
		start := monotonic()
		s.must(s.b.openPort())
		s.kitchen.waitPath(api.PathDirect)
		s.print("direct %v after the port was opened", (monotonic() - start).Round(time.Millisecond))
		time.Sleep(3 * time.Second)
		s.delays("to the direct way, at the kitchen", s.seen[0])
		s.delays("to the direct way, at the cottage", s.seen[1])
		for _, w := range s.seen {
			w.clear()
		}
		start = monotonic()
		s.must(s.b.closePort())
		s.kitchen.waitPath(api.PathRelay)
		s.print("relay %v after the port was closed", (monotonic() - start).Round(time.Millisecond))
		time.Sleep(5 * time.Second)
		s.delays("to the relay, at the kitchen", s.seen[0])
		s.delays("to the relay, at the cottage", s.seen[1])
	}
}

// Ten calls go through one relay, each with its own two devices.
func TestFigures_ten(t *testing.T) {
	if !*figures {
		t.Skip("it measures: -figures")
	}
	const calls = 10
	l := newLab(t, fullyRandom, fullyRandom)
	r := l.newRelay()
	s := &scene{lab: l, relay: r}
	var kitchens, cottages []*device
	for i := range calls {
		k, c := l.newDevice(fmt.Sprint("kitchen", i), l.a.device), l.newDevice(fmt.Sprint("cottage", i), l.b.device)
		more := relayed + fmt.Sprintf("listen: \":%d\"\ndiscovery: false\n", 7500+i)
		k.configure(k.film(), c, "", more)
		c.configure(c.film(), k, "", more)
		k.start()
		c.start()
		kitchens, cottages = append(kitchens, k), append(cottages, c)
	}
	for i := range calls {
		kitchens[i].wait("link", kitchens[i].up)
		kitchens[i].call(cottages[i])
	}
	for i := range calls {
		kitchens[i].wait("frames", kitchens[i].sees)
		cottages[i].wait("frames", cottages[i].sees)
	}
	time.Sleep(5 * time.Second)
	before, idle := cpu(r.cmd.Process.Pid), idleTime()
	time.Sleep(10 * time.Second)
	var fps, mbits []string
	for i := range calls {
		for _, d := range []*device{kitchens[i], cottages[i]} {
			got := received(d)
			fps = append(fps, fmt.Sprintf("%.1f", got.FPS))
			mbits = append(mbits, fmt.Sprintf("%.0f/p99 %.0f ms", got.MbitS, got.LatencyMS.P99))
		}
	}
	s.print("ten calls: fps %v; Mbit/s %v; relay %.0f %% of a processor, %d KB; the machine is idle for %.0f %%",
		fps, mbits,
		100*(cpu(r.cmd.Process.Pid)-before).Seconds()/10, rss(r.cmd.Process.Pid), 100*(idleTime()-idle).Seconds()/20)
}

// film makes a camera of 20 to 25 Mbit/s that needs little work: a file.
func (d *device) film() string {
	d.t.Helper()
	m := image.NewGray(image.Rect(0, 0, 1280, 720))
	random := rand.New(rand.NewPCG(1, 2))
	var film bytes.Buffer
	for range 4 {
		for i := range m.Pix {
			m.Pix[i] = byte(128 + random.IntN(28))
		}
		d.must(jpeg.Encode(&film, m, &jpeg.Options{Quality: 60}))
	}
	path := filepath.Join(d.dir, "film.mjpeg")
	d.must(os.WriteFile(path, film.Bytes(), 0o644))
	return fmt.Sprintf("device: %q, size: 1280x720, fps: 30", "file:"+path)
}

// idleTime returns the idle time of all processors.
func idleTime() time.Duration {
	b, _ := os.ReadFile("/proc/stat")
	f := strings.Fields(string(b))
	var n int
	_, _ = fmt.Sscan(f[4], &n)
	return time.Duration(n) * 10 * time.Millisecond
}

func rss(pid int) (kb int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	_, _ = fmt.Sscan(after, &kb)
	return kb
}
