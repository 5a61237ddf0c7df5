package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// microframe is the time of one isochronous packet on a high-speed bus.
const microframe = 125 * time.Microsecond

// Bits of a payload header (UVC 1.0a, 2.4.3.3).
const (
	payloadFrameID = 1 << 0 // flips with each frame
	payloadEnd     = 1 << 1
	payloadError   = 1 << 6
	payloadHeader  = 1 << 7 // the header's end; always set
)

// setStreaming ends the present stream and starts another one. Only serve calls it.
func (s *session) setStreaming(on bool) {
	s.mu.Lock()
	s.stream++
	number := s.stream
	s.change.Broadcast()
	s.mu.Unlock()
	s.pumps.Wait()
	s.camera.streaming.Store(on)
	if on {
		p := &pump{session: s, number: number, agreed: s.commit, due: time.Now(), bus: time.Now()}
		s.pumps.Go(p.run)
	}
}

// A pump is one stream: it makes frames at the agreed rate and cuts them into the packets of the driver's transfers.
type pump struct {
	session *session
	number  int
	agreed  probe
	due     time.Time // of the last frame
	bus     time.Time // up to when the bus is used up by transfers
	rest    []byte    // of the frame that is being sent
	broken  bool      // it is flagged as
	frameID byte
}

func (p *pump) run() {
	for {
		t, ok := p.session.next(p.number)
		if !ok {
			return
		}
		now := p.keepBusTime(len(t.packets))
		data, lengths := make([]byte, 0, 4096), make([]int, len(t.packets))
		for i, slot := range t.packets {
			before := len(data)
			data = p.payload(data, int(slot.length), now)
			lengths[i] = len(data) - before
		}
		p.session.complete(p.number, t, data, lengths)
	}
}

// keepBusTime waits as long as a bus would take for n packets, whatever is in them: the driver's transfers come back at
// the pace of a real one. It returns the time. After a pause of 20 ms or more the lost time is not made up for.
func (p *pump) keepBusTime(n int) time.Time {
	// uvcvideo has five transfers of 4 ms under way; to wake for each of them costs the emulation twice as much.
	const ahead = 8 * time.Millisecond
	p.bus = p.bus.Add(time.Duration(n) * microframe)
	now := time.Now()
	if p.bus.Before(now.Add(-20 * time.Millisecond)) {
		p.bus = now
	} else if wait := p.bus.Sub(now); wait > ahead {
		time.Sleep(wait)
		now = time.Now()
	}
	return now
}

// payload appends one packet of at most size bytes: a header and a part of a frame, or nothing while none is due.
func (p *pump) payload(data []byte, size int, now time.Time) []byte {
	if len(p.rest) == 0 && !p.begin(now) {
		return data
	}
	head := byte(payloadHeader) | p.frameID
	if p.broken {
		head |= payloadError
	}
	n := min(size-2, len(p.rest))
	if n == len(p.rest) {
		head |= payloadEnd
		p.frameID ^= payloadFrameID
	}
	data = append(append(data, 2, head), p.rest[:n]...)
	p.rest = p.rest[n:]
	return data
}

// begin starts the next frame if its time has come.
func (p *pump) begin(now time.Time) bool {
	c := p.session.camera
	each := time.Duration(p.agreed.interval()) * 100
	if n := c.faults.fps.Load(); n > 0 {
		each = time.Second / time.Duration(n)
	}
	passed := int64(now.Sub(p.due) / each)
	if passed < 1 {
		return false
	}
	p.due = p.due.Add(time.Duration(passed) * each)
	if c.faults.freeze.on() || c.faults.hang.on() {
		return false
	}
	c.late.Add(passed - 1)
	seq := c.sequence.Add(1) - 1
	p.rest = c.frame(p.agreed.format(), p.agreed.mode(), seq, monotonic())
	p.broken = c.faults.err.hits(seq)
	return true
}

func monotonic() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // cannot be: the clock exists on every Linux
	}
	return ts.Nano()
}
