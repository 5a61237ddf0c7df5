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

// A camera is the thing on the desk: it keeps its name, its knobs and its count of frames while it is unplugged.
type camera struct {
	id              uint32
	product, serial string
	faults          faults
	streaming       atomic.Bool
	sequence        atomic.Uint32 // of the next frame
	late            atomic.Int64
	knobs           map[knobID]*knob // only the present session's serve touches them

	mu      sync.Mutex
	now     *session // nil: unplugged
	sources map[string]*testframe.Source
}

var (
	errPlugged   = errors.New("already plugged in")
	errUnplugged = errors.New("not plugged in")
)

func newCamera(id uint32, product, serial string) *camera {
	c := &camera{id: id, product: product, serial: serial, knobs: newKnobs(), sources: make(map[string]*testframe.Source)}
	// Encoding takes a second in the emulation; done here, the first stream does not begin with a pause.
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

// frame makes frame seq, at the CLOCK_MONOTONIC time now in nanoseconds, with its faults.
func (c *camera) frame(format byte, m mode, seq uint32, now int64) []byte {
	if format == formatYUYV {
		return rawFrame(m, seq)
	}
	st := testframe.Stamp{Camera: c.id, Sequence: seq, Time: now}
	small := func() []byte { return c.source(lesser).Frame(nil, st) }
	return c.faults.spoil(c.source(m).Frame(nil, st), small, seq)
}

// lesser is no mode of the camera: a frame of that size is a fault.
var lesser = mode{w: 160, h: 120}

// rawFrame is a grey ramp that moves; its first four bytes are the sequence number.
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
	if c.now != nil {
		select {
		case <-c.now.done: // the kernel let go of it
		default:
			return errPlugged
		}
	}
	conn, err := attach()
	if err != nil {
		return err
	}
	c.now = newSession(c, conn)
	return nil
}

func (c *camera) unplug() error {
	c.mu.Lock()
	s := c.now
	c.now = nil
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
	plugged := c.now != nil
	c.mu.Unlock()
	st := status{Plugged: plugged, Streaming: c.streaming.Load(), Sent: c.sequence.Load(), Late: c.late.Load()}
	for name, f := range c.faults.byName() {
		if f.on() {
			st.Faults = append(st.Faults, name)
		}
	}
	slices.Sort(st.Faults)
	return st
}
