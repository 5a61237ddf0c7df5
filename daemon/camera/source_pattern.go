package camera

import (
	"errors"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/testcard"
)

// patternSource is the built-in test camera.
type patternSource struct {
	sourceEnv
	pace    *pacer
	pattern *testcard.Pattern
	seq     uint64 // of the newest frame; 0 before the first
}

func openPattern(e sourceEnv) *patternSource {
	pattern := testcard.New(e.cfg.Name, e.cfg.Width, e.cfg.Height, e.cfg.FPS)
	// The pace starts after the painting.
	return &patternSource{sourceEnv: e, pace: newPacer(e.cfg.FPS), pattern: pattern}
}

func (p *patternSource) info() sourceInfo {
	fps := float64(p.cfg.FPS)
	return sourceInfo{device: "test", format: "mjpeg", width: p.cfg.Width, height: p.cfg.Height, fps: fps}
}

func (p *patternSource) next(wait time.Duration) (*frame.Frame, error) {
	skipped, err := p.pace.wait(wait)
	if err != nil {
		return nil, err
	}
	p.counters.countDropped(skipped)
	p.seq += 1 + skipped
	f := p.pool.Get(p.pattern.MaxLen())
	f.Captured = p.cfg.now()
	f.Data = p.pattern.AppendFrame(f.Data[:0], p.seq, f.Captured, time.Now())
	f.Seq, f.Format, f.Width, f.Height = p.seq, frame.JPEG, p.cfg.Width, p.cfg.Height
	f.Arrived = p.cfg.now()
	return f, nil
}

func (p *patternSource) restart() error        { return errors.ErrUnsupported }
func (p *patternSource) noFramesError() error  { return errNoFrames }
func (p *patternSource) lowRateReason() string { return "" }
func (p *patternSource) wake()                 { p.pace.wake() }
func (p *patternSource) close()                {}
