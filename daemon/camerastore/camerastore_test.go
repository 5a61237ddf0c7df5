package camerastore_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vchat/config"
	"vchat/daemon/camerastore"
)

var chosen = camerastore.Choice{Device: "/dev/v4l/by-id/usb-Good", Size: config.Size{Width: 640, Height: 480}, FPS: 15}

func TestStore_survivesARestart(t *testing.T) {
	dir := t.TempDir()
	s := camerastore.Open(dir)
	if c := s.Choice(); c != (camerastore.Choice{}) || len(s.Controls()) > 0 || s.Problem() != "" {
		t.Errorf("no file: got %+v, %v, %q", c, s.Controls(), s.Problem())
	}
	steps := []error{
		s.Choose(chosen),
		s.KeepControls("/dev/video0", map[string]string{"brightness": "5", "power_line_frequency": "50 Hz"}),
		s.KeepControls("/dev/v4l/by-id/usb-Good", map[string]string{"gain": "0x10"}),
		s.KeepControls("/dev/video0", map[string]string{"brightness": "-7"}),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*camerastore.Store{"same": s, "next": camerastore.Open(dir)} {
		all := s.Controls()
		if s.Choice() != chosen || len(all) != 2 || all["/dev/v4l/by-id/usb-Good"]["gain"] != "0x10" ||
			!maps.Equal(all["/dev/video0"], map[string]string{"brightness": "-7", "power_line_frequency": "50 Hz"}) {
			t.Errorf("%s store: got %+v and %v", name, s.Choice(), all)
		}
		all["/dev/video0"]["brightness"] = "changed by the caller"
		if got := s.Controls()["/dev/video0"]["brightness"]; got != "-7" {
			t.Errorf("%s store: got brightness %q", name, got)
		}
	}
	if err := s.Choose(camerastore.Choice{}); err != nil {
		t.Fatal(err)
	}
	if s := camerastore.Open(dir); s.Choice() != (camerastore.Choice{}) || len(s.Controls()) != 2 {
		t.Errorf("choice forgotten: got %+v and %v, want the controls only", s.Choice(), s.Controls())
	}
	info, err := os.Stat(filepath.Join(dir, camerastore.FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v; want mode 0600", info, err)
	}
}

func TestChoose_refused(t *testing.T) {
	s := camerastore.Open(t.TempDir())
	for _, c := range []camerastore.Choice{
		{Device: "auto"}, // the zero Choice
		{Device: "exec:id"}, {Device: "file:/etc/shadow"}, {Device: "/etc/shadow"}, {Device: "video0"},
		{Device: "/dev/../etc/shadow"}, {Device: "/dev//video0"}, {Device: "/dev/"}, {Device: "/dev/a\nb"},
		{Device: "/dev/\xff"}, {Device: "/dev/\u202evideo0"}, {Device: "/dev/" + strings.Repeat("x", 300)},
		{FPS: -1}, {FPS: 241}, {Size: config.Size{Width: 15, Height: 16}}, {Size: config.Size{Width: 640}},
	} {
		if err := s.Choose(c); !errors.Is(err, camerastore.ErrInvalid) {
			t.Errorf("%+v: got %v, want ErrInvalid", c, err)
		}
	}
	for camera, values := range map[string]map[string]string{
		"":             {"gain": "1"},
		"/dev/\x1b[2J": {"gain": "1"},
		"/dev/a":       {"../gain": "1"},
		"/dev/b":       {"gain": ""},
		"/dev/c":       {"gain": strings.Repeat("1", 256)},
	} {
		if err := s.KeepControls(camera, values); !errors.Is(err, camerastore.ErrInvalid) {
			t.Errorf("%q %v: got %v, want ErrInvalid", camera, values, err)
		}
	}
	many := map[string]string{}
	for i := range 65 {
		many[fmt.Sprintf("c%d", i)] = "1"
	}
	if err := s.KeepControls("/dev/video0", many); !errors.Is(err, camerastore.ErrInvalid) {
		t.Errorf("65 controls: got %v, want ErrInvalid", err)
	}
	if s.Choice() != (camerastore.Choice{}) || len(s.Controls()) > 0 {
		t.Errorf("got %+v, %v; want nothing", s.Choice(), s.Controls())
	}
}

// The cameras that were set last are kept, and the file can always be read.
func TestKeepControls_manyCameras(t *testing.T) {
	dir := t.TempDir()
	s := camerastore.Open(dir)
	long := map[string]string{}
	for i := range 10 {
		long[fmt.Sprintf("control_%d", i)] = strings.Repeat("1", 200)
	}
	for i := range 3 * camerastore.MaxCameras {
		if err := s.KeepControls(fmt.Sprintf("/dev/video%d", i), long); err != nil {
			t.Fatal(err)
		}
	}
	s = camerastore.Open(dir)
	if got := s.Controls(); len(got) != camerastore.MaxCameras || got["/dev/video47"] == nil || s.Problem() != "" {
		t.Errorf("got %d cameras, %q; want the last %d", len(got), s.Problem(), camerastore.MaxCameras)
	}
	for i := range 64 {
		long[fmt.Sprintf("control_%d", i)] = strings.Repeat("1", 255)
	}
	var err error
	for i := 0; i < camerastore.MaxCameras && err == nil; i++ {
		err = s.KeepControls(fmt.Sprintf("/dev/video%d", i), long)
	}
	if !errors.Is(err, camerastore.ErrInvalid) {
		t.Errorf("a file that is too large: got %v, want ErrInvalid", err)
	}
	if p := camerastore.Open(dir).Problem(); p != "" {
		t.Errorf("got problem %q", p)
	}
}

// A damaged file costs the choices, is kept aside, and named.
func TestOpen_damaged(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"empty":        func(p string) error { return os.Truncate(p, 0) },
		"truncated":    func(p string) error { return os.Truncate(p, 20) },
		"endless":      func(p string) error { return os.Truncate(p, 1<<40) },
		"of others":    func(p string) error { return os.Chmod(p, 0o666) },
		"FIFO":         func(p string) error { return errors.Join(os.Remove(p), unix.Mkfifo(p, 0o600)) },
		"folder":       func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
		"dead link":    func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/nowhere", p)) },
		"device":       func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/dev/zero", p)) },
		"garbage":      func(p string) error { return os.WriteFile(p, []byte("\x00\xff\x00"), 0o600) },
		"next version": func(p string) error { return os.WriteFile(p, []byte(`{"version":2}`), 0o600) },
		"a command": func(p string) error {
			return os.WriteFile(p, []byte(`{"version":1,"device":"exec:id"}`), 0o600)
		},
		"a size": func(p string) error { return os.WriteFile(p, []byte(`{"version":1,"size":"1x1"}`), 0o600) },
		"a rate": func(p string) error { return os.WriteFile(p, []byte(`{"version":1,"fps":1e9}`), 0o600) },
		"a control": func(p string) error {
			return os.WriteFile(p, []byte(`{"version":1,"controls":[{"camera":"/dev/video0","values":{"A":"1"}}]}`),
				0o600)
		},
		"many cameras": func(p string) error {
			return os.WriteFile(p, []byte(`{"version":1,"controls":[{}`+strings.Repeat(",{}", 16)+`]}`), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := camerastore.Open(dir).Choose(chosen); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, camerastore.FileName)
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			s := camerastore.Open(dir)
			if s.Choice() != (camerastore.Choice{}) || len(s.Controls()) > 0 ||
				!strings.HasSuffix(s.Problem(), "the file is kept as "+path+".corrupt") {
				t.Errorf("got %+v, %v, %q; want nothing, and the name of the file", s.Choice(), s.Controls(),
					s.Problem())
			}
			if err := s.Choose(chosen); err != nil {
				t.Fatal(err)
			}
			if s := camerastore.Open(dir); s.Choice() != chosen || s.Problem() != "" {
				t.Errorf("chosen again: got %+v, %q", s.Choice(), s.Problem())
			}
		})
	}
}

