package v4l2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"vchat/v4l2/internal/uapi"
)

// linux is the real kernel.
type linux struct{}

func orLinux(k Kernel) Kernel {
	if k == nil {
		return linux{}
	}
	return k
}

// errOtherDriver is the error for device nodes of other drivers.
var errOtherDriver = errors.New("not a video4linux device")

// videoMajor is VIDEO_MAJOR of the kernel's v4l2-dev.c.
const videoMajor = 81

func (linux) Nodes() ([]string, error) {
	entries, err := os.ReadDir("/dev")
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, e := range entries {
		n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "video"))
		if err == nil && e.Name() == "video"+strconv.Itoa(n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	var nodes []string
	for _, n := range numbers {
		nodes = append(nodes, "/dev/video"+strconv.Itoa(n))
	}
	return nodes, nil
}

func (linux) ByID() map[string]string {
	const dir = "/dev/v4l/by-id"
	names := make(map[string]string)
	entries, _ := os.ReadDir(dir) // sorted; the directory is missing without udev
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if node, err := filepath.EvalSymlinks(name); err == nil && names[node] == "" {
			names[node] = name
		}
	}
	return names
}

func (linux) Resolve(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		return "", err // EvalSymlinks loses some errnos
	}
	return filepath.EvalSymlinks(path)
}

