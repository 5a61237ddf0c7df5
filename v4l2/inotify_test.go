package v4l2

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pending tells whether something that concerns cameras has happened, without waiting.
func (n *inotify) pending(t *testing.T) bool {
	t.Helper()
	found := false
	for {
		ev, err := n.file.Poll(0)
		if err != nil {
			t.Fatal(err)
		}
		if ev == 0 {
			return found
		}
		size, err := unix.Read(n.file.fd, n.buf[:])
		if err != nil {
			t.Fatal(err)
		}
		if n.concern(n.buf[:size]) {
			n.follow()
			found = true
		}
	}
}

func TestInotify(t *testing.T) {
	dev := t.TempDir()
	at := func(name string) string { return filepath.Join(dev, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	create := func(name string) { must(os.WriteFile(at(name), nil, 0o600)) }
	// link makes a link as udev does.
	link := func(name string) {
		tmp := filepath.Join(filepath.Dir(at(name)), ".#"+filepath.Base(name)+"4711")
		must(os.Symlink("/dev/null", tmp))
		must(os.Rename(tmp, at(name)))
	}
	n, err := watchDev(dev)
	must(err)
	defer n.Close()
	for _, x := range []struct {
		name string
		do   func()
		want bool
	}{
		{"nothing", func() {}, false},
		{"a node", func() { create("video0") }, true},
		{"its group", func() { must(os.Chmod(at("video0"), 0o660)) }, true},
		{"opened and read", func() {
			_, err := os.ReadFile(at("video0"))
			must(err)
		}, false},
		{"another device", func() { create("sda"); must(os.Chmod(at("sda"), 0o644)); must(os.Remove(at("sda"))) }, false},
		{"the folder of links", func() { must(os.Mkdir(at("v4l"), 0o700)) }, true},
		{"the folder in it", func() { must(os.Mkdir(at("v4l/by-id"), 0o700)) }, true},
		{"a link in that", func() { link("v4l/by-id/usb-A-index0") }, true},
		{"a link by somebody's own rule", func() { link("doorcam") }, true},
		{"a link half made", func() { must(os.Symlink("/dev/null", at(".#doorcam1"))) }, false},
		{"links that go", func() { must(os.RemoveAll(at("v4l"))) }, true},
		{"and come again at once", func() {
			must(os.MkdirAll(at("v4l/by-id"), 0o700))
		}, true},
		{"with a link", func() { link("v4l/by-id/usb-A-index0") }, true},
		{"a node that goes", func() { must(os.Remove(at("video0"))) }, true},
		{"nothing more", func() {}, false},
	} {
		x.do()
		if got := n.pending(t); got != x.want {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
	}
	if !n.concerns(-1, unix.IN_Q_OVERFLOW, "") {
		t.Error("lost events do not count")
	}
}

// What the kernel writes is believed no further than it reaches.
func TestInotifyCutShort(t *testing.T) {
	n := &inotify{root: 1}
	b := make([]byte, unix.SizeofInotifyEvent)
	b[0], b[4] = 1, unix.IN_ATTRIB // and a length beyond all, in every byte order
	b[12], b[13], b[14], b[15] = 0xff, 0xff, 0xff, 0xff
	for _, tail := range []string{"", "video0", "tty0\x00\x00\x00\x00"} {
		if got := n.concern(append(b[:len(b):len(b)], tail...)); got != (tail == "video0") {
			t.Errorf("%q: %v", tail, got)
		}
	}
	if n.concern(b[:10]) {
		t.Error("half an event counts")
	}
}

func TestWatchDev(t *testing.T) {
	dev := t.TempDir()
	n, err := watchDev(dev)
	if err != nil {
		t.Fatal(err)
	}
	w := watch(n)
	if err := os.WriteFile(filepath.Join(dev, "video3"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.Changed():
	case <-time.After(20 * time.Second):
		t.Error("the watch does not tell")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != unix.EBADF {
		t.Errorf("the descriptors are open after Close: %v", err)
	}
	if _, err := watchDev(filepath.Join(dev, "no")); err == nil {
		t.Error("a folder that is not there is watched")
	}
}

func TestWatchOnThisMachine(t *testing.T) {
	w, err := Watch(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
