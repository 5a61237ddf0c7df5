package uapi

import "unsafe"

// Types of FrameSize and FrameInterval.
const (
	FrmTypeDiscrete   = 1
	FrmTypeContinuous = 2
	FrmTypeStepwise   = 3
)

// FormatDesc is struct v4l2_fmtdesc.
type FormatDesc struct {
	Index       uint32
	Type        uint32
	Flags       uint32
	Description [32]byte
	PixelFormat uint32
	MbusCode    uint32
	_           [3]uint32
}

// FrameSize is struct v4l2_frmsizeenum with the stepwise member of its union.
// For a discrete size use Discrete.
type FrameSize struct {
	Index                            uint32
	PixelFormat                      uint32
	Type                             uint32
	MinWidth, MaxWidth, StepWidth    uint32
	MinHeight, MaxHeight, StepHeight uint32
	_                                [2]uint32
}

// Discrete returns the discrete member of the union, in pixels.
func (f *FrameSize) Discrete() (width, height uint32) { return f.MinWidth, f.MaxWidth }

// FrameInterval is struct v4l2_frmivalenum. A discrete interval is in Min.
type FrameInterval struct {
	Index          uint32
	PixelFormat    uint32
	Width, Height  uint32
	Type           uint32
	Min, Max, Step Fract
	_              [2]uint32
}

const (
	vidiocEnumFmt            = (dirRead|dirWrite)<<30 | unsafe.Sizeof(FormatDesc{})<<16 | 'V'<<8 | 2
	vidiocEnumFrameSizes     = (dirRead|dirWrite)<<30 | unsafe.Sizeof(FrameSize{})<<16 | 'V'<<8 | 74
	vidiocEnumFrameIntervals = (dirRead|dirWrite)<<30 | unsafe.Sizeof(FrameInterval{})<<16 | 'V'<<8 | 75
)

// EnumFormat reads format f.Index of queue f.Type (VIDIOC_ENUM_FMT). It returns
// EINVAL after the last.
func EnumFormat(fd int, f *FormatDesc) error { return ioctl(fd, vidiocEnumFmt, unsafe.Pointer(f)) }

// EnumFrameSize reads size f.Index of f.PixelFormat (VIDIOC_ENUM_FRAMESIZES).
// It returns EINVAL after the last.
func EnumFrameSize(fd int, f *FrameSize) error {
	return ioctl(fd, vidiocEnumFrameSizes, unsafe.Pointer(f))
}

// EnumFrameInterval reads interval f.Index of a format and size
// (VIDIOC_ENUM_FRAMEINTERVALS). It returns EINVAL after the last.
func EnumFrameInterval(fd int, f *FrameInterval) error {
	return ioctl(fd, vidiocEnumFrameIntervals, unsafe.Pointer(f))
}
