package camera

import (
	"errors"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/testcard"
)

// pattern is the built-in test camera.
type pattern struct {
	source
	pace *pacer
	card *testcard.Pattern
	seq  uint64 // of the newest frame, 0 before the first
}

func openPattern(s source) *pattern {
	card := testcard.New(s.cfg.Name, s.cfg.Width, s.cfg.Height, s.cfg.FPS)
	return &pattern{source: s, pace: newPacer(s.cfg.FPS), card: card} // the pace begins when the painting is done
}

func (p *pattern) about() about {
	return about{device: "test", format: "mjpeg", width: p.cfg.Width, height: p.cfg.Height, fps: float64(p.cfg.FPS)}
}

func (p *pattern) next(wait time.Duration) (*frame.Frame, error) {
	skipped, err := p.pace.wait(wait)
	if err != nil {
		return nil, err
	}
	p.counters.drop(skipped)
	p.seq += 1 + skipped
	f := p.pool.Get(p.card.MaxLen())
	f.Captured = p.cfg.now()
	f.Data = p.card.AppendFrame(f.Data[:0], p.seq, f.Captured, time.Now())
	f.Seq, f.Format, f.Width, f.Height = p.seq, frame.JPEG, p.cfg.Width, p.cfg.Height
	f.Arrived = p.cfg.now()
	return f, nil
}

func (p *pattern) restart() error  { return errors.ErrUnsupported }
func (p *pattern) silence() error  { return errSilent }
func (p *pattern) whySlow() string { return "" }
func (p *pattern) wake()           { p.pace.wake() }
func (p *pattern) close()          {}
