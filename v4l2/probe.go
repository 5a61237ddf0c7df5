package v4l2

import (
	"errors"
	"slices"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// This file reads the answers of package webcam.
//
// webcam enumerates until the driver reports the end, and some drivers never
// do: they repeat the last entry, or the only range, for every index. So each
// function first asks for an index that no real list has. If the driver knows
// it, this package enumerates itself, up to a limit.

// probeFormats returns the driver's fourccs, sorted: webcam returns a map,
// whose order changes.
func probeFormats(h Handle, p Prober) []PixelFormat {
	all := map[PixelFormat]bool{}
	if beyond := (uapi.FormatDesc{Index: maxFormats, Type: uapi.BufTypeVideoCapture}); h.EnumFormat(&beyond) != nil {
		for f := range p.GetSupportedFormats() {
			all[PixelFormat(f)] = true
		}
	} else {
		for i := range uint32(maxFormats) {
			f := uapi.FormatDesc{Index: i, Type: uapi.BufTypeVideoCapture}
			if h.EnumFormat(&f) != nil {
				break
			}
			all[PixelFormat(f.PixelFormat)] = true
		}
	}
	var list []PixelFormat
	for f := range all {
		list = append(list, f)
	}
	slices.Sort(list)
	return list
}

// probeSizes returns the sizes of a format.
func probeSizes(h Handle, p Prober, f PixelFormat) []webcam.FrameSize {
	// A range is the only entry. webcam returns zeros for a continuous one.
	first := uapi.FrameSize{PixelFormat: uint32(f)}
	if err := h.EnumFrameSize(&first); err != nil {
		return nil
	}
	if first.Type != uapi.FrmTypeDiscrete {
		return []webcam.FrameSize{{
			MinWidth: first.MinWidth, MaxWidth: first.MaxWidth, StepWidth: first.StepWidth,
			MinHeight: first.MinHeight, MaxHeight: first.MaxHeight, StepHeight: first.StepHeight,
		}}
	}
	if beyond := (uapi.FrameSize{Index: maxSizes, PixelFormat: uint32(f)}); h.EnumFrameSize(&beyond) != nil {
		return p.GetSupportedFrameSizes(webcam.PixelFormat(f))
	}
	var all []webcam.FrameSize
	for i := range uint32(maxSizes) {
		s := uapi.FrameSize{Index: i, PixelFormat: uint32(f)}
		if h.EnumFrameSize(&s) != nil {
			break
		}
		w, h := s.Discrete()
		all = append(all, webcam.FrameSize{MinWidth: w, MaxWidth: w, MinHeight: h, MaxHeight: h})
	}
	return all
}

// nearestSize returns the offered size with the least mismatch. It reports
// false if no size is known.
func nearestSize(sizes []webcam.FrameSize, width, height int) (w, h int, ok bool) {
	best := -1
	for _, s := range sizes {
		sw := clampStep(width, s.MinWidth, s.MaxWidth, s.StepWidth)
		sh := clampStep(height, s.MinHeight, s.MaxHeight, s.StepHeight)
		if sw == 0 || sh == 0 {
			continue
		}
		if d := mismatch(sw, sh, width, height); best < 0 || d < best {
			w, h, best = sw, sh, d
		}
	}
	return w, h, best >= 0
}

// clampStep returns the value of the range that is nearest to v, rounded down;
// 0 for an invalid range. A range without end is cut to maxSide.
func clampStep(v int, lo, hi, step uint32) int {
	if lo > hi || lo > maxSide {
		return 0
	}
	v = min(max(v, int(lo)), int(min(hi, maxSide)))
	if step > 1 {
		v -= (v - int(lo)) % int(min(step, maxSide))
	}
	return v
}

// mismatch returns the area in pixels that only one of two frames covers, if
// both share a corner.
func mismatch(w1, h1, w2, h2 int) int {
	return w1*h1 + w2*h2 - 2*min(w1, w2)*min(h1, h2)
}

// isLost reports whether an optional call failed because the device is gone.
// After any other failure the camera works without the call.
func isLost(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EBADF)
}
