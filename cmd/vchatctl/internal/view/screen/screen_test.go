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

// rig is a screen on a pretended kernel.
type rig struct {
	*Screen
	t       *testing.T
	kernel  *pretendKernel
	console *pretendConsole
	told    []string
}

// with runs a test on pretended time, and looks at the end whether all was given back.
func with(t *testing.T, k *pretendKernel, test func(*rig)) {
	faketime.Test(t, func(t *testing.T) {
		r := &rig{t: t, kernel: k, console: newConsole()}
		k.plugs = make(chan struct{}, 1)
		var err error
		if r.Screen, err = open(k, r.console, func(m string) { r.told = append(r.told, m) }); err != nil {
			t.Fatal(err)
		}
		test(r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for range r.Input() { // closed
		}
		if err := k.leaks(); err != nil || !r.console.closed {
			t.Errorf("after Close: %v, console closed: %v", err, r.console.closed)
		}
	})
}

// next is Next for as long as any screen needs.
func (r *rig) next() (render.Pixels, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	return r.Next(ctx)
}

// paint shows a frame all of one byte, and waits until it is shown.
func (r *rig) paint(b byte) render.Pixels {
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

func (r *rig) shows(crtc int, want string) {
	r.t.Helper()
	if got := r.kernel.all[0].shown(crtc); got != want {
		r.t.Errorf("the monitor shows %s, want %s", got, want)
	}
}

// resized looks for the input that has all painted again.
func (r *rig) resized() {
	r.t.Helper()
	synctest.Wait()
	select {
	case in := <-r.Input():
		if in.Resized {
			return
		}
	default:
	}
	r.t.Error("the painter is not told to paint again")
}

func (r *rig) tells(want ...string) {
	r.t.Helper()
	synctest.Wait()
	if !slices.Equal(r.told, want) {
		r.t.Errorf("told %q, want %q", r.told, want)
	}
}

const plugOne = "no monitor is connected: plug one in"

func TestFramesAreShownWhole(t *testing.T) {
	k, c := oneMonitor()
	with(t, k, func(r *rig) {
		r.shows(0, "0")
		p := r.paint(1)
		if p.W != 64 || p.H != 48 || p.Stride != 256 || p.Format != render.BGRX || len(p.Pix) != 48*256 {
			t.Errorf("painted on %d x %d, stride %d, format %d, %d bytes", p.W, p.H, p.Stride, p.Format, len(p.Pix))
		}
		r.shows(0, "1")
		p, _ = r.next()
		fill(p, 2)
		r.shows(0, "1") // while it is painted
		r.Show()
		start := time.Now()
		p, err := r.next()
		if waited := time.Since(start); err != nil || waited != refresh {
			t.Errorf("the next memory after %v (%v), want it when the flip is done", waited, err)
		}
		fill(p, 3)
		r.shows(0, "2")
		if c.sets != 1 || c.flips != 2 {
			t.Errorf("%d modesets and %d flips, want 1 and 2", c.sets, c.flips)
		}
		r.tells()
	})
	if got := c.shown(0); got != "text" {
		t.Errorf("after Close the monitor shows %s", got)
	}
}

// What is being painted stays the painter's, while the console is switched away at once.
func TestSwitchOfConsoles(t *testing.T) {
	k, c := oneMonitor()
	with(t, k, func(r *rig) {
		r.paint(1)
		p, _ := r.next()
		r.console.signals <- releaseSignal
		synctest.Wait()
		if r.console.leaves != 1 {
			t.Fatal("the kernel was not answered")
		}
		if c.master != nil {
			t.Error("who comes now cannot have the screen")
		}
		r.shows(0, "text")
		fill(p, 2)
		if p.Pix[0] != 2 {
			t.Error("memory was taken from under the painter")
		}
		if err := r.Show(); err != nil {
			t.Error(err)
		}
		if p.Pix[0] != 0xdb {
			t.Error("memory was not given back by Show")
		}
		if _, err := r.next(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next on a console that is switched away: %v, want it to wait", err)
		}
		k.script(func() {}) // a monitor that comes meanwhile is not for us
		synctest.Wait()
		if c.master != nil {
			t.Error("the screen was taken while the console is away")
		}
		r.console.signals <- acquireSignal
		r.resized()
		if r.console.enters != 1 {
			t.Error("the kernel was not answered")
		}
		r.paint(3)
		r.shows(0, "3")
		r.tells()
	})
}

func TestStartOnAConsoleThatIsAway(t *testing.T) {
	k, c := oneMonitor()
	faketime.Test(t, func(t *testing.T) {
		r := &rig{t: t, kernel: k, console: newConsole()}
		r.console.away, k.plugs = true, make(chan struct{}, 1)
		r.Screen, _ = open(k, r.console, nil)
		synctest.Wait()
		if c.master != nil {
			t.Error("the screen was taken")
		}
		r.console.signals <- acquireSignal
		r.resized()
		r.paint(1)
		r.shows(0, "1")
		r.Close()
	})
}

func TestMonitorComesAndGoes(t *testing.T) {
	k, c := oneMonitor()
	conn := c.connectors[0]
	conn.Connection = 2
	with(t, k, func(r *rig) {
		r.tells(plugOne)
		if _, err := r.next(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next without a monitor: %v", err)
		}
		k.script(func() { conn.Connection = uapi.Connected })
		r.resized()
		r.paint(1)
		r.shows(0, "1")

		k.script(func() {}) // something else was plugged in
		r.paint(2)
		if c.sets != 1 {
			t.Errorf("%d modesets, want none for what does not concern us", c.sets)
		}

		k.script(func() { conn.Connection = 2 })
		time.Sleep(time.Minute)
		r.tells(plugOne, plugOne) // once each time
		k.script(func() { conn.Connection, conn.Modes = uapi.Connected, []uapi.ModeInfo{mode(128, 72, 50, 0)} })
		r.resized()
		if p := r.paint(3); p.W != 128 || p.H != 72 {
			t.Errorf("painted on %d x %d, want the other monitor's size", p.W, p.H)
		}
		r.shows(0, "3")
		k.script(func() { conn.Modes = []uapi.ModeInfo{mode(64, 48, 50, 0)} }) // exchanged faster than is seen
		r.resized()
		if p := r.paint(4); p.W != 64 {
			t.Errorf("painted on %d x %d, want the third monitor's size", p.W, p.H)
		}
	})
}

// Without word of the kernel it is found by trying.
func TestMonitorIsFoundByTrying(t *testing.T) {
	k, c := oneMonitor()
	c.connectors[0].Connection = 2
	k.deaf = true
	with(t, k, func(r *rig) {
		k.mu.Lock()
		c.connectors[0].Connection = uapi.Connected
		k.mu.Unlock()
		time.Sleep(retryEvery)
		r.resized()
		r.paint(1)
		r.shows(0, "1")
	})
}

func TestOtherDrivers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		card   pretendCard
		flips  int // of 3 frames
		sets   int
		format render.Format
	}{
		{"that cannot flip", pretendCard{flipping: unix.EINVAL}, 0, 4, render.BGRX},
		{"that does not say when it has flipped", pretendCard{silent: true}, 1, 3, render.BGRX},
		{"of 16 bits", pretendCard{onlyBPP: 16}, 3, 1, render.RGB565},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &tt.card
			c.monitor(mode(64, 48, 60, 0))
			with(t, newKernel(c), func(r *rig) {
				var p render.Pixels
				for i := range 3 {
					p = r.paint(byte(1 + i))
				}
				r.shows(0, "3")
				if c.flips != tt.flips || c.sets != tt.sets || p.Format != tt.format {
					t.Errorf("%d flips, %d modesets, format %d; want %d, %d, %d", c.flips, c.sets, p.Format, tt.flips, tt.sets, tt.format)
				}
			})
		})
	}
}

