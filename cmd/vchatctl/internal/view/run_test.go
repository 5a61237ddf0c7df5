package view

import (
	"bytes"
	"context"
	"errors"
	"image/color"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
	"vchat/daemon/api"
)

// screen is a fake display.
type screen struct {
	width  atomic.Int64 // the height is three quarters of it
	input  chan Input
	shown  chan render.Pixels // what it showed last, if the test has not read it
	full   chan bool
	hidden chan struct{} // closed: not visible
	err    error
	px     render.Pixels
}

func newScreen(width int64) *screen {
	s := &screen{
		input: make(chan Input, 16), shown: make(chan render.Pixels, 1),
		full: make(chan bool, 1), hidden: make(chan struct{}),
	}
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
	h := w * 3 / 4
	s.px = render.Pixels{Pix: bytes.Repeat([]byte{0xAA}, 4*w*h), Stride: 4 * w, W: w, H: h, Format: render.BGRX}
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

// colorAt returns a letter for each channel of a pixel: a capital if it is
// bright, a small one if it is dimmed, "?" if it is neither.
func colorAt(px render.Pixels, x, y int) string {
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

// await waits for the color of a pixel in the upper left quarter. It calls
// publish until then.
func (s *screen) await(t *testing.T, want string, publish func()) {
	t.Helper()
	timeout, got := time.After(30*time.Second), ""
	for {
		select {
		case px := <-s.shown:
			if got = colorAt(px, px.W/8, px.H/4); got == want {
				return
			}
		case <-time.After(10 * time.Millisecond):
			publish()
		case <-timeout:
			t.Fatalf("got color %q, want %q", got, want)
		}
	}
}

// show runs the rig's session on a screen.
func (r *rig) show(s *screen) <-chan error {
	done := make(chan error, 1)
	go func() { done <- Run(r.t.Context(), r.Session, s) }()
	return done
}

func TestRun_showsNewestAndDimsStale(t *testing.T) {
	r, s := newRig(t), newScreen(640)
	r.inCall(api.CallActive)
	r.start(Options{Feed: "workshop"})
	done := r.show(s)
	of := func(c color.Color) []byte { return encoded(t, 64, 48, func(int, int) color.Color { return c }) }
	red, green := of(color.RGBA{255, 0, 0, 255}), of(color.RGBA{0, 255, 0, 255})
	seq := uint64(0)
	publish := func(data []byte) func() {
		return func() { seq++; r.device.Publish("workshop", seq, false, data) }
	}
	s.await(t, "", func() {}) // no frame yet
	s.await(t, "R", publish(red))
	s.await(t, "G", publish(green))
	s.await(t, "G", publish([]byte("broken"))) // the last good frame stays
	s.await(t, "g", func() {})                 // older than a second
	s.await(t, "R", publish(red))
	s.width.Store(800)
	s.input <- Input{Resized: true}
	s.await(t, "R", publish(red))
	s.input <- Input{Key: KeyRune, Rune: 'f'}
	if on := <-s.full; !on {
		t.Error("first f: got full screen off, want on")
	}
	s.input <- Input{Key: KeyRune, Rune: 'f'}
	if on := <-s.full; on {
		t.Error("second f: got full screen on, want off")
	}
	s.input <- Input{Key: KeyRune, Rune: 'q'}
	if err := <-done; err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

// twelveBits returns a frame that no viewer can decode.
func twelveBits(t *testing.T) []byte {
	t.Helper()
	data := encoded(t, 64, 48, func(int, int) color.Color { return color.White })
	header := bytes.Index(data, []byte{0xFF, 0xC0})
	data[header+4] = 12 // bits a sample
	return data
}

func TestRun_undecodable(t *testing.T) {
	r := newRig(t)
	s := &textScreen{screen: newScreen(640), overlays: make(chan render.Overlay, 1)}
	r.inCall(api.CallActive)
	r.start(Options{Feed: "workshop"})
	done := make(chan error, 1)
	go func() { done <- Run(t.Context(), r.Session, s) }()
	seq := uint64(0)
	publish := func(data []byte) func() {
		return func() { seq++; r.device.Publish("workshop", seq, false, data) }
	}
	const unsupported = "unsupported JPEG: 12 bits"
	s.awaitNotice(t, unsupported, publish(twelveBits(t)))
	s.awaitNotice(t, "no picture from workshop", func() {}) // no more frames
	s.awaitNotice(t, "cannot decode frames: ", publish([]byte("broken")))
	s.awaitNotice(t, "", publish(encoded(t, 64, 48, func(int, int) color.Color { return color.White })))
	s.awaitNotice(t, unsupported, publish(twelveBits(t))) // over the frame, which is old now
	s.input <- Input{Key: KeyRune, Rune: 'q'}
	if err := <-done; err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

// textScreen is a fake display that shows texts itself.
type textScreen struct {
	*screen
	overlays chan render.Overlay // the last one, if the test has not read it
}

func (s *textScreen) Aspect() float64 { return 1 }

func (s *textScreen) SetOverlay(o render.Overlay) {
	select {
	case <-s.overlays:
	default:
	}
	s.overlays <- o
}

// awaitNotice waits for a notice that begins with want or, for "", for none. It
// calls publish until then.
func (s *textScreen) awaitNotice(t *testing.T, want string, publish func()) {
	t.Helper()
	timeout, got := time.After(20*time.Second), ""
	for {
		select {
		case o := <-s.overlays:
			if got = o.Notice; want == "" && got == "" || want != "" && strings.HasPrefix(got, want) {
				return
			}
		case <-time.After(20 * time.Millisecond):
			publish()
		case <-timeout:
			t.Fatalf("got notice %q, want %q", got, want)
		}
	}
}

func TestRun_ends(t *testing.T) {
	lost := errors.New("display lost")
	for _, tt := range []struct {
		name string
		end  func(*rig, *screen)
		want error
	}{
		{"q on a hidden display", func(_ *rig, s *screen) {
			close(s.hidden)
			s.input <- Input{Key: KeyRune, Rune: 'q'}
		}, nil},
		{"close button", func(_ *rig, s *screen) { s.input <- Input{Key: KeyInterrupt} }, ErrInterrupted},
		{"display closed", func(_ *rig, s *screen) { close(s.input) }, nil},
		{"display lost", func(_ *rig, s *screen) { s.err = lost; close(s.input) }, lost},
		{"panic", func(r *rig, _ *screen) { r.goGuarded(func() { panic("oh") }) }, ErrInternal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, s := newRig(t), newScreen(64)
			r.start(Options{Feed: api.Self})
			done := r.show(s)
			<-s.shown
			tt.end(r, s)
			if err := <-done; !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
