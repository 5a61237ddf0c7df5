package newfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"vchat/cmd/vchatctl/internal/newfile"
)

const (
	precious = "precious"
	content  = "content"
)

// save creates and publishes a file.
func save(path string, replace bool) error {
	f, err := newfile.Create(path, replace)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Publish(), f.Close())
}

// read returns the content of a file; "" if there is none.
func read(t *testing.T, path string) string {
	t.Helper()
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCreate(t *testing.T) {
	// The working directory has a file "old" in it, and is private or shared
	// with other users.
	file := func(name string) func() error {
		return func() error { return os.WriteFile(name, []byte(precious), 0o600) }
	}
	link := func(to string) func() error { return func() error { return os.Symlink(to, "x") } }
	folderLink := func() error {
		return errors.Join(os.Mkdir("folder", 0o700), os.Symlink("folder", "way"))
	}
	none := func() error { return nil }
	fifo := func() error { return syscall.Mkfifo("x", 0o666) }
	loop := func() error { return errors.Join(os.Symlink("x", "y"), os.Symlink("y", "x")) }
	const private, sticky, open = fs.FileMode(0o700), 0o777 | fs.ModeSticky, fs.FileMode(0o777)
	for _, tt := range []struct {
		name    string
		mode    fs.FileMode
		prepare func() error
		path    string
		replace bool
		want    error
	}{
		{"new", private, none, "x", false, nil},
		{"new, to replace", private, none, "x", true, nil},
		{"new in a shared folder", sticky, none, "x", false, nil},
		{"doubled slashes", private, none, ".//./x", false, nil},
		{"existing", private, file("x"), "x", false, newfile.ErrExists},
		{"existing, to replace", private, file("x"), "x", true, nil},
		{"existing in a shared folder, to replace", sticky, file("x"), "x", true, nil},
		{"link", private, link("old"), "x", false, newfile.ErrExists},
		{"link to nothing", private, link("new"), "x", false, newfile.ErrExists},
		{"link in a sticky folder", sticky, link("old"), "x", false, newfile.ErrExists},
		{"link to nothing in a sticky folder", sticky, link("new"), "x", false, newfile.ErrExists},
		{"link in an open folder", open, link("new"), "x", false, newfile.ErrExists},
		{"folder through a link", private, folderLink, "way/x", false, nil},
		{"folder through a link in a sticky folder", sticky, folderLink, "way/x", false, newfile.ErrLink},
		{"the same, to replace", sticky, folderLink, "way/x", true, newfile.ErrLink},
		{"the same, in an open folder", open, folderLink, "way/../x", true, newfile.ErrLink},
		{"loop of links", private, loop, "x", true, syscall.ELOOP},
		{"folder", private, none, ".", true, syscall.EISDIR},
		{"name with a slash at the end", private, none, "x/", true, fs.ErrNotExist},
		{"no name", private, none, "", true, fs.ErrNotExist},
		{"missing folder", private, none, "no/x", false, fs.ErrNotExist},
		{"file as a folder", private, none, "old/x", false, syscall.ENOTDIR},
		{"pipe in a sticky folder", sticky, fifo, "x", false, newfile.ErrSpecial},
		{"pipe in a sticky folder, to replace", sticky, fifo, "x", true, newfile.ErrSpecial},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := errors.Join(file("old")(), tt.prepare(), os.Chmod(".", tt.mode)); err != nil {
				t.Fatal(err)
			}
			before := read(t, tt.path)
			err := save(tt.path, tt.replace)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				if got := read(t, tt.path); got != content {
					t.Errorf("got content %q, want %q", got, content)
				}
			} else if !strings.HasPrefix(err.Error(), tt.path+": ") {
				t.Errorf("got %q, want it to begin with the path", err)
			}
			if tt.want == newfile.ErrExists && read(t, tt.path) != before {
				t.Error("the existing file has changed")
			}
			if read(t, "old") != precious || read(t, "new") != "" {
				t.Error("another file has changed")
			}
			if left, _ := filepath.Glob(".vchat-*"); left != nil {
				t.Errorf("got temporary file %q, want none", left)
			}
		})
	}
}

// In a folder of one's own, a link stays one. Elsewhere it is replaced itself.
func TestCreate_replaceLink(t *testing.T) {
	for _, tt := range []struct {
		name     string
		mode     fs.FileMode
		wantLink bool
	}{{"private", 0o700, true}, {"sticky", 0o777 | fs.ModeSticky, false}, {"open", 0o777, false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			err := errors.Join(os.WriteFile("old", []byte(precious), 0o600), os.Symlink("old", "x"),
				os.Chmod(".", tt.mode))
			if err != nil {
				t.Fatal(err)
			}
			if err := save("x", true); err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat("x")
			if err != nil {
				t.Fatal(err)
			}
			if isLink := info.Mode()&fs.ModeSymlink != 0; isLink != tt.wantLink {
				t.Errorf("is a link: %v, want %v", isLink, tt.wantLink)
			}
			if followed := read(t, "old") == content; followed != tt.wantLink {
				t.Errorf("the target was replaced: %v, want %v", followed, tt.wantLink)
			}
			if read(t, "x") != content {
				t.Error("the file does not have the content")
			}
		})
	}
}

// A file that appears after Create is kept.
func TestPublish_lastMoment(t *testing.T) {
	t.Chdir(t.TempDir())
	f, err := newfile.Create("x", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("x", []byte(precious), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Publish(); !errors.Is(err, newfile.ErrExists) {
		t.Errorf("got %v, want %v", err, newfile.ErrExists)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if read(t, "x") != precious {
		t.Error("the file was replaced")
	}
}

func TestPublish_once(t *testing.T) {
	t.Chdir(t.TempDir())
	var wg sync.WaitGroup
	var saved atomic.Int32
	for range 20 {
		wg.Go(func() {
			if err := save("x", false); err == nil {
				saved.Add(1)
			} else if !errors.Is(err, newfile.ErrExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := saved.Load(); n != 1 {
		t.Errorf("got %d saved files, want 1", n)
	}
}

func TestCreate_pipe(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := syscall.Mkfifo("x", 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		b, _ := os.ReadFile("x")
		got <- string(b)
	}()
	if err := save("x", false); err != nil {
		t.Fatal(err)
	}
	if b := <-got; b != content {
		t.Errorf("got %q through the pipe, want %q", b, content)
	}
}

func TestCreate_devices(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fd := strconv.Itoa(int(w.Fd()))
	for _, path := range []string{"/dev/null", "/dev/full", "/proc/self/fd/" + fd, "/dev/fd/" + fd} {
		f, err := newfile.Create(path, false)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if f.Regular {
			t.Errorf("%s: got a regular file", path)
		}
		if err := errors.Join(f.Publish(), f.Close()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
