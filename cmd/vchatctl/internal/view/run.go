package view

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"vchat/cmd/vchatctl/internal/view/render"
)

const (
	tickEvery   = 100 * time.Millisecond // for what changes by time alone
	pipInterval = 66 * time.Millisecond  // the own picture need not be as lively, and costs as much
)

// A Worder is a Display that writes words by itself, such as a terminal, and whose pixels need not be square.
type Worder interface {
	Words(render.Overlay) // what is to be written by the next Show
	Aspect() float64      // of a pixel: its height by its width
}

// Run shows a session on a display until either ends. The error is that of the display, or of the session: see
// Session.Err. It closes neither.
//
//	display's keys ─▶ goroutine ─▶ Session.Press
//	feed ─▶ decodeLoop (a goroutine) ─▶ loop: Next ─▶ paint ─▶ Show
func Run(ctx context.Context, s *Session, d Display) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	v := &viewer{session: s, display: d, painter: render.NewPainter(s.guard), aspect: 1, again: make(chan struct{}, 1)}
	v.worder, _ = d.(Worder)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		defer cancel()
		defer s.guard()
		v.listen(ctx)
	})
	err := v.run(ctx)
	v.stop()
	switch {
	case s.ctx.Err() != nil:
		return s.Err()
	case ctx.Err() != nil && v.gone.Load():
		return d.Err()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// viewer is what Run knows between two frames.
type viewer struct {
	session *Session
	display Display
	worder  Worder
	painter *render.Painter
	aspect  float64

	main       *decodeLoop
	pip        *decodeLoop
	pipSource  *Newest
	pipShownAt time.Time
	again      chan struct{} // all has to be painted
	fullscreen atomic.Bool   // was asked for, or the opposite of what is
	gone       atomic.Bool   // the display
}

// listen hands on keys until the display is gone.
func (v *viewer) listen(ctx context.Context) {
	for {
		select {
		case in, ok := <-v.display.Input():
			if !ok {
				v.gone.Store(true)
				return
			}
			if in.Resized {
				poke(v.again)
			}
			if in.Key != KeyNone && v.session.Press(in) {
				v.fullscreen.Store(true)
				poke(v.again)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (v *viewer) run(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	var (
		last  render.Overlay
		all   = true
		full  = false
		ready chan *decoded // nil until the display's size is known
	)
	for {
		if v.fullscreen.Swap(false) {
			if f, ok := v.display.(Fullscreener); ok {
				full = !full
				if err := f.SetFullscreen(full); err != nil {
					v.session.say(err.Error())
				}
			}
		}
		fresh := v.updatePIP(ctx)
		words := v.session.Overlay(time.Now(), shown(v.main), shown(v.pip))
		if all || fresh || !words.Equal(&last) {
			if err := v.paint(ctx, &last); err != nil {
				return err
			}
			ready = v.main.ready
			all = false
		}
		select {
		case <-ctx.Done():
			return nil
		case d := <-ready:
			v.main.take(d)
			all = true
		case <-v.session.Changed():
		case <-tick.C:
		case <-v.again:
			all = true
		}
	}
}

// paint paints what there is when the display has room for it.
func (v *viewer) paint(ctx context.Context, last *render.Overlay) error {
	px, err := v.display.Next(ctx)
	if err != nil {
		return err
	}
	if v.worder != nil {
		v.aspect = v.worder.Aspect()
	}
	if v.main == nil {
		v.main = newDecodeLoop(ctx, v.session.Newest(), px.W, px.H, v.session.guard)
	}
	v.main.setBox(px.W, px.H)
	if v.pip != nil {
		v.pip.setBox(px.W/render.PIPDivisor, px.H/render.PIPDivisor)
	}
	v.main.poll()
	words := v.session.Overlay(time.Now(), shown(v.main), shown(v.pip))
	var own *render.Frame
	if v.pip != nil && words.PIP {
		own = v.pip.frame()
	}
	v.painter.Paint(px, v.main.frame(), own, v.aspect, &words, v.worder == nil)
	if v.worder != nil {
		v.worder.Words(words)
	}
	*last = words
	return v.display.Show()
}

func shown(r *decodeLoop) Shown {
	if r == nil || r.now == nil {
		return Shown{}
	}
	return r.now.Shown
}

// updatePIP keeps the decodeLoop of the own picture, and says whether it has a new one.
func (v *viewer) updatePIP(ctx context.Context) bool {
	if n := v.session.PIP(); n != v.pipSource {
		if v.pip != nil {
			v.pip.close()
			v.pip = nil
		}
		v.pipSource = n
		if n != nil {
			v.pip = newDecodeLoop(ctx, n, 1, 1, v.session.guard)
		}
	}
	if v.pip == nil || time.Since(v.pipShownAt) < pipInterval || !v.pip.poll() {
		return false
	}
	v.pipShownAt = time.Now()
	return true
}

func (v *viewer) stop() {
	for _, r := range [...]*decodeLoop{v.main, v.pip} {
		if r != nil {
			r.close()
		}
	}
}
