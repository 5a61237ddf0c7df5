package v4l2_test

import (
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
	"vchat/v4l2/v4l2test"
)

// flakyKernel is a fake kernel with faults that v4l2test.Faults does not have.
type flakyKernel struct {
	*v4l2test.Kernel
	eioLeft int         // number of further DQBUF calls that return EIO
	poll    v4l2.Events // not 0: the result of Poll
}

func (k *flakyKernel) Open(path string) (v4l2.Handle, error) {
	h, err := k.Kernel.Open(path)
	return &flakyHandle{h, k}, err
}

type flakyHandle struct {
	v4l2.Handle
	kernel *flakyKernel
}

func (h *flakyHandle) Poll(wait time.Duration) (v4l2.Events, error) {
	if h.kernel.poll != 0 {
		return h.kernel.poll, nil
	}
	return h.Handle.Poll(wait)
}

func (h *flakyHandle) DQBuf(b *uapi.Buffer) error {
	if h.kernel.eioLeft > 0 {
		h.kernel.eioLeft--
		return unix.EIO
	}
	return h.Handle.DQBuf(b)
}
