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

func (p *prober) GetSupportedFramerates(webcam.PixelFormat, uint32, uint32) []webcam.FrameRate {
	defer p.leave()
	var all []webcam.FrameRate
	if !p.enter() {
		return all
	}
	if p.node.cam.faults.StepwiseRates {
		panic("reflect: reflect.Value.SetUint using value obtained using unexported field")
	}
	for _, r := range p.node.cam.device.Rates {
		all = append(all, webcam.FrameRate{MinNumerator: 1, MaxNumerator: 1, MinDenominator: uint32(r), MaxDenominator: uint32(r)})
	}
	return all
}

func (p *prober) GetControls() map[webcam.ControlID]webcam.Control {
	defer p.leave()
	all := make(map[webcam.ControlID]webcam.Control)
	if !p.enter() {
		return all
	}
	for _, c := range p.node.cam.device.Controls {
		x := webcam.Control{Name: c.Name, Min: c.Min, Max: c.Max, Step: 1}
		switch {
		case c.Boolean:
			x.Type = 1
		case c.Menu != nil:
			x.Type = 2
		}
		all[webcam.ControlID(c.ID)] = x
	}
	return all
}

// SetControl refuses an exposure time while the automatic exposure is on, as cameras do.
func (p *prober) SetControl(id webcam.ControlID, v int32) error {
	defer p.leave()
	if !p.enter() {
		return unix.ENODEV
	}
	cam := p.node.cam
	if cam.faults.SetControl != nil {
		return cam.faults.SetControl
	}
	const autoExposure, exposureTime = 0x009a0901, 0x009a0902
	if auto, ok := cam.control[autoExposure]; ok && id == exposureTime && auto != 1 {
		return unix.EACCES
	}
	for _, c := range cam.device.Controls {
		if c.ID != uint32(id) {
			continue
		}
		if _, ok := c.Menu[v]; c.Menu != nil && !ok {
			return unix.ERANGE
		}
		cam.control[c.ID] = v
		return nil
	}
	return unix.EINVAL
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
