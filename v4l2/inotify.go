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

// inotify watches a /dev: for nodes, and for the links that udev makes to them, which come last.
type inotify struct {
	file *linuxHandle // of inotify's descriptor: it waits and wakes as a camera's does
	dev  string
	root int32 // the watch of dev itself
	buf  [4096]byte
}

// linkDirs come and go with the first and the last camera.
var linkDirs = []string{"v4l", "v4l/by-id", "v4l/by-path"}

// watched are the events. udev makes a link under another name and then renames it; it gives the node to its group by chown and chmod,
// and only from then on may an ordinary user open it.
const watched = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_ONLYDIR

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
	root, err := unix.InotifyAddWatch(fd, dev, watched)
	if err != nil {
		_ = h.Close()
		return nil, fmt.Errorf("inotify_add_watch %s: %w", dev, err)
	}
	n.root = int32(root)
	n.follow()
	return n, nil
}

// follow watches the folders of links that are there; those that are watched already stay so. From the outermost inwards: what is made
// meanwhile shows in the one before.
func (n *inotify) follow() {
	for _, d := range linkDirs {
		_, _ = unix.InotifyAddWatch(n.file.fd, filepath.Join(n.dev, d), watched)
	}
}

// Wait returns when cameras may have changed. Other devices' events do not count.
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
		if n.concern(n.buf[:size]) {
			n.follow()
			return false, nil
		}
	}
}

func (n *inotify) Wake() { n.file.Wake() }

func (n *inotify) Close() error { return n.file.Close() }

// concern tells whether one of the events, which lie one after the other in b, is about cameras.
func (n *inotify) concern(b []byte) bool {
	const head = unix.SizeofInotifyEvent
	found := false
	for len(b) >= head {
		wd := int32(binary.NativeEndian.Uint32(b[unsafe.Offsetof(unix.InotifyEvent{}.Wd):]))
		mask := binary.NativeEndian.Uint32(b[unsafe.Offsetof(unix.InotifyEvent{}.Mask):])
		length := binary.NativeEndian.Uint32(b[unsafe.Offsetof(unix.InotifyEvent{}.Len):])
		end := head + int(min(length, uint32(len(b)-head)))
		name, _, _ := bytes.Cut(b[head:end], []byte{0})
		found = found || n.concerns(wd, mask, string(name))
		b = b[end:]
	}
	return found
}

func (n *inotify) concerns(wd int32, mask uint32, name string) bool {
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		return true
	case mask&unix.IN_IGNORED != 0, strings.HasPrefix(name, ".#"): // a folder that went; a link of udev's before it is renamed
		return false
	case wd != n.root:
		return true // a folder of links to cameras
	case mask&unix.IN_MOVED_TO != 0:
		return true // a link of udev's: any name can be somebody's rule for a camera
	}
	return strings.HasPrefix(name, "video") || name == "v4l"
}
