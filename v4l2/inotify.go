package v4l2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inotify watches a /dev directory for nodes and for udev's links to them. udev
// creates the links last.
type inotify struct {
	file *linuxHandle // the inotify descriptor; Poll and Wake work as for a camera
	dev  string
	root int32 // watch descriptor of dev itself
	buf  [4096]byte
}

// linkDirs exist only while a camera is plugged in. The order is from the
// outermost inwards.
var linkDirs = []string{"v4l", "v4l/by-id", "v4l/by-path"}

// watchMask selects the events. IN_MOVED_TO: udev creates a link under a
// temporary name and renames it. IN_ATTRIB: ordinary users can open a node only
// after udev's chown and chmod.
const watchMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_ONLYDIR

func (linux) Watch() (NodeWatch, error) { return watchDev("/dev") }

func watchDev(dev string) (*inotify, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify_init: %w", err)
	}
	h, err := newHandle(fd)
	if err != nil {
		return nil, err
	}
	n := &inotify{file: h, dev: dev}
	root, err := unix.InotifyAddWatch(fd, dev, watchMask)
	if err != nil {
		_ = h.Close()
		return nil, fmt.Errorf("inotify_add_watch %s: %w", dev, err)
	}
	n.root = int32(root)
	n.watchLinkDirs()
	return n, nil
}

// watchLinkDirs watches the link directories that exist. Existing watches stay.
// A directory created during the call is reported by the watch of its parent.
func (n *inotify) watchLinkDirs() {
	for _, d := range linkDirs {
		_, _ = unix.InotifyAddWatch(n.file.fd, filepath.Join(n.dev, d), watchMask)
	}
}

// Wait blocks until cameras may have changed. It ignores other devices.
func (n *inotify) Wait() (woken bool, err error) {
	for {
		ev, err := n.file.Poll(-1)
		switch {
		case err != nil:
			return false, fmt.Errorf("poll: %w", err)
		case ev&EventWake != 0:
			return true, nil
		case ev&(EventError|EventHangup) != 0:
			return false, fmt.Errorf("poll: inotify ended: %w", unix.EIO)
		}
		size, err := unix.Read(n.file.fd, n.buf[:])
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("read: %w", err)
		}
		if n.anyRelevant(n.buf[:size]) {
			n.watchLinkDirs()
			return false, nil
		}
	}
}

func (n *inotify) Wake() { n.file.Wake() }

func (n *inotify) Close() error { return n.file.Close() }

// anyRelevant reports whether one of the events in b is about cameras.
func (n *inotify) anyRelevant(b []byte) bool {
	const head = unix.SizeofInotifyEvent
	found := false
	for len(b) >= head {
		wd := int32(binary.NativeEndian.Uint32(b[unsafe.Offsetof(unix.InotifyEvent{}.Wd):]))
		mask := binary.NativeEndian.Uint32(b[unsafe.Offsetof(unix.InotifyEvent{}.Mask):])
		length := binary.NativeEndian.Uint32(b[unsafe.Offsetof(unix.InotifyEvent{}.Len):])
		end := head + int(min(length, uint32(len(b)-head)))
		name, _, _ := bytes.Cut(b[head:end], []byte{0})
		found = found || n.isRelevant(wd, mask, string(name))
		b = b[end:]
	}
	return found
}

// isRelevant reports whether one event is about cameras. Lost events are.
func (n *inotify) isRelevant(wd int32, mask uint32, name string) bool {
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		return true
	case mask&unix.IN_IGNORED != 0, strings.HasPrefix(name, ".#"):
		return false // a removed directory; udev's temporary name of a link
	case wd != n.root:
		return true // a link directory
	case mask&unix.IN_MOVED_TO != 0:
		return true // a udev link: a user's rule may give a camera any name
	}
	return strings.HasPrefix(name, "video") || name == "v4l"
}
