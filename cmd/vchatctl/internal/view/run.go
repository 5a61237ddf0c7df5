package view

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
)

const (
	tickInterval = 100 * time.Millisecond // for texts that change with time alone
	pipInterval  = 66 * time.Millisecond  // the picture-in-picture does with 15 fps
)

// Run shows a session on a display until either ends. It returns the error of
// the display, or that of Session.Err. It closes neither of them.
//
//	keys, clicks ─▶ goroutine ─▶ Session.Press, Session.Do
//	feed ─▶ decodeLoop (a goroutine) ─▶ run: Next ─▶ paint ─▶ Show
//	characters without a font ─▶ FindFonts (a goroutine) ─▶ paint
func Run(ctx context.Context, s *Session, d Display) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	v := &viewer{
		session: s, display: d, painter: render.NewPainter(s.recoverPanic), aspect: 1,
		repaint: make(chan struct{}, 1),
	}
	v.textDisplay, _ = d.(TextDisplay)
	_, canFullscreen := d.(Fullscreener)
	s.mu.Lock()
	s.noFullscreen = !canFullscreen
	s.mu.Unlock()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		defer cancel()
		defer s.recoverPanic()
		v.readInput(ctx)
	})
	if d, ok := d.(StateDisplay); ok {
		wg.Go(func() {
			defer cancel()
			defer s.recoverPanic()
			reportState(ctx, s, d)
		})
	}
	wg.Go(func() {
		defer cancel()
		defer s.recoverPanic()
		v.painter.FindFonts(ctx, func() { notify(v.repaint) })
	})
	err := v.run(ctx)
	v.stop()
	switch {
	case s.ctx.Err() != nil:
		return s.Err()
	case ctx.Err() != nil && v.displayGone.Load():
		return d.Err()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// viewer is the state of Run.
type viewer struct {
	session     *Session
	display     Display
	textDisplay TextDisplay // display, or nil
	painter     *render.Painter
	aspect      float64

	main       *decodeLoop // nil until the size of the display is known
	pip        *decodeLoop
	pipSource  *Newest
	pipShownAt time.Time

	repaint     chan struct{} // paint everything again
	displayGone atomic.Bool

	pressed   render.Target // of the control that a pointer holds; owned by readInput
	onControl bool          // the last press was on a control; likewise
}

// readInput passes on keys until the display is gone.
func (v *viewer) readInput(ctx context.Context) {
	for {
		select {
		case in, ok := <-v.display.Input():
			if !ok {
				v.displayGone.Store(true)
				return
			}
			if in.Resized {
				notify(v.repaint)
			}
			if in.Key != KeyNone {
				v.session.Press(in)
			}
			v.point(in.Pointer)
		case <-ctx.Done():
			return
		}
	}
}

func (v *viewer) run(ctx context.Context) error {
	tick := time.NewTicker(tickInterval)
	defer tick.Stop()
	var (
		last       render.Overlay
		dirty      = true
		fullscreen = false
		ready      chan *decoded // nil until the size of the display is known
	)
	for {
		if want := v.session.Fullscreen(); want != fullscreen {
			fullscreen = want
			if f, ok := v.display.(Fullscreener); ok {
				if err := f.SetFullscreen(fullscreen); err != nil {
					v.session.addLine(err.Error())
				}
			}
		}
		newPIP := v.updatePIP(ctx)
		overlay := v.overlay()
		if dirty || newPIP || !overlay.Equal(&last) {
			if err := v.paint(ctx, &last); err != nil {
				return err
			}
			ready = v.main.ready
			dirty = false
		}
		select {
		case <-ctx.Done():
			return nil
		case d := <-ready:
			v.main.show(d)
			dirty = true
		case <-v.session.Changed():
		case <-tick.C:
		case <-v.repaint:
			dirty = true
		}
	}
}

// overlay returns what to show besides the frames. A display of texts always
// has room for the peer's name.
func (v *viewer) overlay() render.Overlay {
	now := time.Now()
	o := v.session.Overlay(now, v.main.displayed(), v.pip.displayed())
	if v.textDisplay != nil {
		if o.Fade == render.Hidden {
			o.Controls = nil
		}
		o.Fade, o.Caption = 0, v.session.caption(now)
		return o
	}
	o.Notice, o.Age, o.Unseen = v.session.sentence(o.Notice), v.session.sentence(o.Age), v.session.sentence(o.Unseen)
	return o
}

// paint waits for the display, paints, and stores what it painted in last.
func (v *viewer) paint(ctx context.Context, last *render.Overlay) error {
	px, err := v.display.Next(ctx)
	if err != nil {
		return err
	}
	if v.textDisplay != nil {
		v.aspect = v.textDisplay.Aspect()
	}
	if v.main == nil {
		v.main = newDecodeLoop(ctx, v.session.Newest(), px.W, px.H, v.session.opt.Raw, v.session.recoverPanic)
	}
	v.main.setSize(px.W, px.H)
	if v.pip != nil {
		v.pip.setSize(px.W/render.PIPDivisor, px.H/render.PIPDivisor)
	}
	v.main.poll()
	overlay := v.overlay()
	var pipFrame *render.Frame
	if v.pip != nil && overlay.PIP {
		pipFrame = v.pip.frame()
	}
	v.painter.Paint(px, v.main.frame(), pipFrame, v.aspect, &overlay, v.textDisplay == nil)
	if v.textDisplay != nil {
		v.textDisplay.SetOverlay(overlay)
	}
	*last = overlay
	return v.display.Show()
}

// updatePIP starts and stops the decodeLoop of the picture-in-picture. It
// reports whether there is a new frame to paint.
func (v *viewer) updatePIP(ctx context.Context) bool {
	if n := v.session.PIP(); n != v.pipSource {
		if v.pip != nil {
			v.pip.close()
			v.pip = nil
		}
		v.pipSource = n
		if n != nil {
			v.pip = newDecodeLoop(ctx, n, 1, 1, v.session.opt.Raw, v.session.recoverPanic)
		}
	}
	if v.pip == nil || time.Since(v.pipShownAt) < pipInterval || !v.pip.poll() {
		return false
	}
	v.pipShownAt = time.Now()
	return true
}

func (v *viewer) stop() {
	for _, l := range [...]*decodeLoop{v.main, v.pip} {
		if l != nil {
			l.close()
		}
	}
}
