package v4l2

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// put writes a file of a test's /proc or /sys.
func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// isLine reports whether a text can stand in a line of a terminal or a log.
func isLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// FuzzHolders reads a /proc in which any user may run a process with any name.
func FuzzHolders(f *testing.F) {
	f.Add("100", []byte("cheese\n"), "/dev/video0")
	f.Add("2147483648", []byte("\x1b[2J\u202e"), "/dev/video0 (deleted)")
	f.Add("-1", []byte{0, 0xff, '\n'}, "socket:[1]")
	f.Add("self", []byte("\U000e0041\u200b\u009b"), "/dev/video0")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, pid string, comm []byte, target string) {
		if pid = filepath.Base(pid); !fs.ValidPath(pid) || pid == "." || len(pid) > 100 || strings.Contains(pid,
			"\x00") ||
			target == "" || len(target) > 1000 || strings.Contains(target, "\x00") {
			t.Skip()
		}
		proc := filepath.Join(dir, "proc")
		defer os.RemoveAll(proc)
		for _, p := range []string{pid, "1000000", "1000001", "1000002"} {
			put(t, filepath.Join(proc, p, "comm"), comm)
			put(t, filepath.Join(proc, p, "fd", "0"), nil)
			if err := os.Symlink(target, filepath.Join(proc, p, "fd", "3")); err != nil {
				t.Fatal(err)
			}
		}
		names := holders(proc, "/dev/video0")
		if want := target == "/dev/video0"; (len(names) == 3) != want || !want && len(names) > 0 {
			t.Errorf("got %q for an open %q", names, target)
		}
		for _, name := range names {
			if !isLine(name) || !strings.Contains(name, "(pid ") {
				t.Errorf("got %q, want a name and a number", name)
			}
		}
	})
}

// FuzzSysfs reads the texts of a USB device, which its maker, or an attacker at
// the port, has chosen.
func FuzzSysfs(f *testing.F) {
	f.Add([]byte("HD Camera\n"), []byte("0\n"), []byte("1\n"), []byte("5\n"), []byte("046d\n"))
	f.Add([]byte("\x1b]0;x\x07\u202egnp"), []byte("-1"), []byte("65536"), []byte("+1"), []byte("\"\x00"))
	f.Add([]byte{}, []byte("99999999999999999999"), []byte("0x1"), []byte("../../sda"), []byte("\U000e0041"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, name, index, bus, number, vendor []byte) {
		sys := filepath.Join(dir, "sys")
		defer os.RemoveAll(sys)
		node, device := filepath.Join(sys, "class/video4linux/video0"), filepath.Join(sys, "devices/1-1/1-1:1.0")
		put(t, filepath.Join(node, "name"), name)
		put(t, filepath.Join(node, "index"), index)
		for attribute, b := range map[string][]byte{"busnum": bus, "devnum": number, "idVendor": vendor,
			"idProduct": vendor} {
			put(t, filepath.Join(filepath.Dir(device), attribute), b)
		}
		if err := errors.Join(os.Mkdir(device, 0o755), os.Symlink(device, filepath.Join(node, "device"))); err != nil {
			t.Fatal(err)
		}
		if label, _ := sysfsLabel(sys, "/dev/video0"); !isLine(label) {
			t.Errorf("got label %q, want one line", label)
		}
		usb, err := usbDevice(sys, "/dev/video0")
		if err != nil && !errors.Is(err, ErrNotUSB) {
			t.Fatal(err)
		}
		if !isLine(usb.Vendor) || !isLine(usb.Product) {
			t.Errorf("got %+v, want one line each", usb)
		}
		if ok, _ := filepath.Match("/dev/bus/usb/[0-9]*/[0-9]*", usb.Path); err == nil && !ok {
			t.Errorf("got path %q, want a device of the bus", usb.Path)
		}
	})
}
