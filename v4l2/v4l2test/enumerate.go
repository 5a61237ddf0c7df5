package v4l2test

import (
	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

func (h *handle) EnumFormat(a *uapi.FormatDesc) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	d := h.node.cam.device
	i := int(a.Index)
	if h.node.cam.faults.EndlessFormats {
		i %= len(d.Formats)
	}
	if d.Kind != Capture || a.Type != uapi.BufTypeVideoCapture || i >= len(d.Formats) {
		return unix.EINVAL
	}
	f := d.Formats[i].FourCC
	a.PixelFormat, a.Description = uint32(f), bytes32("Format "+f.String())
	return nil
}

func (h *handle) EnumFrameSize(a *uapi.FrameSize) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	for _, f := range h.node.cam.device.Formats {
		if uint32(f.FourCC) != a.PixelFormat {
			continue
		}
		if h.node.cam.faults.ContinuousSizes { // the same for every index, as with some drivers
			a.Type = uapi.FrmTypeContinuous
			a.MinWidth, a.MaxWidth, a.StepWidth = 16, 4096, 1
			a.MinHeight, a.MaxHeight, a.StepHeight = 16, 2304, 1
			return nil
		}
		i := int(a.Index)
		if h.node.cam.faults.EndlessSizes {
			i = min(i, len(f.Sizes)-1)
		}
		if i >= len(f.Sizes) {
			return unix.EINVAL
		}
		a.Type = uapi.FrmTypeDiscrete
		// The discrete member of the union: width and height.
		a.MinWidth, a.MaxWidth = uint32(f.Sizes[i][0]), uint32(f.Sizes[i][1])
		return nil
	}
	return unix.EINVAL
}

func (h *handle) EnumFrameInterval(a *uapi.FrameInterval) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	rates, f, i := h.node.cam.device.Rates, h.node.cam.faults, int(a.Index)
	if f.EndlessRates {
		i = min(i, len(rates)-1)
	}
	switch {
	case f.Rates != nil:
		return f.Rates
	case len(rates) == 0:
		return unix.ENOTTY
	case i >= len(rates):
		return unix.EINVAL
	case f.StepwiseRates:
		a.Type = uapi.FrmTypeStepwise
		a.Min = uapi.Fract{Numerator: 1, Denominator: uint32(rates[0])}
		a.Max = uapi.Fract{Numerator: 1, Denominator: uint32(rates[len(rates)-1])}
		a.Step = uapi.Fract{Numerator: 1, Denominator: 1000}
	default:
		a.Type = uapi.FrmTypeDiscrete
		a.Min = uapi.Fract{Numerator: 1, Denominator: uint32(rates[i])}
	}
	return nil
}
