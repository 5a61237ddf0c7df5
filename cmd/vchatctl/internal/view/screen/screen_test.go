package screen

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/cmd/vchatctl/internal/view/screen/internal/uapi"
	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/daemontest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// testScreen is a screen on a fake kernel.
type testScreen struct {
	*Screen
	t       *testing.T
	kernel  *fakeKernel
	console *fakeConsole
	logged  []string
}

// runTest runs a test with fake time and checks for leaks after Close.
func runTest(t *testing.T, k *fakeKernel, test func(*testScreen)) {
	faketime.Test(t, func(t *testing.T) {
		r := &testScreen{t: t, kernel: k, console: newFakeConsole()}
		k.plugs, k.inputUps = make(chan struct{}, 1), make(chan struct{}, 1)
		var err error
		log := func(m string) { r.logged = append(r.logged, m) }
		if r.Screen, err = open(k, r.console, r.kernel.idle, log); err != nil {
			t.Fatal(err)
		}
		test(r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for range r.Input() { // until the channel is closed
		}
		if err := k.leaks(); err != nil || !r.console.closed {
			t.Errorf("after Close: leaks %v, console closed %v; want nil, true", err, r.console.closed)
		}
	})
}

// next calls Next with a timeout of 5 s.
func (r *testScreen) next() (render.Pixels, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	return r.Next(ctx)
}

// paint shows a frame with all bytes b, and waits for the refresh.
func (r *testScreen) paint(b byte) render.Pixels {
	r.t.Helper()
	p, err := r.next()
	if err != nil {
		r.t.Fatal(err)
	}
	fill(p, b)
	if err := r.Show(); err != nil {
		r.t.Fatal(err)
	}
	time.Sleep(refresh)
	synctest.Wait()
	return p
}

func fill(p render.Pixels, b byte) {
	for i := range p.Pix {
		p.Pix[i] = b
	}
}

func (r *testScreen) expectShown(crtc int, want string) {
	r.t.Helper()
	if got := r.kernel.all[0].shown(crtc); got != want {
		r.t.Errorf("monitor: got %s, want %s", got, want)
	}
}

// expectRepaint expects a request for a repaint.
func (r *testScreen) expectRepaint() {
	r.t.Helper()
	synctest.Wait()
	select {
	case in := <-r.Input():
		if in.Resized {
			return
		}
	default:
	}
	r.t.Error("got no repaint request")
}

func (r *testScreen) expectLogged(want ...string) {
	r.t.Helper()
	synctest.Wait()
	if !slices.Equal(r.logged, want) {
		r.t.Errorf("logged %q, want %q", r.logged, want)
	}
}

const noMonitor = "no monitor is connected"

func TestScreen_flips(t *testing.T) {
	k, c := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		r.expectShown(0, "0")
		p := r.paint(1)
		if p.W != 64 || p.H != 48 || p.Stride != 256 || p.Format != render.BGRX || len(p.Pix) != 48*256 {
			t.Errorf("got %dx%d, stride %d, format %d, %d bytes; want 64x48, 256, BGRX, 12288",
				p.W, p.H, p.Stride, p.Format, len(p.Pix))
		}
		r.expectShown(0, "1")
		p, _ = r.next()
		fill(p, 2)
		r.expectShown(0, "1") // the old frame, during painting
		r.Show()
		start := time.Now()
		p, err := r.next()
		if waited := time.Since(start); err != nil || waited != refresh {
			t.Errorf("Next returned after %v (error %v), want after the flip", waited, err)
		}
		fill(p, 3)
		r.expectShown(0, "2")
		if c.sets != 1 || c.flips != 2 {
			t.Errorf("got %d modesets and %d flips, want 1 and 2", c.sets, c.flips)
		}
		r.expectLogged()
	})
	if got := c.shown(0); got != "text" {
		t.Errorf("after Close: monitor shows %s, want text", got)
	}
}

// The painter keeps its memory while the console switches away.
func TestScreen_consoleSwitch(t *testing.T) {
	k, c := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		r.paint(1)
		p, _ := r.next()
		r.console.signals <- releaseSignal
		synctest.Wait()
		if r.console.leaves != 1 {
			t.Fatal("the release signal was not answered")
		}
		if c.master != nil {
			t.Error("the card still has a master")
		}
		r.expectShown(0, "text")
		fill(p, 2)
		if p.Pix[0] != 2 {
			t.Error("memory was unmapped before Show")
		}
		if err := r.Show(); err != nil {
			t.Error(err)
		}
		if p.Pix[0] != 0xdb {
			t.Error("memory was not unmapped by Show")
		}
		if _, err := r.next(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next while away: got %v, want DeadlineExceeded", err)
		}
		k.hotplug(func() {}) // ignored while away
		synctest.Wait()
		if c.master != nil {
			t.Error("the card was opened while away")
		}
		r.console.signals <- acquireSignal
		r.expectRepaint()
		if r.console.enters != 1 {
			t.Error("the acquire signal was not answered")
		}
		r.paint(3)
		r.expectShown(0, "3")
		r.expectLogged()
	})
}

func TestScreen_startsAway(t *testing.T) {
	k, c := oneMonitor()
	faketime.Test(t, func(t *testing.T) {
		r := &testScreen{t: t, kernel: k, console: newFakeConsole()}
		r.console.away, k.plugs = true, make(chan struct{}, 1)
		r.Screen, _ = open(k, r.console, 0, nil)
		synctest.Wait()
		if c.master != nil {
			t.Error("the card was opened while away")
		}
		r.console.signals <- acquireSignal
		r.expectRepaint()
		r.paint(1)
		r.expectShown(0, "1")
		r.Close()
	})
}