// A directory that cannot be written changes nothing, and says so.
func TestChoose_notWritable(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700"); err != nil {
		t.Skipf("cannot mount a file system: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s := camerastore.Open(dir)
	if err := s.Choose(chosen); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Choose(camerastore.Choice{}); !errors.Is(err, unix.EROFS) {
		t.Errorf("Choose: got %v, want EROFS", err)
	}
	if err := s.KeepControls("/dev/video0", map[string]string{"gain": "1"}); !errors.Is(err, unix.EROFS) {
		t.Errorf("KeepControls: got %v, want EROFS", err)
	}
	for name, s := range map[string]*camerastore.Store{"same": s, "next": camerastore.Open(dir)} {
		if s.Choice() != chosen || len(s.Controls()) > 0 {
			t.Errorf("%s store: got %+v, %v; want the old choice", name, s.Choice(), s.Controls())
		}
	}
}

// FuzzFile opens a store with any file. It has a choice that Choose accepts, or
// the file is set aside and reported once.
func FuzzFile(f *testing.F) {
	for _, text := range []string{
		`{"version":1,"device":"/dev/video2","size":"640x480","fps":15,` +
			`"controls":[{"camera":"/dev/video2","values":{"gain":"1"}}]}`,
		`{"version":1,"device":"exec:id"}`, `{"version":1,"controls":[{"camera":"a"},{"camera":"a"}]}`,
		`{"version":2}`, `[]`, `null`, "", "\x00",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, camerastore.FileName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		s := camerastore.Open(dir)
		c := s.Choice()
		if s.Problem() != "" && (c != (camerastore.Choice{}) || camerastore.Open(dir).Problem() != "") {
			t.Fatalf("got %+v, %q; then %q", c, s.Problem(), camerastore.Open(dir).Problem())
		}
		if err := camerastore.Open(t.TempDir()).Choose(c); err != nil {
			t.Fatalf("%+v is not a choice: %v", c, err)
		}
		if err := s.KeepControls("/dev/video0", map[string]string{"gain": "1"}); err != nil {
			return // full
		}
		if s = camerastore.Open(dir); s.Problem() != "" || s.Choice() != c ||
			s.Controls()["/dev/video0"]["gain"] != "1" {
			t.Fatalf("written again: got %+v, %v, %q", s.Choice(), s.Controls(), s.Problem())
		}
	})
}
