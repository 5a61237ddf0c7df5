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

// patternCache keeps the newest pattern. To paint one takes up to a second on
// a small device, which would delay the first frame of each call.
type patternCache struct {
	name               string
	width, height, fps int
	pattern            *testcard.Pattern
}

func (c *patternCache) get(cfg Config) *testcard.Pattern {
	if c.pattern == nil || c.name != cfg.Name || c.width != cfg.Width || c.height != cfg.Height || c.fps != cfg.FPS {
		*c = patternCache{cfg.Name, cfg.Width, cfg.Height, cfg.FPS,
			testcard.New(cfg.Name, cfg.Width, cfg.Height, cfg.FPS)}
	}
	return c.pattern
}

func openPattern(e sourceEnv) *patternSource {
	pattern := e.patterns.get(e.cfg)
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
