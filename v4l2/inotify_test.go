package v4l2

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pending reports, without waiting, whether an event about cameras arrived.
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
		if n.anyRelevant(n.buf[:size]) {
			n.watchLinkDirs()
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
	// link creates a link as udev does.
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
		{"start", func() {}, false},
		{"node created", func() { create("video0") }, true},
		{"node mode changed", func() { must(os.Chmod(at("video0"), 0o660)) }, true},
		{"node opened and read", func() {
			_, err := os.ReadFile(at("video0"))
			must(err)
		}, false},
		{"other device", func() { create("sda"); must(os.Chmod(at("sda"), 0o644)); must(os.Remove(at("sda"))) }, false},
		{"link directory created", func() { must(os.Mkdir(at("v4l"), 0o700)) }, true},
		{"inner link directory created", func() { must(os.Mkdir(at("v4l/by-id"), 0o700)) }, true},
		{"link created", func() { link("v4l/by-id/usb-A-index0") }, true},
		{"link of a user's udev rule", func() { link("doorcam") }, true},
		{"temporary link", func() { must(os.Symlink("/dev/null", at(".#doorcam1"))) }, false},
		{"link directories removed", func() { must(os.RemoveAll(at("v4l"))) }, true},
		{"link directories created at once", func() {
			must(os.MkdirAll(at("v4l/by-id"), 0o700))
		}, true},
		{"link created again", func() { link("v4l/by-id/usb-A-index0") }, true},
		{"node removed", func() { must(os.Remove(at("video0"))) }, true},
		{"end", func() {}, false},
	} {
		t.Run(x.name, func(t *testing.T) {
			x.do()
			if got := n.pending(t); got != x.want {
				t.Errorf("got %v, want %v", got, x.want)
			}
		})
	}
	if !n.isRelevant(-1, unix.IN_Q_OVERFLOW, "") {
		t.Error("overflow: got irrelevant, want relevant")
	}
}

// A length beyond the buffer, or half an event, is not read past the end.
func TestInotify_truncatedEvents(t *testing.T) {
	n := &inotify{root: 1}
	b := make([]byte, unix.SizeofInotifyEvent)
	b[0], b[4] = 1, unix.IN_ATTRIB
	b[12], b[13], b[14], b[15] = 0xff, 0xff, 0xff, 0xff // the length, too large in every byte order
	for _, tail := range []string{"", "video0", "tty0\x00\x00\x00\x00"} {
		if got, want := n.anyRelevant(append(b[:len(b):len(b)], tail...)), tail == "video0"; got != want {
			t.Errorf("name %q: got %v, want %v", tail, got, want)
		}
	}
	if n.anyRelevant(b[:10]) {
		t.Error("half an event: got relevant, want irrelevant")
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
		t.Error("no change reported within 20 s")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != unix.EBADF {
		t.Errorf("second Close: got %v, want EBADF", err)
	}
	if _, err := watchDev(filepath.Join(dev, "no")); err == nil {
		t.Error("missing directory: got no error")
	}
}

func TestWatch_thisMachine(t *testing.T) {
	w, err := Watch(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
