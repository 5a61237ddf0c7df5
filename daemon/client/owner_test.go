package client_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"vchat/daemon/client"
)

// listenAs listens on a socket as another user.
func listenAs(path string, uid uintptr) (l net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock it: the thread ends with this goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); errno != 0 {
			err = errno
			return
		}
		l, err = net.Listen("unix", path)
	}()
	<-done
	return l, err
}

// A server of another user gets no request.
func TestClient_untrustedServer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to listen as another user")
	}
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		uid  uintptr
		want error
	}{{"another user", 65534, client.ErrUntrusted}, {"root", 0, client.ErrUnreachable}} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := listenAs(filepath.Join(dir, tt.name), tt.uid)
			if err != nil {
				t.Fatal(err)
			}
			got := make(chan int, 1)
			go func() {
				b := make([]byte, 4096)
				c, err := l.Accept()
				if err != nil {
					got <- 0
					return
				}
				n, _ := c.Read(b)
				c.Close()
				l.Close()
				got <- n
			}()
			err = open(t, filepath.Join(dir, tt.name)).SetPrivacy(t.Context(), true)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if n := <-got; (n > 0) != (tt.uid == 0) {
				t.Errorf("the server got %d bytes of the request", n)
			}
			l.Close()
		})
	}
}
