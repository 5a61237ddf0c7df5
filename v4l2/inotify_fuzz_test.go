package v4l2

import (
	"encoding/binary"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FuzzInotify parses any bytes that an inotify descriptor could return. A node
// of a camera in one whole event is noticed wherever the event stands.
func FuzzInotify(f *testing.F) {
	event := func(wd int32, mask uint32, name string) []byte {
		b := make([]byte, unix.SizeofInotifyEvent)
		binary.NativeEndian.PutUint32(b[unsafe.Offsetof(unix.InotifyEvent{}.Wd):], uint32(wd))
		binary.NativeEndian.PutUint32(b[unsafe.Offsetof(unix.InotifyEvent{}.Mask):], mask)
		binary.NativeEndian.PutUint32(b[unsafe.Offsetof(unix.InotifyEvent{}.Len):], uint32(len(name)))
		return append(b, name...)
	}
	const root = 1
	camera := event(root, unix.IN_CREATE, "video0\x00\x00")
	f.Add(event(root, unix.IN_CREATE, "sda\x00"))
	f.Add(append(event(root, unix.IN_ATTRIB, "null\x00"), event(2, unix.IN_IGNORED, "")...))
	f.Add(append(event(3, unix.IN_CREATE, ".#link"), event(-1, unix.IN_Q_OVERFLOW, "")...))
	f.Add(event(root, unix.IN_CREATE, strings.Repeat("v", 300))[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		n := &inotify{root: root}
		alone := n.anyRelevant(b)
		if !n.anyRelevant(append(append([]byte(nil), camera...), b...)) {
			t.Fatal("a camera before other events is missed")
		}
		whole := wholeEvents(b)
		if !n.anyRelevant(append(append([]byte(nil), b[:whole]...), camera...)) {
			t.Fatal("a camera after other events is missed")
		}
		if n.anyRelevant(b[:whole]) && !alone {
			t.Fatal("bytes after the events hide one of them")
		}
	})
}

// wholeEvents returns the length of the whole events at the start of b.
func wholeEvents(b []byte) int {
	at := 0
	for len(b)-at >= unix.SizeofInotifyEvent {
		length := binary.NativeEndian.Uint32(b[at+int(unsafe.Offsetof(unix.InotifyEvent{}.Len)):])
		if uint64(length) > uint64(len(b)-at-unix.SizeofInotifyEvent) {
			break
		}
		at += unix.SizeofInotifyEvent + int(length)
	}
	return at
}
