package v4l2test

import (
	"slices"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
)

// nodeWatch reports plugged and unplugged cameras and changes of Faults.Open.
type nodeWatch struct {
	kernel  *Kernel
	changed chan struct{} // capacity 1
	woken   chan struct{} // capacity 1
}

// Watch starts a watch of the nodes.
func (k *Kernel) Watch() (v4l2.NodeWatch, error) {
	n := &nodeWatch{kernel: k, changed: make(chan struct{}, 1), woken: make(chan struct{}, 1)}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.watches = append(k.watches, n)
	return n, nil
}

// notifyWatches reports a change to all watches. The caller holds k.mu.
func (k *Kernel) notifyWatches() {
	for _, n := range k.watches {
		trySend(n.changed)
	}
}

// trySend sends to c unless it is full.
func trySend(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (n *nodeWatch) Wait() (woken bool, err error) {
	select {
	case <-n.woken:
		return true, nil
	case <-n.changed:
		return false, nil
	}
}

func (n *nodeWatch) Wake() { trySend(n.woken) }

func (n *nodeWatch) Close() error {
	k := n.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.Index(k.watches, n)
	if i < 0 {
		return unix.EBADF
	}
	k.watches = slices.Delete(k.watches, i, i+1)
	return nil
}