func TestScreen_hotplug(t *testing.T) {
	k, c := oneMonitor()
	conn := c.connectors[0]
	conn.Connection = 2
	runTest(t, k, func(r *testScreen) {
		r.expectLogged(noMonitor)
		if _, err := r.next(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next without a monitor: got %v, want DeadlineExceeded", err)
		}
		k.hotplug(func() { conn.Connection = uapi.Connected })
		r.expectRepaint()
		r.paint(1)
		r.expectShown(0, "1")

		k.hotplug(func() {}) // an event for another device
		r.paint(2)
		if c.sets != 1 {
			t.Errorf("got %d modesets after an unrelated hotplug, want 1", c.sets)
		}

		k.hotplug(func() { conn.Connection = 2 })
		time.Sleep(time.Minute)
		r.expectLogged(noMonitor, noMonitor) // once per outage
		k.hotplug(func() { conn.Connection, conn.Modes = uapi.Connected, []uapi.ModeInfo{mode(128, 72, 50, 0)} })
		r.expectRepaint()
		if p := r.paint(3); p.W != 128 || p.H != 72 {
			t.Errorf("got %dx%d, want 128x72", p.W, p.H)
		}
		r.expectShown(0, "3")
		k.hotplug(func() { conn.Modes = []uapi.ModeInfo{mode(64, 48, 50, 0)} }) // replaced between two events
		r.expectRepaint()
		if p := r.paint(4); p.W != 64 {
			t.Errorf("got %dx%d, want 64x48", p.W, p.H)
		}
	})
}

func TestScreen_findsMonitorWithoutUevents(t *testing.T) {
	k, c := oneMonitor()
	c.connectors[0].Connection = 2
	k.noUevents = true
	runTest(t, k, func(r *testScreen) {
		k.mu.Lock()
		c.connectors[0].Connection = uapi.Connected
		k.mu.Unlock()
		time.Sleep(retryInterval)
		r.expectRepaint()
		r.paint(1)
		r.expectShown(0, "1")
	})
}

func TestScreen_drivers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		card   fakeCard
		flips  int // for 3 frames
		sets   int
		format render.Format
	}{
		{"no flips", fakeCard{flipping: unix.EINVAL}, 0, 4, render.BGRX},
		{"no flip events", fakeCard{silent: true}, 1, 3, render.BGRX},
		{"16 bits", fakeCard{onlyBPP: 16}, 3, 1, render.RGB565},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &tt.card
			c.monitor(mode(64, 48, 60, 0))
			runTest(t, newFakeKernel(c), func(r *testScreen) {
				var p render.Pixels
				for i := range 3 {
					p = r.paint(byte(1 + i))
				}
				r.expectShown(0, "3")
				if c.flips != tt.flips || c.sets != tt.sets || p.Format != tt.format {
					t.Errorf("got %d flips, %d modesets, format %d; want %d, %d, %d",
						c.flips, c.sets, p.Format, tt.flips, tt.sets, tt.format)
				}
			})
		})
	}
}

func TestScreen_takenByOtherMaster(t *testing.T) {
	k, c := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		r.paint(1)
		k.mu.Lock()
		c.master, c.held = nil, true
		k.mu.Unlock()
		r.paint(2)
		time.Sleep(time.Minute)
		r.expectLogged("another program (X, Wayland) uses the screen")
		k.mu.Lock()
		c.held = false
		k.mu.Unlock()
		time.Sleep(retryInterval)
		r.expectRepaint()
		r.paint(3)
		r.expectShown(0, "3")
	})
}

func TestOpen_errors(t *testing.T) {
	noOutputs := &fakeCard{noOutputs: true}
	for _, tt := range []struct {
		name  string
		cards func() []*fakeCard
		want  error
	}{
		{"no card", func() []*fakeCard { return nil }, ErrNoCard},
		{"a card without outputs", func() []*fakeCard { return []*fakeCard{noOutputs} }, ErrNoCard},
		{"busy", func() []*fakeCard {
			c := &fakeCard{held: true}
			c.monitor(mode(64, 48, 60, 0))
			return []*fakeCard{noOutputs, c}
		}, ErrBusy},
		{"permission denied", func() []*fakeCard { return []*fakeCard{{opening: unix.EACCES}} }, ErrPermission},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, con := newFakeKernel(tt.cards()...), newFakeConsole()
			_, err := open(k, con, 0, nil)
			if !errors.Is(err, tt.want) || !con.closed {
				t.Errorf("got %v, console closed %v; want %v, true", err, con.closed, tt.want)
			}
			if err := k.leaks(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The first card of a Raspberry Pi has no outputs.
func TestScreen_secondCard(t *testing.T) {
	c := &fakeCard{}
	c.monitor(mode(64, 48, 60, 0))
	k := newFakeKernel(&fakeCard{noOutputs: true}, c)
	runTest(t, k, func(r *testScreen) {
		r.paint(7)
		if got := c.shown(0); got != "7" {
			t.Errorf("second card: got %s, want 7", got)
		}
	})
}

func TestScreen_consoleHungUp(t *testing.T) {
	k, _ := oneMonitor()
	runTest(t, k, func(r *testScreen) {
		r.console.keys <- []byte("s")
		close(r.console.keys)
		if in := <-r.Input(); in.Rune != 's' {
			t.Errorf("got input %+v, want s", in)
		}
		if in, ok := <-r.Input(); ok {
			t.Errorf("got input %+v after the hangup", in)
		}
		if err := r.Err(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Err: got %v, want ErrUnexpectedEOF", err)
		}
		if _, err := r.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Next: got %v, want ErrUnexpectedEOF", err)
		}
	})
}
