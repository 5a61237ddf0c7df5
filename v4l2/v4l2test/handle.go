package v4l2test

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/internal/uapi"
)

// handle is an open file of a node.
type handle struct {
	node   *node
	notify chan struct{} // capacity 1: makes Poll check the events again
	woken  bool          // Wake was called and not yet reported by Poll
	closed bool
	timer  *time.Timer
	maps   [][]byte
}

// lock starts a call: it locks the kernel and returns EBADF after Close and
// ENODEV after an unplug. The caller unlocks in any case.
func (h *handle) lock() error {
	h.node.kernel.mu.Lock()
	if h.closed {
		return unix.EBADF
	}
	if h.node.gone {
		return unix.ENODEV
	}
	return nil
}

func (h *handle) unlock() { h.node.kernel.mu.Unlock() }

func (h *handle) QueryCap(c *uapi.Capability) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	d := h.node.cam.device
	*c = uapi.Capability{Card: bytes32(d.Card), BusInfo: bytes32(d.Bus), Version: 0x061200}
	copy(c.Driver[:15], d.Driver)
	// As with uvcvideo, Capabilities has the capture bit on every node of the
	// device.
	c.Capabilities = uapi.CapDeviceCaps | uapi.CapVideoCapture | uapi.CapMetaCapture | uapi.CapStreaming
	switch d.Kind {
	case Capture:
		c.DeviceCaps = uapi.CapVideoCapture | uapi.CapStreaming
	case Metadata:
		c.DeviceCaps = uapi.CapMetaCapture | uapi.CapStreaming
	case Converter:
		c.Capabilities |= uapi.CapVideoM2M
		c.DeviceCaps = uapi.CapVideoM2M | uapi.CapVideoCapture | uapi.CapStreaming
	}
	return nil
}

func (h *handle) GetFormat(f *uapi.Format) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	if h.node.cam.device.Kind != Capture || f.Type != uapi.BufTypeVideoCapture {
		return unix.EINVAL
	}
	f.Pix = h.node.stream.pix()
	return nil
}

func (h *handle) SetFormat(f *uapi.Format) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	s, faults := h.node.stream, h.node.cam.faults
	switch {
	case h.node.cam.device.Kind != Capture || f.Type != uapi.BufTypeVideoCapture:
		return unix.EINVAL
	case faults.SetFormat != nil:
		return faults.SetFormat
	case faults.Busy != "" || len(s.bufs) > 0:
		return unix.EBUSY
	}
	s.setFormat(f.Pix)
	f.Pix = s.pix()
	return nil
}

func (h *handle) GetParm(p *uapi.StreamParm) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	f := h.node.cam.faults
	switch {
	case f.GetParm != nil:
		return f.GetParm
	case len(h.node.cam.device.Rates) == 0:
		return unix.ENOTTY
	}
	p.Capability = uapi.ParmCapTimePerFrame
	p.TimePerFrame = uapi.Fract{Numerator: 1, Denominator: uint32(h.node.stream.rate)}
	if c := f.ClaimedInterval; c != [2]uint32{} {
		p.TimePerFrame = uapi.Fract{Numerator: c[0], Denominator: c[1]}
	}
	return nil
}

func (h *handle) SetParm(p *uapi.StreamParm) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	switch {
	case h.node.cam.faults.SetParm != nil:
		return h.node.cam.faults.SetParm
	case len(h.node.cam.device.Rates) == 0:
		return unix.ENOTTY
	case h.node.stream.on:
		return unix.EBUSY
	}
	h.node.stream.setRate(p.TimePerFrame)
	return nil
}

func (h *handle) ReqBufs(r *uapi.RequestBuffers) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	s, f := h.node.stream, h.node.cam.faults
	switch {
	case r.Type != uapi.BufTypeVideoCapture || r.Memory != uapi.MemoryMMAP:
		return unix.EINVAL
	case f.Buffers != nil:
		return f.Buffers
	case f.Busy != "" || s.owner != nil && s.owner != h:
		return unix.EBUSY
	case slices.ContainsFunc(s.bufs, func(b buffer) bool { return b.mem != nil }):
		return unix.EBUSY // as before Linux 4.20
	}
	s.stop()
	n := min(int(r.Count), maxBuffers)
	if f.MaxBuffers != 0 {
		n = max(0, min(n, f.MaxBuffers))
	}
	s.bufs = make([]buffer, n)
	s.owner = h
	if n == 0 {
		s.owner = nil
		h.node.kernel.counts.Frees++
	}
	r.Count = uint32(n)
	return nil
}

func (h *handle) QueryBuf(a *uapi.Buffer) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	if a.Type != uapi.BufTypeVideoCapture || int(a.Index) >= len(h.node.stream.bufs) {
		return unix.EINVAL
	}
	h.node.stream.report(a, int(a.Index))
	return nil
}

func (h *handle) Map(offset, length uint32) ([]byte, error) {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return nil, err
	}
	s := h.node.stream
	i := int(offset / max(1, s.length()))
	if i >= len(s.bufs) || length != s.length() || s.bufs[i].mem != nil {
		return nil, unix.EINVAL
	}
	s.bufs[i].mem = make([]byte, length)
	h.maps = append(h.maps, s.bufs[i].mem)
	h.node.maps++
	h.node.kernel.counts.Maps++
	return s.bufs[i].mem, nil
}

