package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Append writes a message behind dst: header and payload. It holds the message to the rules a Reader holds it to, and
// answers with the same errors, dst unchanged. It refuses a *Frame: see AppendFrame.
func Append(dst []byte, m Message) ([]byte, error) {
	if m.Type() == TypeFrame {
		return dst, errors.New("a frame's data follows it: AppendFrame")
	}
	if err := m.validate(); err != nil {
		return dst, fmt.Errorf("writing %v: %w", m.Type(), err)
	}
	start := len(dst)
	dst = m.appendTo(append(dst, byte(m.Type()), 0, 0, 0, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(dst[start+4:], uint32(len(dst)-start-HeaderSize))
	return dst, nil
}

// AppendFrame writes all of a frame's message behind dst but its data: those p.Size bytes the caller writes next,
// from where they lie. It does not check p: see Frame.Check.
func AppendFrame(dst []byte, p *Frame) []byte {
	dst = append(dst, byte(TypeFrame), 0, 0, 0)
	dst = appendU32(dst, uint32(p.Codec.fields()+p.Size))
	return p.appendTo(dst)
}

// readBuffer holds the known part of every message but a frame: the longest is a Text, of 2010 bytes.
const readBuffer = 4 << 10

// Reader takes messages from a stream. It is not for use by several goroutines at once.
//
// It keeps 4 KiB for itself. What else it takes is for the texts of a message, and stays below their bounds.
// The first error is final: each later call answers with it again.
type Reader struct {
	in   *bufio.Reader
	err  error
	left int // data of the last frame that is not read yet

	payload  decoder
	ping     Ping
	pong     Pong
	frame    Frame
	feedback Feedback
}

// NewReader begins at the start of a message.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, readBuffer)}
}

// Next gives the next message of a known type; others it skips. After a *Frame comes Data or Skip (what is not read
// by then, the next call of Next skips).
//
// A *Ping, *Pong, *Frame or *Feedback belongs to the Reader and is good until the next call of Next. All others are
// the caller's.
//
// The error is io.EOF only at the end of a message, io.ErrUnexpectedEOF inside one, one that wraps ErrProtocol where
// the bytes break the rules, else that of the stream.
func (r *Reader) Next() (Message, error) {
	if r.err == nil && r.left > 0 {
		r.Skip()
	}
	for r.err == nil {
		m, err := r.next()
		if err != nil {
			r.err = err
			break
		}
		if m != nil {
			return m, nil
		}
	}
	return nil, r.err
}

// Data reads the data of the frame that Next just gave, all of it, into dst, whose length must be the frame's Size.
func (r *Reader) Data(dst []byte) error {
	if r.err != nil {
		return r.err
	}
	if len(dst) != r.left {
		return fmt.Errorf("room for %d bytes of frame data where %d are to be read", len(dst), r.left)
	}
	r.left = 0
	if _, err := io.ReadFull(r.in, dst); err != nil {
		r.err = unexpectedEOF(err)
	}
	return r.err
}

// Skip reads past the data of the frame that Next just gave.
func (r *Reader) Skip() error {
	if r.err == nil {
		n := r.left
		r.left = 0
		r.err = r.discard(n)
	}
	return r.err
}

// next reads one message; nil where it is of an unknown type.
func (r *Reader) next() (Message, error) {
	h, err := r.in.Peek(HeaderSize)
	if err != nil {
		if len(h) > 0 {
			err = unexpectedEOF(err)
		}
		return nil, err
	}
	t, length := Type(h[0]), int64(binary.BigEndian.Uint32(h[4:]))
	if err := checkHeader(t, h[1], binary.BigEndian.Uint16(h[2:]), length); err != nil {
		return nil, err
	}
	if err := r.discard(HeaderSize); err != nil {
		return nil, err
	}
	m := r.message(t)
	if m == nil {
		return nil, r.discard(int(length))
	}
	if t == TypeFrame {
		return m, r.readFrame(int(length))
	}
	known, err := r.in.Peek(int(min(length, readBuffer)))
	if err != nil {
		return nil, unexpectedEOF(err)
	}
	if err := r.parse(m, known); err != nil {
		return nil, err
	}
	// What is left of the payload are fields of a later version.
	return m, r.discard(int(length))
}

func (r *Reader) readFrame(length int) error {
	known, err := r.in.Peek(min(length, frameFields))
	fields := frameFields
	if err == nil && len(known) == frameFields {
		if fields = Codec(known[frameCodec]).fields(); fields > frameFields {
			known, err = r.in.Peek(min(length, fields))
		}
	}
	if err != nil {
		return unexpectedEOF(err)
	}
	if err := r.parse(&r.frame, known); err != nil {
		return err
	}
	later := length - fields - r.frame.Size // fields of a later version, before the data
	if later < 0 {
		return fmt.Errorf("reading Frame: %w: %d bytes of data in a payload of %d", ErrShort, r.frame.Size, length)
	}
	if later > MaxControl-fields {
		return fmt.Errorf("reading Frame: %w: %d unknown bytes before the data, at most %d", ErrTooLong, later, MaxControl-fields)
	}
	r.left = r.frame.Size
	return r.discard(fields + later)
}

func (r *Reader) parse(m Message, payload []byte) error {
	r.payload = decoder{b: payload}
	m.decode(&r.payload)
	err := r.payload.err
	if err == nil {
		err = m.validate()
	}
	if err != nil {
		return fmt.Errorf("reading %v: %w", m.Type(), err)
	}
	return nil
}

func (r *Reader) discard(n int) error {
	_, err := r.in.Discard(n)
	return unexpectedEOF(err)
}

// message gives what to read a message of this type into; nil where the type is not known.
func (r *Reader) message(t Type) Message {
	switch t {
	case TypeHello:
		return new(Hello)
	case TypeBye:
		return new(Bye)
	case TypeNominate:
		return new(Nominate)
	case TypePing:
		return &r.ping
	case TypePong:
		return &r.pong
	case TypeInvite:
		return new(Invite)
	case TypeRinging:
		return new(Ringing)
	case TypeAccept:
		return new(Accept)
	case TypeResume:
		return new(Resume)
	case TypeEnd:
		return new(End)
	case TypeFrame:
		return &r.frame
	case TypeFeedback:
		return &r.feedback
	case TypeRefresh:
		return new(Refresh)
	case TypeText:
		return new(Text)
	case TypeState:
		return new(State)
	}
	return nil
}

// checkHeader holds a header to the rules before anything is read or kept for its sake.
func checkHeader(t Type, flags uint8, reserved uint16, length int64) error {
	limit := int64(MaxControl)
	if t == TypeFrame {
		limit = MaxControl + MaxFrame
	}
	switch {
	case t == 0:
		return fmt.Errorf("reading a header: %w: 0", ErrBadType)
	case flags != 0:
		return fmt.Errorf("reading %v: %w: header flags 0x%02x", t, ErrBadValue, flags)
	case reserved != 0:
		return fmt.Errorf("reading %v: %w: reserved header field 0x%04x", t, ErrBadValue, reserved)
	case length > limit:
		return fmt.Errorf("reading %v: %w: payload of %d bytes, at most %d", t, ErrTooLong, length, limit)
	}
	return nil
}

// inside marks an end of the stream that comes within a message.
func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
