package v4l2test

import (
	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"
)

// prober returns the results of *webcam.Webcam v0.6.1, defects included. Like
// webcam, it returns nothing and no error after an unplug. It panics where
// webcam would enumerate forever.
type prober struct {
	node   *node
	closed bool
}

// lock locks the kernel. It reports whether the prober is open and the camera
// plugged in. The caller unlocks in any case.
func (p *prober) lock() bool {
	p.node.kernel.mu.Lock()
	return !p.closed && !p.node.gone
}

func (p *prober) unlock() { p.node.kernel.mu.Unlock() }

func (p *prober) GetSupportedFormats() map[webcam.PixelFormat]string {
	defer p.unlock()
	all := make(map[webcam.PixelFormat]string)
	if p.lock() && p.node.cam.device.Kind == Capture {
		if p.node.cam.faults.EndlessFormats {
			panic("v4l2test: GetSupportedFormats of webcam would never return")
		}
		for _, f := range p.node.cam.device.Formats {
			all[webcam.PixelFormat(f.FourCC)] = f.FourCC.String()
		}
	}
	return all
}

func (p *prober) GetSupportedFrameSizes(want webcam.PixelFormat) []webcam.FrameSize {
	defer p.unlock()
	var all []webcam.FrameSize
	if !p.lock() {
		return all
	}
	if f := p.node.cam.faults; f.ContinuousSizes || f.EndlessSizes {
		panic("v4l2test: GetSupportedFrameSizes of webcam would never return")
	}
	for _, f := range p.node.cam.device.Formats {
		if webcam.PixelFormat(f.FourCC) != want {
			continue
		}
		for _, s := range f.Sizes {
			w, h := uint32(s[0]), uint32(s[1])
			all = append(all, webcam.FrameSize{MinWidth: w, MaxWidth: w, MinHeight: h, MaxHeight: h})
		}
	}
	return all
}

func (p *prober) Close() error {
	k := p.node.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	if p.closed {
		return unix.EBADF
	}
	p.closed = true
	p.node.handles--
	k.counts.Closes++
	p.node.reap()
	return nil
}
