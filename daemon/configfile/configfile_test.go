package configfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vchat/config"
	"vchat/daemon/configfile"
	"vchat/daemon/smallfile"
)

// device is a configuration file and a state directory. Its directories stand
// for a device without systemd.
type device struct {
	t           *testing.T
	path, state string
}

func newDevice(t *testing.T) *device {
	t.Helper()
	t.Setenv("STATE_DIRECTORY", "")
	dir := t.TempDir()
	d := &device{t, filepath.Join(dir, "vchat.yaml"), filepath.Join(dir, "state")}
	if err := os.Mkdir(d.state, 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *device) write(text string) {
	d.t.Helper()
	if err := os.WriteFile(d.path, []byte(strings.ReplaceAll(text, "$STATE", d.state)), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

// start starts with the file, keeps it, and returns the name of the device.
func (d *device) start() (name string, refused, err error) {
	d.t.Helper()
	f := configfile.New(d.path, nil)
	cfg, refused, err := f.Start()
	if err != nil {
		return "", refused, err
	}
	if err := f.Keep(d.state); err != nil {
		d.t.Fatal(err)
	}
	return cfg.Name, refused, nil
}

const good = "name: kitchen\nstate_dir: $STATE\n"

func TestStart(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(d *device) error
		want   string // part of why the file is refused
	}{
		"unknown key": {func(d *device) error { d.write("nmae: kitchen\nstate_dir: $STATE\n"); return nil },
			`vchat.yaml:1:1: unknown key "nmae"`},
		"no YAML": {func(d *device) error { d.write("state_dir: \"$STATE\"  # here\n\x00\x00"); return nil },
			"vchat.yaml:2:1: invalid character U+0000"},
		"quoted": {func(d *device) error { d.write("'state_dir' : '$STATE' # x\nfps: 1"); return nil }, "unknown key"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			d.write(good)
			if name, refused, err := d.start(); name != "kitchen" || refused != nil || err != nil {
				t.Fatalf("good file: got %q, %v, %v", name, refused, err)
			}
			if err := tt.damage(d); err != nil {
				t.Fatal(err)
			}
			for range 2 { // a second start must not take the copy for the file
				got, refused, err := d.start()
				if got != "kitchen" || err != nil || refused == nil || !strings.Contains(refused.Error(), tt.want) {
					t.Errorf("got %q, %v, %v; want the last good copy and why: %s", got, refused, err, tt.want)
				}
			}
			if _, err := configfile.New(d.path, nil).Load(); err == nil {
				t.Error("reload of the file: got no error, want one")
			}
			d.write(strings.Replace(good, "kitchen", "cellar", 1))
			if name, refused, err := d.start(); name != "cellar" || refused != nil || err != nil {
				t.Errorf("corrected file: got %q, %v, %v; want it", name, refused, err)
			}
		})
	}
}

// The unit's state directory is known whatever the file contains.
func TestStart_unit(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"missing":   func(p string) error { return os.Remove(p) },
		"empty":     func(p string) error { return os.Truncate(p, 0) },
		"zeros":     func(p string) error { return os.WriteFile(p, make([]byte, 4096), 0o644) },
		"huge":      func(p string) error { return os.Truncate(p, 1<<40) },
		"FIFO":      func(p string) error { return errors.Join(os.Remove(p), unix.Mkfifo(p, 0o644)) },
		"folder":    func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
		"device":    func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/dev/zero", p)) },
		"dead link": func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/nowhere", p)) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			unit := t.TempDir()
			t.Setenv("STATE_DIRECTORY", unit+":/elsewhere")
			if err := os.Chmod(unit, 0o700); err != nil {
				t.Fatal(err)
			}
			d.write(good)
			if _, _, err := d.start(); err != nil {
				t.Fatal(err)
			}
			if err := damage(d.path); err != nil {
				t.Fatal(err)
			}
			got, refused, err := d.start()
			if got != "kitchen" || err != nil || refused == nil || !strings.Contains(refused.Error(), d.path) {
				t.Errorf("got %q, %v, %v; want the last good copy and why", got, refused, err)
			}
			if info, err := os.Stat(filepath.Join(unit, configfile.CopyName)); err != nil || info.Mode() != 0o600 {
				t.Errorf("got copy %v, %v; want mode 0600", info, err)
			}
		})
	}
}

