package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// microframe is the duration of an isochronous packet on a high-speed bus.
const microframe = 125 * time.Microsecond

// Bits of a payload header (UVC 1.0a, 2.4.3.3).
const (
	payloadFrameID = 1 << 0 // flips with each frame
	payloadEnd     = 1 << 1
	payloadError   = 1 << 6
	payloadHeader  = 1 << 7 // end of the header; always set
)

// setStreaming ends the current stream and starts a new one if on is set. Only
// serve calls it.
func (s *session) setStreaming(on bool) {
	s.mu.Lock()
	s.stream++
	number := s.stream
	s.change.Broadcast()
	s.mu.Unlock()
	s.pumps.Wait()
	s.camera.streaming.Store(on)
	if on {
		p := &pump{session: s, number: number, negotiated: s.commit, frameTime: time.Now(), busTime: time.Now()}
		s.pumps.Go(p.run)
	}
}

// A pump is a stream: it makes frames at the negotiated rate and splits them
// into the packets of the driver's transfers.
type pump struct {
	session    *session
	number     int
	negotiated probe
	frameTime  time.Time // when the last frame was due
	busTime    time.Time // end of the last transfer on an ideal bus
	unsent     []byte    // rest of the current frame
	flagged    bool      // the current frame is flagged as broken
	frameID    byte
}

func (p *pump) run() {
	for {
		t, ok := p.session.next(p.number)
		if !ok {
			return
		}
		now := p.waitBusTime(len(t.packets))
		data, lengths := make([]byte, 0, 4096), make([]int, len(t.packets))
		for i, packet := range t.packets {
			before := len(data)
			data = p.payload(data, int(packet.length), now)
			lengths[i] = len(data) - before
		}
		p.session.complete(p.number, t, data, lengths)
	}
}

// waitBusTime waits as long as a bus takes for n packets, so that transfers
// return at the pace of a real bus. It returns the current time. After a delay
// of more than maxCatchUp it does not catch up.
func (p *pump) waitBusTime(n int) time.Time {
	const maxCatchUp = 20 * time.Millisecond
	// uvcvideo submits five transfers of 4 ms. Waking for each of them would
	// double the CPU time in emulation.
	const maxAhead = 8 * time.Millisecond
	p.busTime = p.busTime.Add(time.Duration(n) * microframe)
	now := time.Now()
	if p.busTime.Before(now.Add(-maxCatchUp)) {
		p.busTime = now
	} else if wait := p.busTime.Sub(now); wait > maxAhead {
		time.Sleep(wait)
		now = time.Now()
	}
	return now
}

// payload appends a packet of at most size bytes to data: a header and a part
// of a frame. If no frame is due, the packet is empty.
func (p *pump) payload(data []byte, size int, now time.Time) []byte {
	if len(p.unsent) == 0 && !p.nextFrame(now) {
		return data
	}
	head := byte(payloadHeader) | p.frameID
	if p.flagged {
		head |= payloadError
	}
	n := min(size-2, len(p.unsent))
	if n == len(p.unsent) {
		head |= payloadEnd
		p.frameID ^= payloadFrameID
	}
	data = append(append(data, 2, head), p.unsent[:n]...)
	p.unsent = p.unsent[n:]
	return data
}

// nextFrame makes the next frame if one is due, and reports whether it did.
func (p *pump) nextFrame(now time.Time) bool {
	c := p.session.camera
	frameInterval := time.Duration(p.negotiated.interval()) * 100
	if n := c.faults.fps.Load(); n > 0 {
		frameInterval = time.Second / time.Duration(n)
	}
	passed := int64(now.Sub(p.frameTime) / frameInterval)
	if passed < 1 {
		return false
	}
	p.frameTime = p.frameTime.Add(time.Duration(passed) * frameInterval)
	if c.faults.freeze.on() || c.faults.hang.on() {
		return false
	}
	c.skipped.Add(passed - 1)
	seq := c.sequence.Add(1) - 1
	p.unsent = c.frame(p.negotiated.format(), p.negotiated.mode(), seq, monotonic())
	p.flagged = c.faults.err.affects(seq)
	return true
}

// monotonic returns CLOCK_MONOTONIC in nanoseconds.
func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // impossible: every Linux kernel has this clock
	}
	return ts.Nano()
}