func (linux) Now() time.Duration {
	var t unix.Timespec
	// It cannot fail: every Linux has this clock. RawSyscall, because it is
	// called several times per frame: see ioctlNonblocking in package uapi.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}

func (linux) Group(node string) string {
	var st unix.Stat_t
	if unix.Stat(node, &st) != nil {
		return ""
	}
	if st.Gid == 0 {
		return "" // root: adding a user to it is no good advice
	}
	id := strconv.FormatUint(uint64(st.Gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

// Age uses the time of the last change of the content, which a device node does
// not have: udev changes only owner and mode. After a step of the wall clock
// the age is wrong; then it is reported as long.
func (linux) Age(node string) time.Duration {
	const unknown = time.Hour
	info, err := os.Stat(node)
	if err != nil {
		return unknown
	}
	if age := time.Since(info.ModTime()); age >= 0 {
		return age
	}
	return unknown
}

func (linux) Label(node string) (name string, index int) { return sysfsLabel("/sys", node) }

func (linux) Holders(node string) []string { return holders("/proc", node) }

func (linux) Open(path string) (Handle, error) {
	if err := checkDriver(path); err != nil {
		return nil, err
	}
	fd, err := openRetry(path)
	if err != nil {
		return nil, err
	}
	h, err := newHandle(fd)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// newHandle takes ownership of fd, also if it fails.
func newHandle(fd int) (*linuxHandle, error) {
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	h := &linuxHandle{fd: fd, event: event}
	return h, nil
}

// checkDriver rejects devices of other drivers before they are opened: opening
// a watchdog or a tape has side effects.
func checkDriver(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	t := st.Mode & unix.S_IFMT
	if (t == unix.S_IFCHR || t == unix.S_IFBLK) && unix.Major(uint64(st.Rdev)) != videoMajor {
		return errOtherDriver
	}
	return nil
}

// openRetry opens path by the system call. os.OpenFile would add the descriptor
// to the runtime's poller, and epoll starts the read() emulation of some
// drivers: REQBUFS then returns EBUSY.
func openRetry(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Probe opens the node by webcam, which omits O_CLOEXEC. ForkLock keeps
// children of this process from inheriting the descriptor.
func (linux) Probe(path string) (Prober, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	w, err := webcam.Open(path)
	for err == unix.EINTR {
		w, err = webcam.Open(path)
	}
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(int(webcamFD(w)))
	return w, nil
}

// webcamFD reads a private field of webcam. A test checks that the pinned
// version has it.
func webcamFD(w *webcam.Webcam) uint64 {
	return reflect.ValueOf(w).Elem().FieldByName("fd").Uint()
}

// linuxHandle is the streaming descriptor and an eventfd that ends Poll.
type linuxHandle struct {
	fd   int
	wait *waiter // created by the first Poll

	mu    sync.Mutex // keeps event open during Wake: after Close its number may be reused
	event int        // eventfd; -1 after Close
}

func (h *linuxHandle) QueryCap(c *uapi.Capability) error { return uapi.QueryCap(h.fd, c) }
func (h *linuxHandle) GetFormat(f *uapi.Format) error    { return uapi.GetFormat(h.fd, f) }
func (h *linuxHandle) SetFormat(f *uapi.Format) error    { return uapi.SetFormat(h.fd, f) }
func (h *linuxHandle) GetParm(p *uapi.StreamParm) error  { return uapi.GetParm(h.fd, p) }
func (h *linuxHandle) SetParm(p *uapi.StreamParm) error  { return uapi.SetParm(h.fd, p) }
func (h *linuxHandle) QueryBuf(b *uapi.Buffer) error     { return uapi.QueryBuf(h.fd, b) }
func (h *linuxHandle) QBuf(b *uapi.Buffer) error         { return uapi.QBuf(h.fd, b) }
func (h *linuxHandle) DQBuf(b *uapi.Buffer) error        { return uapi.DQBuf(h.fd, b) }
func (h *linuxHandle) StreamOn() error                   { return uapi.StreamOn(h.fd) }

func (h *linuxHandle) ReqBufs(r *uapi.RequestBuffers) error {
	h.stopPolling()
	return uapi.ReqBufs(h.fd, r)
}

func (h *linuxHandle) StreamOff() error {
	h.stopPolling()
	return uapi.StreamOff(h.fd)
}

func (h *linuxHandle) EnumFormat(f *uapi.FormatDesc) error   { return uapi.EnumFormat(h.fd, f) }
func (h *linuxHandle) EnumFrameSize(f *uapi.FrameSize) error { return uapi.EnumFrameSize(h.fd, f) }
func (h *linuxHandle) EnumFrameInterval(f *uapi.FrameInterval) error {
	return uapi.EnumFrameInterval(h.fd, f)
}
func (h *linuxHandle) QueryControl(q *uapi.QueryExtCtrl) error { return uapi.QueryControl(h.fd, q) }
func (h *linuxHandle) QueryMenu(m *uapi.QueryMenu) error       { return uapi.QueryMenuItem(h.fd, m) }
func (h *linuxHandle) GetControl(c *uapi.ExtControl) error     { return uapi.GetControl(h.fd, c) }
func (h *linuxHandle) SetControl(c *uapi.ExtControl) error     { return uapi.SetControl(h.fd, c) }

func (h *linuxHandle) Map(offset, length uint32) ([]byte, error) {
	return unix.Mmap(h.fd, int64(offset), int(length), unix.PROT_READ, unix.MAP_SHARED)
}

func (h *linuxHandle) Unmap(b []byte) error { return unix.Munmap(b) }

func (h *linuxHandle) Poll(wait time.Duration) (Events, error) {
	if h.wait == nil {
		w, err := newWaiter()
		if err != nil {
			return 0, fmt.Errorf("epoll: %w", err)
		}
		h.wait = w
	}
	if err := errors.Join(h.wait.add(h.fd), h.wait.add(h.event)); err != nil {
		return 0, err
	}
	seen, err := h.wait.wait(wait)
	var ev Events
	for _, s := range seen {
		ev |= h.events(s)
	}
	return ev, err
}

func (h *linuxHandle) events(s unix.EpollEvent) (ev Events) {
	if int(s.Fd) == h.event {
		var count [8]byte
		// Reset the counter. Only this goroutine reads it, and it does not
		// block.
		_, _ = unix.Read(h.event, count[:])
		return EventWake
	}
	if s.Events&unix.EPOLLIN != 0 {
		ev |= EventReady
	}
	if s.Events&unix.EPOLLERR != 0 {
		ev |= EventError
	}
	if s.Events&unix.EPOLLHUP != 0 {
		ev |= EventHangup
	}
	return ev
}

// stopPolling removes the device from the epoll until the next Poll.
func (h *linuxHandle) stopPolling() {
	if h.wait != nil {
		h.wait.drop(h.fd)
	}
}

func (h *linuxHandle) Wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.event < 0 {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(h.event, one[:]) // EAGAIN: the counter is full, so a wake is pending
}

func (h *linuxHandle) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.event < 0 {
		return unix.EBADF
	}
	h.stopPolling()
	err := errors.Join(unix.Close(h.fd), unix.Close(h.event))
	if h.wait != nil {
		err = errors.Join(err, h.wait.close())
	}
	h.fd, h.event = -1, -1
	return err
}
