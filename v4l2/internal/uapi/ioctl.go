package uapi

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Direction bits of asm-generic/ioctl.h, the same on amd64, arm64 and arm.
const (
	dirWrite = 1
	dirRead  = 2
)

const (
	vidiocQueryCap  = dirRead<<30 | unsafe.Sizeof(Capability{})<<16 | 'V'<<8
	vidiocGFmt      = (dirRead|dirWrite)<<30 | unsafe.Sizeof(Format{})<<16 | 'V'<<8 | 4
	vidiocSFmt      = (dirRead|dirWrite)<<30 | unsafe.Sizeof(Format{})<<16 | 'V'<<8 | 5
	vidiocReqBufs   = (dirRead|dirWrite)<<30 | unsafe.Sizeof(RequestBuffers{})<<16 | 'V'<<8 | 8
	vidiocQueryBuf  = (dirRead|dirWrite)<<30 | unsafe.Sizeof(Buffer{})<<16 | 'V'<<8 | 9
	vidiocQBuf      = (dirRead|dirWrite)<<30 | unsafe.Sizeof(Buffer{})<<16 | 'V'<<8 | 15
	vidiocDQBuf     = (dirRead|dirWrite)<<30 | unsafe.Sizeof(Buffer{})<<16 | 'V'<<8 | 17
	vidiocStreamOn  = dirWrite<<30 | unsafe.Sizeof(int32(0))<<16 | 'V'<<8 | 18
	vidiocStreamOff = dirWrite<<30 | unsafe.Sizeof(int32(0))<<16 | 'V'<<8 | 19
	vidiocGParm     = (dirRead|dirWrite)<<30 | unsafe.Sizeof(StreamParm{})<<16 | 'V'<<8 | 21
	vidiocSParm     = (dirRead|dirWrite)<<30 | unsafe.Sizeof(StreamParm{})<<16 | 'V'<<8 | 22
)

// ioctl retries after EINTR: the Go runtime sends signals to its own threads.
func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// ioctlNonblocking is ioctl for calls that run once per frame and do not block.
// It does not notify the scheduler. With ioctl each frame wakes the scheduler's
// monitor thread, which polls every 20 µs: a fifth of the CPU time per frame.
//
// The price: if a driver holds its queue lock for long, the scheduler stalls.
// But then its own poller stalls, too.
func ioctlNonblocking(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}

// QueryCap reads the capabilities of the node (VIDIOC_QUERYCAP).
func QueryCap(fd int, c *Capability) error { return ioctl(fd, vidiocQueryCap, unsafe.Pointer(c)) }

// GetFormat reads the format of queue f.Type (VIDIOC_G_FMT).
func GetFormat(fd int, f *Format) error { return ioctl(fd, vidiocGFmt, unsafe.Pointer(f)) }

// SetFormat sets the format of queue f.Type (VIDIOC_S_FMT). The driver writes
// the actual format to f.
func SetFormat(fd int, f *Format) error { return ioctl(fd, vidiocSFmt, unsafe.Pointer(f)) }

// GetParm reads the frame interval (VIDIOC_G_PARM).
func GetParm(fd int, p *StreamParm) error { return ioctl(fd, vidiocGParm, unsafe.Pointer(p)) }

// SetParm sets the frame interval (VIDIOC_S_PARM). The driver writes the actual
// interval to p.
func SetParm(fd int, p *StreamParm) error { return ioctl(fd, vidiocSParm, unsafe.Pointer(p)) }

// ReqBufs allocates r.Count buffers, or frees all for 0 (VIDIOC_REQBUFS). The
// driver writes the actual count to r.
func ReqBufs(fd int, r *RequestBuffers) error { return ioctl(fd, vidiocReqBufs, unsafe.Pointer(r)) }

// QueryBuf reads the offset and length of buffer b.Index, in bytes
// (VIDIOC_QUERYBUF).
func QueryBuf(fd int, b *Buffer) error { return ioctl(fd, vidiocQueryBuf, unsafe.Pointer(b)) }

// QBuf queues buffer b.Index (VIDIOC_QBUF). fd must be nonblocking.
func QBuf(fd int, b *Buffer) error { return ioctlNonblocking(fd, vidiocQBuf, unsafe.Pointer(b)) }

// DQBuf dequeues a filled buffer (VIDIOC_DQBUF). It returns EAGAIN if there is
// none. fd must be nonblocking.
func DQBuf(fd int, b *Buffer) error { return ioctlNonblocking(fd, vidiocDQBuf, unsafe.Pointer(b)) }

// EpollWait returns the pending events without waiting (epoll_wait(2)). events
// must not be empty.
func EpollWait(epoll int, events []unix.EpollEvent) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT,
			uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// StreamOn starts the stream of the capture queue (VIDIOC_STREAMON).
func StreamOn(fd int) error {
	t := int32(BufTypeVideoCapture)
	return ioctl(fd, vidiocStreamOn, unsafe.Pointer(&t))
}

// StreamOff stops the stream and removes all buffers from the queue
// (VIDIOC_STREAMOFF).
func StreamOff(fd int) error {
	t := int32(BufTypeVideoCapture)
	return ioctl(fd, vidiocStreamOff, unsafe.Pointer(&t))
}
