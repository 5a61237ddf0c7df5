package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"vchat/daemon/vmtest/testframe"
)

// A camera is the emulated device. It keeps its name, its controls and the
// number of its next frame while it is unplugged.
type camera struct {
	id              uint32
	product, serial string
	faults          faults
	streaming       atomic.Bool
	sequence        atomic.Uint32              // of the next frame
	skipped         atomic.Int64               // see status.Skipped
	controls        map[controlID]*controlData // only the current session's serve uses them

	mu      sync.Mutex
	session *session // nil: unplugged
	sources map[string]*testframe.Source
}

var (
	errPlugged   = errors.New("already plugged in")
	errUnplugged = errors.New("not plugged in")
)

func newCamera(id uint32, product, serial string) *camera {
	c := &camera{id: id, product: product, serial: serial, controls: newControls(),
		sources: make(map[string]*testframe.Source)}
	// Encode the stills of the default mode now. It takes a second in
	// emulation, which would delay the first stream.
	m := modes(formatMJPEG)[0]
	for k := range uint32(testframe.Variants) {
		c.source(m).Frame(nil, testframe.Stamp{Sequence: k})
	}
	return c
}

func (c *camera) source(m mode) *testframe.Source {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprintf("%dx%d", m.w, m.h)
	if c.sources[key] == nil {
		c.sources[key] = testframe.New(m.w, m.h)
	}
	return c.sources[key]
}

// frame returns frame seq with its faults. now is the CLOCK_MONOTONIC time in
// nanoseconds.
func (c *camera) frame(format byte, m mode, seq uint32, now int64) []byte {
	if format == formatYUYV {
		return rawFrame(m, seq)
	}
	st := testframe.Stamp{Camera: c.id, Sequence: seq, Time: now}
	small := func() []byte { return c.source(wrongMode).Frame(nil, st) }
	return c.faults.apply(c.source(m).Frame(nil, st), small, seq)
}

// wrongMode is not a mode of the camera: a frame of this size is a fault.
var wrongMode = mode{w: 160, h: 120}

// rawFrame returns a moving grey ramp. Its first four bytes are the sequence
// number.
func rawFrame(m mode, seq uint32) []byte {
	line := make([]byte, m.w*2)
	for x := range m.w {
		line[2*x], line[2*x+1] = uint8(16+(x+int(seq)*8)%m.w*219/m.w), 128
	}
	b := make([]byte, 0, m.w*m.h*2)
	for range m.h {
		b = append(b, line...)
	}
	binary.LittleEndian.PutUint32(b, seq)
	return b
}

func (c *camera) plug() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil {
		select {
		case <-c.session.done: // the kernel has closed its end
		default:
			return errPlugged
		}
	}
	conn, err := attach()
	if err != nil {
		return err
	}
	c.session = newSession(c, conn)
	return nil
}

func (c *camera) unplug() error {
	c.mu.Lock()
	s := c.session
	c.session = nil
	c.mu.Unlock()
	if s == nil {
		return errUnplugged
	}
	err := s.close()
	<-s.done
	return err
}

func (c *camera) status() status {
	c.mu.Lock()
	plugged := c.session != nil
	c.mu.Unlock()
	st := status{Plugged: plugged, Streaming: c.streaming.Load(), Sent: c.sequence.Load(), Skipped: c.skipped.Load()}
	for name, f := range c.faults.byName() {
		if f.on() {
			st.Faults = append(st.Faults, name)
		}
	}
	slices.Sort(st.Faults)
	return st
}
