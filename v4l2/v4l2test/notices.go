package v4l2test

import (
	"slices"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
)

// notices is a watch: it rings when a camera is plugged in or out, or its Faults.Open changes.
type notices struct {
	kernel *Kernel
	rung   chan struct{} // of one
	woken  chan struct{} // of one
}

// Watch begins a watch.
func (k *Kernel) Watch() (v4l2.NodeWatch, error) {
	n := &notices{kernel: k, rung: make(chan struct{}, 1), woken: make(chan struct{}, 1)}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notices = append(k.notices, n)
	return n, nil
}

// ring tells every watch. With kernel.mu held.
func (k *Kernel) ring() {
	for _, n := range k.notices {
		full(n.rung)
	}
}

// full fills a channel of one.
func full(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (n *notices) Wait() (woken bool, err error) {
	select {
	case <-n.woken:
		return true, nil
	case <-n.rung:
		return false, nil
	}
}

func (n *notices) Wake() { full(n.woken) }

func (n *notices) Close() error {
	k := n.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.Index(k.notices, n)
	if i < 0 {
		return unix.EBADF
	}
	k.notices = slices.Delete(k.notices, i, i+1)
	return nil
}
