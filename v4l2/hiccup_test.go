package v4l2_test

import (
	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
	"vchat/v4l2/v4l2test"
)

// hiccup is a pretended kernel whose DQBUF answers EIO for the next so many times, and then goes on.
type hiccup struct {
	*v4l2test.Kernel
	left int
}

func (k *hiccup) Open(path string) (v4l2.Handle, error) {
	h, err := k.Kernel.Open(path)
	return &hiccupHandle{h, k}, err
}

type hiccupHandle struct {
	v4l2.Handle
	kernel *hiccup
}

func (h *hiccupHandle) DQBuf(b *uapi.Buffer) error {
	if h.kernel.left > 0 {
		h.kernel.left--
		return unix.EIO
	}
	return h.Handle.DQBuf(b)
}
