package client

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestClassify(t *testing.T) {
	connect := func(errno syscall.Errno) error {
		return &url.Error{Op: "Get", URL: "http://vchat/v1/status",
			Err: &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", errno)}}
	}
	for _, tt := range []struct{ err, want error }{
		{connect(syscall.EACCES), ErrPermission},
		{connect(syscall.EPERM), ErrPermission},
		{connect(syscall.ENOENT), ErrUnreachable},
		{connect(syscall.ECONNREFUSED), ErrUnreachable},
		{connect(syscall.EAGAIN), ErrUnreachable}, // the backlog is full
		{connect(syscall.EINVAL), ErrUnreachable}, // the path is too long
		{fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), ErrUnreachable},
		{io.EOF, ErrUnreachable},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			got := New("/run/x.sock").classify(t.Context(), tt.err)
			if !errors.Is(got, tt.want) || strings.Contains(got.Error(), "http://") ||
				!strings.Contains(got.Error(), "/run/x.sock") {
				t.Errorf("%v: got %v, want %v", tt.err, got, tt.want)
			}
			var errno syscall.Errno
			if errors.As(tt.err, &errno) && !errors.Is(got, errno) {
				t.Errorf("%v: got %v, want it to wrap the errno", tt.err, got)
			}
		})
	}
}
