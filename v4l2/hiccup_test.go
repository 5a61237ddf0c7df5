package v4l2_test

import (
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
	"vchat/v4l2/v4l2test"
)

// hiccup is a pretended kernel whose DQBUF answers EIO for the next so many times, and then goes on; or whose poll says nothing but
// what it is told to.
type hiccup struct {
	*v4l2test.Kernel
	left int
	poll v4l2.Events
}

func (k *hiccup) Open(path string) (v4l2.Handle, error) {
	h, err := k.Kernel.Open(path)
	return &hiccupHandle{h, k}, err
}

type hiccupHandle struct {
	v4l2.Handle
	kernel *hiccup
}

func (h *hiccupHandle) Poll(wait time.Duration) (v4l2.Events, error) {
	if h.kernel.poll != 0 {
		return h.kernel.poll, nil
	}
	return h.Handle.Poll(wait)
}

func (h *hiccupHandle) DQBuf(b *uapi.Buffer) error {
	if h.kernel.left > 0 {
		h.kernel.left--
		return unix.EIO
	}
	return h.Handle.DQBuf(b)
}
