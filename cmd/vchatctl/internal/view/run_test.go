package view

import (
	"bytes"
	"context"
	"errors"
	"image/color"
	"sync/atomic"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

// screen is a display that keeps what it shows.
type screen struct {
	width  atomic.Int64 // three quarters of that high
	input  chan Input
	shown  chan render.Pixels // those that it has shown; it has room for one that nobody has seen
	full   chan bool
	hidden chan struct{} // closed: it is not to be seen
	err    error
	px     render.Pixels
}

func newScreen(width int64) *screen {
	s := &screen{input: make(chan Input, 16), shown: make(chan render.Pixels, 1), full: make(chan bool, 1), hidden: make(chan struct{})}
	s.width.Store(width)
	return s
}

func (s *screen) Next(ctx context.Context) (render.Pixels, error) {
	select {
	case <-s.hidden:
		<-ctx.Done()
	default:
	}
	w := int(s.width.Load())
	s.px = render.Pixels{Pix: bytes.Repeat([]byte{0xAA}, 4*w*w*3/4), Stride: 4 * w, W: w, H: w * 3 / 4, Format: render.BGRX}
	return s.px, ctx.Err()
}

func (s *screen) Show() error {
	select {
	case <-s.shown:
	default:
	}
	s.shown <- s.px
	return nil
}

func (s *screen) Input() <-chan Input         { return s.input }
func (s *screen) Err() error                  { return s.err }
func (s *screen) Close() error                { return nil }
func (s *screen) SetFullscreen(on bool) error { s.full <- on; return nil }

// nameAt names the colour of a pixel: a capital for each bright channel, a small letter for a dimmed one.
func nameAt(px render.Pixels, x, y int) string {
	b, text := px.Pix[y*px.Stride+4*x:][:4], ""
	for i, v := range [...]byte{b[2], b[1], b[0]} {
		switch {
		case v > 215:
			text += "RGB"[i : i+1]
		case v > 70 && v < 115:
			text += "rgb"[i : i+1]
		case v > 35:
			return "?"
		}
	}
	return text
}

// until waits until the pixel in the upper left quarter is of a colour.
func (s *screen) until(t *testing.T, want string, meanwhile func()) {
	t.Helper()
	late, got := time.After(10*time.Second), ""
	for {
		select {
		case px := <-s.shown:
			if got = nameAt(px, px.W/8, px.H/4); got == want {
				return
			}
		case <-time.After(10 * time.Millisecond):
			meanwhile()
		case <-late:
			t.Fatalf("it is %s, want %s", got, want)
		}
	}
}

// running runs the rig's session on a screen.
func (r *rig) running(s *screen) <-chan error {
	done := make(chan error, 1)
	go func() { done <- Run(r.t.Context(), r.Session, s) }()
	return done
}

func TestRunShowsTheNewestAndDimsItWhenItIsOld(t *testing.T) {
	r, s := newRig(t), newScreen(640)
	r.inCall(api.CallActive)
	r.look(Options{Feed: "workshop"})
	done := r.running(s)
	of := func(c color.Color) []byte { return encoded(t, 64, 48, func(int, int) color.Color { return c }) }
	red, green := of(color.RGBA{255, 0, 0, 255}), of(color.RGBA{0, 255, 0, 255})
	seq := uint64(0)
	show := func(data []byte) func() {
		return func() { seq++; r.device.Publish("workshop", seq, false, data) }
	}
	s.until(t, "", func() {}) // nothing yet
	s.until(t, "R", show(red))
	s.until(t, "G", show(green))
	s.until(t, "G", show([]byte("broken"))) // the one before stays
	s.until(t, "g", func() {})              // over a second old
	s.until(t, "R", show(red))
	s.width.Store(800)
	s.input <- Input{Resized: true}
	s.until(t, "R", show(red))
	s.input <- Input{Key: KeyRune, Rune: 'f'}
	if on := <-s.full; !on {
		t.Error("it is not to be on the full screen")
	}
	s.input <- Input{Key: KeyRune, Rune: 'f'}
	if on := <-s.full; on {
		t.Error("it stays on the full screen")
	}
	s.input <- Input{Key: KeyRune, Rune: 'q'}
	if err := <-done; err != nil {
		t.Errorf("got %v", err)
	}
}

func TestWhatEndsRun(t *testing.T) {
	lost := errors.New("the display is lost")
	for _, tt := range []struct {
		name string
		end  func(*rig, *screen)
		want error
	}{
		{"q where it is hidden", func(_ *rig, s *screen) { close(s.hidden); s.input <- Input{Key: KeyRune, Rune: 'q'} }, nil},
		{"its close button", func(_ *rig, s *screen) { s.input <- Input{Key: KeyInterrupt} }, ErrInterrupted},
		{"the display is closed", func(_ *rig, s *screen) { close(s.input) }, nil},
		{"the display is lost", func(_ *rig, s *screen) { s.err = lost; close(s.input) }, lost},
		{"a fault", func(r *rig, _ *screen) { r.goes(func() { panic("oh") }) }, ErrFault},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, s := newRig(t), newScreen(64)
			r.look(Options{Feed: api.Self})
			done := r.running(s)
			<-s.shown
			tt.end(r, s)
			if err := <-done; !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
