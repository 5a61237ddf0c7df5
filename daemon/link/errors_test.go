package link

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

// People read these in status, in the journal and on the screen: there is no
// system call, no port of ours and nothing twice.
func TestErrors_plainWords(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{Port: 7450}, Err: err}
	}
	read := func(err error) error {
		return &net.OpError{Op: "raw-read", Net: "tcp", Source: &net.TCPAddr{Port: 33460}, Err: err}
	}
	const at = "attic.local:7450"
	for _, tt := range []struct {
		got, is error
		want    string
	}{
		{DialError(at, dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))), syscall.ECONNREFUSED,
			"connect to attic.local:7450: connection refused"},
		{DialError(at, dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH))), syscall.EHOSTUNREACH,
			"connect to attic.local:7450: no route to host"},
		{DialError(at, dial(os.NewSyscallError("connect", syscall.ETIMEDOUT))), os.ErrDeadlineExceeded,
			"no answer from attic.local:7450"},
		{DialError(at, context.DeadlineExceeded), os.ErrDeadlineExceeded, "no answer from attic.local:7450"},
		{HandshakeError(at, read(os.ErrDeadlineExceeded)), os.ErrDeadlineExceeded, "no answer from attic.local:7450"},
		{HandshakeError(at, io.EOF), ErrClosed, "attic.local:7450 closed the connection"},
		{HandshakeError(at, read(os.NewSyscallError("read", syscall.ECONNRESET))), ErrClosed,
			"attic.local:7450 closed the connection"},
		{classify(read(os.NewSyscallError("read", syscall.ECONNRESET))), ErrClosed, "connection closed"},
		{classify(read(os.ErrDeadlineExceeded)), os.ErrDeadlineExceeded, "no answer in time"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			if tt.got.Error() != tt.want || !errors.Is(tt.got, tt.is) {
				t.Errorf("got %q, want %q, which is %v", tt.got, tt.want, tt.is)
			}
		})
	}
}
