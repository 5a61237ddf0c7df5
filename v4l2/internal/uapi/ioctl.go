package uapi

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The direction bits of asm-generic/ioctl.h, which amd64, arm64 and arm share.
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

// ioctl tries again when a signal came in between: the Go runtime sends itself some all the time.
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

// quick is ioctl for calls that come with each frame and wait for no device: the scheduler is not told of them. It would
// wake its monitor thread for each frame, which looks every 20 µs whether the call has come back, until all is idle again,
// and so takes a fifth of all the time that a frame costs. The price is that the scheduler is held up where a driver holds
// its queue's lock for long; but then it is held up in its own poller, too.
func quick(fd int, request uintptr, arg unsafe.Pointer) error {
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

// QueryCap asks what the node is (VIDIOC_QUERYCAP).
func QueryCap(fd int, c *Capability) error { return ioctl(fd, vidiocQueryCap, unsafe.Pointer(c)) }

// GetFormat asks for the format that is set (VIDIOC_G_FMT); f.Type says of which queue.
func GetFormat(fd int, f *Format) error { return ioctl(fd, vidiocGFmt, unsafe.Pointer(f)) }

// SetFormat sets the format (VIDIOC_S_FMT); the driver writes into f what it made of the wish.
func SetFormat(fd int, f *Format) error { return ioctl(fd, vidiocSFmt, unsafe.Pointer(f)) }

// GetParm asks for the frame interval (VIDIOC_G_PARM).
func GetParm(fd int, p *StreamParm) error { return ioctl(fd, vidiocGParm, unsafe.Pointer(p)) }

// SetParm wishes a frame interval (VIDIOC_S_PARM).
func SetParm(fd int, p *StreamParm) error { return ioctl(fd, vidiocSParm, unsafe.Pointer(p)) }

// ReqBufs asks for r.Count buffers, 0 to free them (VIDIOC_REQBUFS); the driver writes how many there are.
func ReqBufs(fd int, r *RequestBuffers) error { return ioctl(fd, vidiocReqBufs, unsafe.Pointer(r)) }

// QueryBuf asks where buffer b.Index lies and how long it is (VIDIOC_QUERYBUF).
func QueryBuf(fd int, b *Buffer) error { return ioctl(fd, vidiocQueryBuf, unsafe.Pointer(b)) }

// QBuf gives buffer b.Index to the driver (VIDIOC_QBUF). The descriptor must not block.
func QBuf(fd int, b *Buffer) error { return quick(fd, vidiocQBuf, unsafe.Pointer(b)) }

// DQBuf takes a filled buffer from the driver (VIDIOC_DQBUF); EAGAIN if there is none. The descriptor must not
// block.
func DQBuf(fd int, b *Buffer) error { return quick(fd, vidiocDQBuf, unsafe.Pointer(b)) }

// EpollWait gives what there is to be told at once (epoll_wait(2)), up to len(events), which is not 0.
func EpollWait(epoll int, events []unix.EpollEvent) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// StreamOn begins streaming on the capture queue (VIDIOC_STREAMON).
func StreamOn(fd int) error {
	t := int32(BufTypeVideoCapture)
	return ioctl(fd, vidiocStreamOn, unsafe.Pointer(&t))
}

// StreamOff ends it and takes all buffers out of the driver's hands (VIDIOC_STREAMOFF).
func StreamOff(fd int) error {
	t := int32(BufTypeVideoCapture)
	return ioctl(fd, vidiocStreamOff, unsafe.Pointer(&t))
}