// Unmap works after an unplug and after Close, like munmap.
func (h *handle) Unmap(b []byte) error {
	k := h.node.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	same := func(m []byte) bool { return len(m) > 0 && len(b) == len(m) && &m[0] == &b[0] }
	i := slices.IndexFunc(h.maps, same)
	if i < 0 {
		return unix.EINVAL
	}
	h.maps = slices.Delete(h.maps, i, i+1)
	poison(b)
	for j := range h.node.stream.bufs {
		if same(h.node.stream.bufs[j].mem) {
			h.node.stream.bufs[j].mem = nil
		}
	}
	h.node.maps--
	k.counts.Unmaps++
	h.node.reap()
	return nil
}

func (h *handle) QBuf(a *uapi.Buffer) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	s := h.node.stream
	switch {
	case h.node.cam.faults.QueueBuffer != nil:
		return h.node.cam.faults.QueueBuffer
	case s.owner != h:
		return unix.EBUSY
	case a.Type != uapi.BufTypeVideoCapture || int(a.Index) >= len(s.bufs):
		return unix.EINVAL
	case s.bufs[a.Index].state != dequeued || s.bufs[a.Index].mem == nil:
		return unix.EINVAL
	}
	s.advance(h.node.kernel.Now()) // frames due before now must not use this buffer
	s.bufs[a.Index].state = queued
	poison(s.bufs[a.Index].mem)
	s.queued = append(s.queued, int(a.Index))
	s.notify()
	return nil
}

func (h *handle) DQBuf(a *uapi.Buffer) error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	s, f := h.node.stream, h.node.cam.faults
	s.advance(h.node.kernel.Now())
	switch {
	case f.Dequeue != nil:
		return f.Dequeue
	case f.PollError:
		return unix.EIO
	case s.owner != nil && s.owner != h:
		return unix.EBUSY
	case a.Type != uapi.BufTypeVideoCapture || !s.on:
		return unix.EINVAL
	case len(s.done) == 0 || f.FalseReady:
		return unix.EAGAIN
	}
	i := s.done[0]
	s.done = append(s.done[:0], s.done[1:]...)
	s.bufs[i].state = dequeued
	s.report(a, i)
	if f.Index != 0 {
		a.Index = uint32(f.Index)
	}
	h.node.kernel.counts.Frames++
	return nil
}

func (h *handle) StreamOn() error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	s, f := h.node.stream, h.node.cam.faults
	switch {
	case f.StreamOn != nil && s.width*s.height > f.StreamOnAbove:
		return f.StreamOn
	case s.owner == nil:
		return unix.EINVAL
	case s.owner != h:
		return unix.EBUSY
	}
	if !s.on {
		s.start()
		h.node.kernel.counts.StreamOns++
		s.notify()
	}
	return nil
}

func (h *handle) StreamOff() error {
	defer h.unlock()
	if err := h.lock(); err != nil {
		return err
	}
	s := h.node.stream
	if s.owner != nil && s.owner != h {
		return unix.EBUSY
	}
	s.stop()
	return nil
}

// Poll waits for a notification or for the time of the next frame.
func (h *handle) Poll(wait time.Duration) (v4l2.Events, error) {
	k := h.node.kernel
	end := k.Now() + wait
	k.mu.Lock()
	defer k.mu.Unlock()
	h.node.stream.pollers = append(h.node.stream.pollers, h)
	defer h.forget()
	for {
		if h.closed {
			return 0, unix.EBADF
		}
		if ev := h.events(); ev != 0 {
			return ev, nil
		}
		now := k.Now()
		if wait >= 0 && now >= end {
			return 0, nil
		}
		until := time.Duration(maxWait)
		if wait >= 0 {
			until = end
		}
		if s := h.node.stream; s.on && len(s.queued) > 0 {
			until = min(until, s.due)
		}
		h.sleep(until - now)
	}
}

const maxWait = 1 << 62 // nanoseconds

// events returns what poll(2) would return now. The caller holds kernel.mu.
func (h *handle) events() v4l2.Events {
	var ev v4l2.Events
	if h.woken {
		h.woken = false
		ev |= v4l2.EventWake
	}
	s := h.node.stream
	s.advance(h.node.kernel.Now())
	switch {
	case h.node.gone:
		ev |= v4l2.EventError | v4l2.EventHangup
	case h.node.cam.faults.PollError, s.owner != h, !s.on:
		ev |= v4l2.EventError
	case len(s.done) > 0, h.node.cam.faults.FalseReady:
		ev |= v4l2.EventReady
	}
	return ev
}

// sleep waits for d or a notification, with the kernel unlocked. It reuses the
// timer to avoid an allocation per frame.
func (h *handle) sleep(d time.Duration) {
	if h.timer == nil {
		h.timer = time.NewTimer(d)
	} else {
		h.timer.Reset(d)
	}
	h.node.kernel.mu.Unlock()
	select {
	case <-h.notify:
	case <-h.timer.C:
	}
	h.timer.Stop()
	h.node.kernel.mu.Lock()
}

func (h *handle) forget() {
	w := h.node.stream.pollers
	i := slices.Index(w, h)
	h.node.stream.pollers = slices.Delete(w, i, i+1)
}

func (h *handle) wake() {
	select {
	case h.notify <- struct{}{}:
	default:
	}
}

// Wake ends the current Poll, or else the next one.
func (h *handle) Wake() {
	h.node.kernel.mu.Lock()
	defer h.node.kernel.mu.Unlock()
	h.woken = true
	h.wake()
}

func (h *handle) Close() error {
	k := h.node.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	if h.closed {
		return unix.EBADF
	}
	h.closed = true
	if s := h.node.stream; s.owner == h {
		s.stop()
		s.owner = nil
		s.bufs = nil
	}
	h.node.handles--
	k.counts.Closes++
	h.node.reap()
	return nil
}
