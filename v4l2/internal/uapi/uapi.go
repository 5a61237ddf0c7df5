// Package uapi is the part of the Linux V4L2 interface (linux/videodev2.h) for
// capture by mmap and for controls.
//
// It has the structures in the kernel's layout and one function per ioctl. It
// has no policy and no state. Its functions may be called from any goroutine.
//
// Guarantees:
//
//   - Each structure has the size and offsets of the C structure on amd64,
//     arm64 and 32-bit arm. The tests compare them with the numbers of a C
//     compiler.
//   - Each error is the kernel's unix.Errno. EINTR is retried.
//
// An ioctl number contains the size of its argument. On 32-bit arm Buffer
// therefore is the v4l2_buffer with a 32-bit timeval. All kernels support that
// layout for 32-bit programs, 64-bit kernels by their compat layer.
// CLOCK_MONOTONIC starts at boot, so 32 bits of seconds are enough.
package uapi

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Values of linux/videodev2.h, with the header's names without V4L2_.
const (
	CapVideoCapture = 0x00000001
	CapVideoM2M     = 0x00008000
	CapVideoM2MMP   = 0x00004000
	CapMetaCapture  = 0x00800000
	CapStreaming    = 0x04000000
	CapDeviceCaps   = 0x80000000 // DeviceCaps is valid

	BufTypeVideoCapture = 1
	MemoryMMAP          = 1

	BufFlagMapped             = 0x00000001
	BufFlagError              = 0x00000040
	BufFlagTimestampMask      = 0x0000e000
	BufFlagTimestampMonotonic = 0x00002000

	ParmCapTimePerFrame = 0x1000
)

// Capability is struct v4l2_capability.
type Capability struct {
	Driver       [16]byte
	Card         [32]byte
	BusInfo      [32]byte
	Version      uint32
	Capabilities uint32 // of all nodes of the device
	DeviceCaps   uint32 // of this node
	_            [3]uint32
}

// PixFormat is struct v4l2_pix_format.
type PixFormat struct {
	Width, Height uint32
	PixelFormat   uint32
	Field         uint32
	BytesPerLine  uint32
	SizeImage     uint32
	Colorspace    uint32
	Priv          uint32
	Flags         uint32
	YCbCrEnc      uint32
	Quantization  uint32
	XferFunc      uint32
}

// Format is struct v4l2_format with the single-planar member of its union.
type Format struct {
	Type uint32
	_    [0]uintptr // the C union has members with pointers, so it has their alignment
	Pix  PixFormat
	_    [200 - unsafe.Sizeof(PixFormat{})]byte
}

// Fract is struct v4l2_fract.
type Fract struct{ Numerator, Denominator uint32 }

// StreamParm is struct v4l2_streamparm with the capture member of its union.
type StreamParm struct {
	Type         uint32
	Capability   uint32
	CaptureMode  uint32
	TimePerFrame Fract
	ExtendedMode uint32
	ReadBuffers  uint32
	_            [4]uint32
	_            [160]byte
}

// RequestBuffers is struct v4l2_requestbuffers.
type RequestBuffers struct {
	Count        uint32
	Type         uint32
	Memory       uint32
	Capabilities uint32
	Flags        uint8
	_            [3]uint8
}

// Timecode is struct v4l2_timecode.
type Timecode struct {
	Type, Flags                     uint32
	Frames, Seconds, Minutes, Hours uint8
	UserBits                        [4]uint8
}

// Buffer is struct v4l2_buffer, with the mmap member of its union m.
type Buffer struct {
	Index     uint32
	Type      uint32
	BytesUsed uint32
	Flags     uint32
	Field     uint32
	Timestamp unix.Timeval
	Timecode  Timecode
	Sequence  uint32
	Memory    uint32
	_         [0]uintptr
	Offset    uint32
	_         [unsafe.Sizeof(uintptr(0)) - 4]byte
	Length    uint32
	_         uint32
	RequestFD int32
}
