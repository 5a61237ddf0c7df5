package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"sync"
)

// USB/IP (Documentation/usb/usbip_protocol.rst in the kernel): a header of 48
// bytes, big-endian, then data.
const (
	headerSize = 48
	cmdSubmit  = 1
	cmdUnlink  = 2
	retSubmit  = 3
	retUnlink  = 4

	statusStall    = -32  // -EPIPE
	statusUnlinked = -104 // -ECONNRESET

	maxTransfer = 1 << 20 // bytes; uvcvideo requests at most 100 KB
	maxPackets  = 1024
)

// A session is the time from a plug to an unplug.
type session struct {
	camera *camera
	conn   *os.File
	done   chan struct{} // closed when all goroutines have ended

	// Only serve uses these.
	probe, commit probe
	configuration byte
	pumps         sync.WaitGroup

	mu     sync.Mutex // also held while a message is written to conn
	change sync.Cond  // of queue, stream or closed
	queue  []transfer
	stream int // number of the current stream; the pumps of others end
	closed bool
}

// A transfer is an isochronous request of the driver.
type transfer struct {
	sequence uint32
	packets  []packet
}

type packet struct{ offset, length uint32 }

func newSession(c *camera, conn *os.File) *session {
	s := &session{camera: c, conn: conn, done: make(chan struct{}), probe: newProbe(), commit: newProbe()}
	s.change.L = &s.mu
	go func() {
		defer close(s.done)
		s.serve(bufio.NewReaderSize(conn, 1<<16))
		s.close()
		s.pumps.Wait()
		c.streaming.Store(false)
	}()
	return s
}

// close makes serve and the pump end. It does not wait for them: see done.
func (s *session) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.change.Broadcast()
	return s.conn.Close()
}

// serve handles the kernel's requests until conn is closed.
func (s *session) serve(r io.Reader) {
	for {
		var h [headerSize]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return
		}
		field := func(i int) uint32 { return binary.BigEndian.Uint32(h[i:]) }
		sequence := field(4)
		switch field(0) {
		case cmdSubmit:
			in, endpoint, length, packets := field(12) == 1, field(16), field(24), int32(field(32))
			if length > maxTransfer || packets > maxPackets {
				return
			}
			if endpoint != 0 {
				if !s.enqueue(r, sequence, packets) {
					return
				}
				continue
			}
			var out []byte
			if !in {
				out = make([]byte, length)
				if _, err := io.ReadFull(r, out); err != nil {
					return
				}
			}
			data, ok := s.control([8]byte(h[40:48]), out)
			s.answerControl(sequence, ok, in, data, len(out))
		case cmdUnlink:
			s.unlink(sequence, field(20))
		default:
			return
		}
	}
}

func (s *session) enqueue(r io.Reader, sequence uint32, packets int32) bool {
	table := make([]byte, 16*max(packets, 0))
	if _, err := io.ReadFull(r, table); err != nil {
		return false
	}
	t := transfer{sequence: sequence}
	for ; len(table) > 0; table = table[16:] {
		t.packets = append(t.packets, packet{binary.BigEndian.Uint32(table), binary.BigEndian.Uint32(table[4:])})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, t)
	s.change.Broadcast()
	return true
}

// unlink removes a transfer from the queue, unless it is already answered.
func (s *session) unlink(sequence, victim uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := int32(0)
	for i := range s.queue {
		if s.queue[i].sequence == victim {
			s.queue = append(s.queue[:i:i], s.queue[i+1:]...)
			status = statusUnlinked
			break
		}
	}
	s.write(header(retUnlink, sequence, status))
}

func (s *session) answerControl(sequence uint32, ok, in bool, data []byte, taken int) {
	status, actual := int32(0), len(data)
	if !ok {
		status, actual, data = statusStall, 0, nil
	} else if !in {
		actual, data = taken, nil
	}
	h := header(retSubmit, sequence, status)
	binary.BigEndian.PutUint32(h[24:], uint32(actual))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(append(h, data...))
}

func header(command, sequence uint32, status int32) []byte {
	h := make([]byte, headerSize)
	binary.BigEndian.PutUint32(h, command)
	binary.BigEndian.PutUint32(h[4:], sequence)
	binary.BigEndian.PutUint32(h[20:], uint32(status))
	return h
}

// write sends a message. The caller holds s.mu. serve notices a closed conn.
func (s *session) write(message []byte) {
	_, _ = s.conn.Write(message)
}

// next waits for a transfer and returns the first of the queue. It leaves the
// transfer in the queue, so that the driver can unlink it. ok is false when the
// stream has ended.
func (s *session) next(stream int) (t transfer, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && s.stream == stream && len(s.queue) == 0 {
		s.change.Wait()
	}
	if s.closed || s.stream != stream {
		return transfer{}, false
	}
	return s.queue[0], true
}

// complete answers the transfer, unless the driver has unlinked it or ended the
// stream.
func (s *session) complete(stream int, t transfer, data []byte, lengths []int) {
	h := header(retSubmit, t.sequence, 0)
	binary.BigEndian.PutUint32(h[24:], uint32(len(data)))
	binary.BigEndian.PutUint32(h[32:], uint32(len(t.packets)))
	message := append(h, data...)
	for i, p := range t.packets {
		message = binary.BigEndian.AppendUint32(message, p.offset)
		message = binary.BigEndian.AppendUint32(message, p.length)
		message = binary.BigEndian.AppendUint32(message, uint32(lengths[i]))
		message = binary.BigEndian.AppendUint32(message, 0) // status
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.stream != stream || len(s.queue) == 0 || s.queue[0].sequence != t.sequence {
		return
	}
	s.queue = s.queue[1:]
	s.write(message)
}
