package transport

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

var (
	// ErrDead: nothing was heard on the link for too long.
	ErrDead = errors.New("nothing heard on the link")
	// ErrSlow: the other side does not take what is sent to it.
	ErrSlow = errors.New("the other side does not read")
)

const (
	SuspectAfter = 500 * time.Millisecond
	DeadAfter    = 2500 * time.Millisecond
	StallAfter   = 10 * time.Second // in which the kernel takes nothing of what is written end the link
)

// Closed says whether err is of a connection that was closed, here or there.
func Closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
