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

// errForeign is for a device node that belongs to another kind of driver.
var errForeign = errors.New("not a video4linux device")

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
	entries, _ := os.ReadDir(dir) // sorted; missing without udev
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
		return "", err // EvalSymlinks keeps not every errno
	}
	return filepath.EvalSymlinks(path)
}

func (linux) Now() time.Duration {
	var t unix.Timespec
	// Cannot fail: the clock is there on every Linux. It is asked several times for each frame, so the scheduler is not told:
	// see uapi.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}

func (linux) Group(node string) string {
	var st unix.Stat_t
	if unix.Stat(node, &st) != nil {
		return ""
	}
	if st.Gid == 0 {
		return "" // root's: belonging to it is no advice
	}
	id := strconv.FormatUint(uint64(st.Gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

func (linux) Label(node string) (name string, index int) { return label("/sys", node) }

func (linux) Holders(node string) []string { return holders("/proc", node) }

func (linux) Open(path string) (Handle, error) {
	if err := mayOpen(path); err != nil {
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

// newHandle takes fd over, also when it fails.
func newHandle(fd int) (*linuxHandle, error) {
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	h := &linuxHandle{fd: fd, event: event}
	return h, nil
}

// mayOpen refuses devices of other drivers before they are opened: to open a watchdog or a tape has effects.
func mayOpen(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if t := st.Mode & unix.S_IFMT; (t == unix.S_IFCHR || t == unix.S_IFBLK) && unix.Major(uint64(st.Rdev)) != videoMajor {
		return errForeign
	}
	return nil
}

// openRetry opens by the bare system call: os.OpenFile would hand the descriptor to the runtime's poller, and epoll makes some
// drivers start their read() emulation, after which REQBUFS answers EBUSY.
func openRetry(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Probe opens by webcam, and mends that it leaves O_CLOEXEC out: no child of this process may keep a camera open. Children are
// started under the other side of ForkLock.
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
	unix.CloseOnExec(int(descriptor(w)))
	return w, nil
}

// descriptor reads webcam's private field; a test holds that it is there in the pinned version.
func descriptor(w *webcam.Webcam) uint64 {
	return reflect.ValueOf(w).Elem().FieldByName("fd").Uint()
}

// linuxHandle is a descriptor of our own, with an eventfd beside it that ends a poll.
type linuxHandle struct {
	fd   int
	wait *waiter // made by the first Poll

	mu    sync.Mutex // holds event open while Wake writes: its number may be another's after Close
	event int        // -1 after Close
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
	h.rest()
	return uapi.ReqBufs(h.fd, r)
}

func (h *linuxHandle) StreamOff() error {
	h.rest()
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
		// Only one goroutine reads it, and it does not block; what is in it does not matter.
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

// rest takes the device out of what is waited for, until the next Poll.
func (h *linuxHandle) rest() {
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
	_, _ = unix.Write(h.event, one[:]) // EAGAIN: it is full of wakes already
}

func (h *linuxHandle) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.event < 0 {
		return unix.EBADF
	}
	h.rest()
	err := errors.Join(unix.Close(h.fd), unix.Close(h.event))
	if h.wait != nil {
		err = errors.Join(err, h.wait.close())
	}
	h.fd, h.event = -1, -1
	return err
}