// Without a good copy of this very file, a faulty one is an error, and a
// missing or empty one means the defaults.
func TestStart_withoutCopy(t *testing.T) {
	const faulty = "nmae: x\nstate_dir: $STATE\n"
	for name, plant := range map[string]func(d *device, copied string) error{
		"none": func(_ *device, copied string) error { return os.Remove(copied) },
		"of another file": func(d *device, copied string) error {
			d.path += "2"
			return nil
		},
		"garbage":   func(_ *device, copied string) error { return os.WriteFile(copied, []byte("\x00"), 0o600) },
		"empty":     func(_ *device, copied string) error { return os.Truncate(copied, 0) },
		"huge":      func(_ *device, copied string) error { return os.Truncate(copied, 1<<40) },
		"of others": func(_ *device, copied string) error { return os.Chmod(copied, 0o666) },
		"FIFO": func(_ *device, copied string) error {
			return errors.Join(os.Remove(copied), unix.Mkfifo(copied, 0o600))
		},
		"symlink": func(d *device, copied string) error {
			return errors.Join(os.Rename(copied, copied+"2"), os.Symlink(copied+"2", copied))
		},
		"folder of others": func(d *device, _ string) error { return os.Chmod(d.state, 0o777) },
		"faulty too": func(_ *device, copied string) error {
			b, err := os.ReadFile(copied)
			return errors.Join(err, os.WriteFile(copied, append(b, "newkey: 1\n"...), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			d.write(good)
			if _, _, err := d.start(); err != nil {
				t.Fatal(err)
			}
			if err := plant(d, filepath.Join(d.state, configfile.CopyName)); err != nil {
				t.Fatal(err)
			}
			d.write(faulty)
			if name, refused, err := d.start(); !errors.As(err, new(config.Errors)) {
				t.Errorf("got %q, %v, %v; want the faults", name, refused, err)
			}
			d.write("")
			if name, refused, err := configfile.New(d.path, nil).Start(); err != nil || refused != nil ||
				name.Name != config.Default().Name {
				t.Errorf("empty file: got %v, %v, %v; want the defaults", name, refused, err)
			}
		})
	}
}

// An unusable copy is replaced by the next good file.
func TestKeep_unusableCopy(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"folder":  func(p string) error { return os.Mkdir(p, 0o700) },
		"FIFO":    func(p string) error { return unix.Mkfifo(p, 0o600) },
		"symlink": func(p string) error { return os.Symlink("/etc/passwd", p) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			d.write(good)
			copied := filepath.Join(d.state, configfile.CopyName)
			if err := plant(copied); err != nil {
				t.Fatal(err)
			}
			if _, _, err := d.start(); err != nil {
				t.Fatal(err)
			}
			b, err := smallfile.ReadState(copied, 1<<20)
			if err != nil || !strings.Contains(string(b), "name: kitchen") {
				t.Errorf("got %q, %v; want a copy", b, err)
			}
		})
	}
}

// A missing file means the defaults at the first start, but is an error at a
// reload.
func TestLoad_missing(t *testing.T) {
	d := newDevice(t)
	if _, err := configfile.New(d.path, nil).Load(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reload: got %v, want ErrNotExist", err)
	}
	cfg, refused, err := configfile.New(d.path, nil).Start()
	if err != nil || refused != nil || cfg.File != d.path {
		t.Errorf("start: got %+v, %v, %v; want the defaults", cfg, refused, err)
	}
}

// A file that is unchanged is not written again.
func TestKeep_unchanged(t *testing.T) {
	d := newDevice(t)
	d.write(good)
	inode := func() (inode uint64) {
		if _, _, err := d.start(); err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(d.state, configfile.CopyName), &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	held, err := os.Open(d.state) // keeps the file system from reusing numbers at once
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if a, b := inode(), inode(); a != b {
		t.Errorf("got another file, want the same")
	}
}
