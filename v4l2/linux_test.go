package v4l2

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/blackjack/webcam"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestFind_notACamera(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	loop := filepath.Join(dir, "loop")
	if err := errors.Join(os.WriteFile(file, []byte("x"), 0o600), os.Symlink("loop", loop)); err != nil {
		t.Fatal(err)
	}
	for path, kind := range map[string]error{
		"/dev/null":         ErrNotCamera,
		file:                ErrNotCamera,
		dir:                 ErrNotCamera,
		dir + "/no":         ErrNotFound,
		file + "/no":        ErrNotFound,
		loop:                ErrNotFound,
		"":                  ErrNotFound,
		"/dev/v4l/by-id/no": ErrNotFound,
	} {
		t.Run(path, func(t *testing.T) {
			if _, err := Find(nil, path); !errors.Is(err, kind) {
				t.Errorf("got %v, want %v", err, kind)
			}
		})
	}
	// ENOTTY would mean that the device was opened.
	if _, err := Find(nil, "/dev/null"); !errors.Is(err, errOtherDriver) {
		t.Errorf("/dev/null: got %v, want %v", err, errOtherDriver)
	}
}

func TestList_thisMachine(t *testing.T) {
	all, err := List(nil)
	if err != nil && !errors.Is(err, ErrPermission) && !errors.Is(err, ErrBusy) {
		t.Fatal(err)
	}
	for _, d := range all {
		if !strings.HasPrefix(d.Node, "/dev/video") || d.Card == "" {
			t.Errorf("got %+v, want a node and a card", d)
		}
	}
}

// Probe reads a private field of webcam.
func TestWebcamFD(t *testing.T) {
	f, ok := reflect.TypeOf(webcam.Webcam{}).FieldByName("fd")
	if !ok || f.Type.Kind() != reflect.Uintptr {
		t.Fatalf("got %v, want webcam.Webcam to have a field fd of type uintptr", f)
	}
}

// No child process may inherit a descriptor of the camera.
func TestOpen_closeOnExec(t *testing.T) {
	device := os.Getenv("VCHAT_TEST_CAMERA")
	if device == "" {
		t.Skip("VCHAT_TEST_CAMERA is not set")
	}
	h, err := linux{}.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p, err := linux{}.Probe(device)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !hasOpen("/proc/self/fd", device) {
		t.Fatal("hasOpen does not find the open camera")
	}
	out, err := exec.Command("ls", "-l", "/proc/self/fd").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), device) {
		t.Errorf("the child has the camera open:\n%s", out)
	}
}

func TestHolders(t *testing.T) {
	proc := t.TempDir()
	process := func(pid int, comm string, fds ...string) {
		dir := filepath.Join(proc, fmt.Sprint(pid))
		err := os.MkdirAll(filepath.Join(dir, "fd"), 0o700)
		for i, target := range fds {
			err = errors.Join(err, os.Symlink(target, filepath.Join(dir, "fd", fmt.Sprint(i))))
		}
		if err = errors.Join(err, os.WriteFile(filepath.Join(dir, "comm"), []byte(comm+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	process(7, "firefox", "/dev/null", "/dev/video0")
	process(8, "bash", "/dev/null", "/dev/video01")
	process(9, "my\tcam", "/dev/video0", "/dev/video0")
	process(os.Getpid(), "v4l2.test", "/dev/video0")
	if err := os.MkdirAll(filepath.Join(proc, "10"), 0o700); err != nil { // its fd cannot be read
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"firefox (pid 7)", "mycam (pid 9)"}, holders(proc, "/dev/video0")); d != "" {
		t.Errorf("holders (-want +got):\n%s", d)
	}
	if got := holders(proc, "/dev/video1"); got != nil {
		t.Errorf("free node: got %v, want none", got)
	}
	if got := holders(filepath.Join(proc, "none"), "/dev/video0"); got != nil {
		t.Errorf("without /proc: got %v, want none", got)
	}
}

// pipeHandle returns a handle on the read end of a pipe, which polls like a
// camera.
func pipeHandle(t *testing.T) (h *linuxHandle, writeEnd int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	h, err := newHandle(p[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h, p[1]
}

func TestPoll(t *testing.T) {
	h, w := pipeHandle(t)
	poll := func(wait time.Duration, want Events) {
		t.Helper()
		if ev, err := h.Poll(wait); ev != want || err != nil {
			t.Errorf("Poll(%v): got %#x, %v; want %#x", wait, ev, err, want)
		}
	}
	poll(0, 0)
	poll(time.Millisecond, 0)
	h.Wake()
	h.Wake()
	poll(-1, EventWake)
	poll(0, 0)
	if _, err := unix.Write(w, []byte{1}); err != nil {
		t.Fatal(err)
	}
	poll(-1, EventReady)
	h.Wake()
	poll(-1, EventReady|EventWake)
	if err := unix.Close(w); err != nil {
		t.Fatal(err)
	}
	poll(-1, EventReady|EventHangup)
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := h.Close(); err != unix.EBADF {
		t.Errorf("second Close: got %v, want EBADF", err)
	}
	h.Wake()
}

func TestPoll_wake(t *testing.T) {
	h, w := pipeHandle(t)
	defer unix.Close(w)
	got := make(chan Events)
	go func() {
		ev, _ := h.Poll(-1)
		got <- ev
	}()
	h.Wake()
	if ev := <-got; ev != EventWake {
		t.Errorf("Poll: got %#x, want EventWake", ev)
	}
}

func TestClassify(t *testing.T) {
	for _, x := range []struct {
		err  error
		want Class
	}{
		{nil, RetryQuietly},
		{ErrTimeout, RetryQuietly},
		{ErrWoken, RetryQuietly},
		{ErrClosed, RetryQuietly},
		{errors.New("something else"), RetryLoudly},
		{fmt.Errorf("camera: %w", ErrNotCamera), Fatal},
	} {
		t.Run(fmt.Sprint(x.err), func(t *testing.T) {
			if got := Classify(x.err); got != x.want {
				t.Errorf("got %d, want %d", got, x.want)
			}
		})
	}
}

func TestPixelFormat_String(t *testing.T) {
	for f, want := range map[PixelFormat]string{
		MJPEG:                            "MJPG",
		YUYV:                             "YUYV",
		'Y' | '1'<<8 | '6'<<16 | ' '<<24: "Y16",
		0x80 | 'A'<<8:                    "?A??",
	} {
		t.Run(want, func(t *testing.T) {
			if got := f.String(); got != want {
				t.Errorf("%#x: got %q, want %q", uint32(f), got, want)
			}
		})
	}
}