func TestScreenIsTakenAway(t *testing.T) {
	k, c := oneMonitor()
	with(t, k, func(r *rig) {
		r.paint(1)
		k.mu.Lock()
		c.master, c.held = nil, true
		k.mu.Unlock()
		r.paint(2)
		time.Sleep(time.Minute)
		r.tells("another program (X, Wayland) has the screen")
		k.mu.Lock()
		c.held = false
		k.mu.Unlock()
		time.Sleep(retryEvery)
		r.resized()
		r.paint(3)
		r.shows(0, "3")
	})
}

func TestOpenFails(t *testing.T) {
	three := &pretendCard{noOutputs: true}
	for _, tt := range []struct {
		name  string
		cards func() []*pretendCard
		want  error
	}{
		{"no card", func() []*pretendCard { return nil }, ErrNoCard},
		{"a card without outputs", func() []*pretendCard { return []*pretendCard{three} }, ErrNoCard},
		{"held by another program", func() []*pretendCard {
			c := &pretendCard{held: true}
			c.monitor(mode(64, 48, 60, 0))
			return []*pretendCard{three, c}
		}, ErrBusy},
		{"not permitted", func() []*pretendCard { return []*pretendCard{{opening: unix.EACCES}} }, ErrPermission},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, con := newKernel(tt.cards()...), newConsole()
			_, err := open(k, con, nil)
			if !errors.Is(err, tt.want) || !con.closed {
				t.Errorf("%v, console closed: %v; want %v", err, con.closed, tt.want)
			}
			if err := k.leaks(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A Raspberry Pi's first card is for 3D alone.
func TestSecondCard(t *testing.T) {
	c := &pretendCard{}
	c.monitor(mode(64, 48, 60, 0))
	k := newKernel(&pretendCard{noOutputs: true}, c)
	with(t, k, func(r *rig) {
		r.paint(7)
		if got := c.shown(0); got != "7" {
			t.Errorf("the second card shows %s", got)
		}
	})
}

func TestConsoleIsHungUp(t *testing.T) {
	k, _ := oneMonitor()
	with(t, k, func(r *rig) {
		r.console.keys <- []byte("s")
		close(r.console.keys)
		if in := <-r.Input(); in.Rune != 's' {
			t.Errorf("input %+v", in)
		}
		if in, ok := <-r.Input(); ok {
			t.Errorf("input %+v after the end", in)
		}
		if err := r.Err(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Err: %v", err)
		}
		if _, err := r.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Next: %v", err)
		}
	})
}
