package v4l2

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"vchat/v4l2/internal/uapi"
)

// FormatInfo is a format that a camera offers.
type FormatInfo struct {
	Format      PixelFormat // the driver's name, which may be JPEG for MJPEG
	Description string      // the driver's, such as "Motion-JPEG"
	Sizes       []FrameSize // in the driver's order; empty: unknown
}

// FrameSize is a size or a range of sizes, with its rates.
type FrameSize struct {
	Width, Height         int       // pixels; of a range the smallest
	MaxWidth, MaxHeight   int       // pixels; 0 unless it is a range
	StepWidth, StepHeight int       // pixels; 0 unless it is a range
	FPS                   []float64 // frames a second, highest first; of a range the ends; empty: unknown
}

// Limits for drivers whose enumerations never end.
const (
	maxFormats = 64
	maxSizes   = 256
	maxRates   = 64
	maxRepeats = 8    // entries in a row that are already known
	maxEntries = 4096 // sizes and rates of all formats
)

// Formats returns all formats of the camera in the driver's order, also those
// that Open does not use. It does not disturb a stream. The errors are those of
// Find.
func Formats(k Kernel, device string) ([]FormatInfo, error) {
	k = orLinux(k)
	var all []FormatInfo
	err := withHandle(k, device, func(d Device, h Handle) (err error) {
		all, err = enumFormats(h)
		return err
	})
	return all, err
}

// withHandle finds and opens a camera and calls do with it. It diagnoses bare
// errnos of do.
func withHandle(k Kernel, device string, do func(Device, Handle) error) error {
	d, err := FindAny(k, device)
	if err != nil {
		return err
	}
	h, err := k.Open(d.Node)
	if err != nil {
		return diagnose(k, d, "open", err)
	}
	err = identify(k, h, &d)
	if err == nil {
		err = do(d, h)
	}
	var f *cameraError
	if err != nil && !errors.As(err, &f) {
		err = diagnose(k, d, "enumerate", err)
	}
	if e := h.Close(); err == nil && e != nil {
		err = diagnose(k, d, "close", e)
	}
	return err
}

// enumFormats does not use webcam v0.6.1, which loses the order, returns zeros
// for continuous sizes, and panics on rate ranges.
func enumFormats(h Handle) ([]FormatInfo, error) {
	var all []FormatInfo
	entries, repeats := maxEntries, 0
	for i := range uint32(maxFormats) {
		f := uapi.FormatDesc{Index: i, Type: uapi.BufTypeVideoCapture}
		if err := h.EnumFormat(&f); err != nil {
			return all, ignoreEnd(err)
		}
		format := PixelFormat(f.PixelFormat)
		if slices.ContainsFunc(all, func(g FormatInfo) bool { return g.Format == format }) {
			if repeats++; repeats == maxRepeats {
				break
			}
			continue
		}
		repeats = 0
		sizes, err := enumSizes(h, f.PixelFormat, &entries)
		if isLost(err) {
			return all, err
		}
		all = append(all, FormatInfo{Format: format, Description: text(f.Description[:]), Sizes: sizes})
	}
	return all, nil
}

// enumSizes subtracts the entries that it reads from entries, and stops at 0.
func enumSizes(h Handle, format uint32, entries *int) ([]FrameSize, error) {
	var all []FrameSize
	repeats := 0
	for i := range uint32(maxSizes) {
		if *entries--; *entries < 0 {
			break
		}
		f := uapi.FrameSize{Index: i, PixelFormat: format}
		if err := h.EnumFrameSize(&f); err != nil {
			return all, ignoreEnd(err)
		}
		s := FrameSize{
			Width: int(f.MinWidth), MaxWidth: int(f.MaxWidth), StepWidth: int(f.StepWidth),
			Height: int(f.MinHeight), MaxHeight: int(f.MaxHeight), StepHeight: int(f.StepHeight),
		}
		if f.Type == uapi.FrmTypeDiscrete {
			w, h := f.Discrete()
			s = FrameSize{Width: int(w), Height: int(h)}
		}
		if slices.ContainsFunc(all, func(t FrameSize) bool { return t.Width == s.Width && t.Height == s.Height }) {
			if repeats++; repeats == maxRepeats {
				break
			}
			continue
		}
		repeats = 0
		var err error
		if s.FPS, err = enumRates(h, format, s.Width, s.Height); isLost(err) {
			return all, err
		}
		*entries -= len(s.FPS)
		all = append(all, s)
		if f.Type != uapi.FrmTypeDiscrete {
			break // a range is the only entry, but some drivers repeat it for every index
		}
	}
	return all, nil
}

func enumRates(h Handle, format uint32, width, height int) ([]float64, error) {
	var all []float64
	repeats := 0
	for i := range uint32(maxRates) {
		f := uapi.FrameInterval{Index: i, PixelFormat: format, Width: uint32(width), Height: uint32(height)}
		if err := h.EnumFrameInterval(&f); err != nil {
			if err := ignoreEnd(err); err != nil {
				return all, err
			}
			break
		}
		if r := rate(f.Min); slices.Contains(all, r) {
			if repeats++; repeats == maxRepeats {
				break
			}
		} else {
			all, repeats = append(all, r), 0
		}
		if f.Type != uapi.FrmTypeDiscrete {
			all = append(all, rate(f.Max))
			break
		}
	}
	slices.SortFunc(all, func(a, b float64) int { return cmp.Compare(b, a) })
	all = slices.DeleteFunc(slices.Compact(all), func(r float64) bool { return r == 0 })
	return all, nil
}

// rate returns frames a second; 0 for an invalid interval.
func rate(interval uapi.Fract) float64 {
	if interval.Numerator == 0 {
		return 0
	}
	return float64(interval.Denominator) / float64(interval.Numerator)
}

// ignoreEnd returns nil for the end of an enumeration, and for a driver without
// that enumeration.
func ignoreEnd(err error) error {
	if isUnsupported(err) {
		return nil
	}
	return err
}

// smallerMode returns advice for a lack of USB bandwidth: the next smaller
// size unless Open has tried it, else the next lower rate, else "".
func (c *Camera) smallerMode() string {
	all, err := enumFormats(c.handle)
	if err != nil {
		return ""
	}
	m := c.mode
	var best FrameSize
	slower := 0.0
	for _, f := range all {
		if f.Format != c.fourcc {
			continue
		}
		for _, s := range f.Sizes {
			if area := s.Width * s.Height; area < m.Width*m.Height && area > best.Width*best.Height {
				best = s
			}
			if s.Width == m.Width && s.Height == m.Height {
				for _, r := range s.FPS {
					if r < m.FPS {
						slower = max(slower, r)
					}
				}
			}
		}
	}
	switch {
	case best.Width > 0 && !c.triedSmaller:
		return fmt.Sprintf(", or set the next smaller size, %dx%d", best.Width, best.Height)
	case slower > 0:
		return fmt.Sprintf(", or set a lower rate, %.3g frames a second", slower)
	}
	return ""
}
