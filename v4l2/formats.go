package v4l2

import "errors"

// FormatInfo is a format that a camera offers.
type FormatInfo struct {
	Format      PixelFormat
	Description string // the driver's, as "Motion-JPEG"
	Sizes       []FrameSize
}

// FrameSize is a size, or a range of sizes, and its rates.
type FrameSize struct {
	Width, Height         int // pixels; the smallest ones of a range
	MaxWidth, MaxHeight   int // 0 unless a range
	StepWidth, StepHeight int
	FPS                   []float64 // pictures a second, highest first; of a range its ends; empty: the driver does not say
}

// Formats is all that the camera offers, also what Open does not use, in the driver's order. A camera that streams is not disturbed.
func Formats(k Kernel, device string) ([]FormatInfo, error) {
	return nil, errors.ErrUnsupported
}
