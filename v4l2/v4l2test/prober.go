package v4l2test

import (
	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"
)

// prober answers as *webcam.Webcam v0.6.1 does, its defects included. After an unplug it has nothing to tell, and no errors: webcam
// keeps them to itself.
type prober struct {
	node   *node
	closed bool
}

func (p *prober) enter() bool {
	p.node.kernel.mu.Lock()
	return !p.closed && !p.node.gone
}

func (p *prober) leave() { p.node.kernel.mu.Unlock() }

func (p *prober) GetSupportedFormats() map[webcam.PixelFormat]string {
	defer p.leave()
	all := make(map[webcam.PixelFormat]string)
	if p.enter() && p.node.cam.device.Kind == Capture {
		for _, f := range p.node.cam.device.Formats {
			all[webcam.PixelFormat(f.FourCC)] = f.FourCC.String()
		}
	}
	return all
}

func (p *prober) GetSupportedFrameSizes(want webcam.PixelFormat) []webcam.FrameSize {
	defer p.leave()
	var all []webcam.FrameSize
	if !p.enter() {
		return all
	}
	if p.node.cam.faults.ContinuousSizes {
		return []webcam.FrameSize{{}}
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
