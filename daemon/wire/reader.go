package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Append appends a message, header and payload, to dst. It validates the
// message like a Reader and returns the same errors, with dst unchanged. It
// refuses a *Frame: use AppendFrame.
func Append(dst []byte, m Message) ([]byte, error) {
	if m.Type() == TypeFrame {
		return dst, errors.New("append Frame: use AppendFrame")
	}
	if err := m.validate(); err != nil {
		return dst, fmt.Errorf("encode %v: %w", m.Type(), err)
	}
	start := len(dst)
	dst = m.appendTo(append(dst, byte(m.Type()), 0, 0, 0, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(dst[start+4:], uint32(len(dst)-start-HeaderSize))
	return dst, nil
}

// AppendFrame appends the message of a frame without its data. The caller sends
// p.Size bytes of data next. It does not validate p: see Frame.Validate.
func AppendFrame(dst []byte, p *Frame) []byte {
	dst = append(dst, byte(TypeFrame), 0, 0, 0)
	dst = appendU32(dst, uint32(p.Codec.headerSize()+p.Size))
	return p.appendTo(dst)
}

// readBuffer is larger than the known fields of any message. The longest is a
// Text of 2010 bytes.
const readBuffer = 4 << 10

// Reader decodes the messages of a stream. It is not safe for concurrent use.
//
// It has a buffer of 4 KiB and otherwise allocates only the texts of a message,
// within their limits. Texts are clean: see text.go. The first error is final:
// later calls return it again.
type Reader struct {
	in   *bufio.Reader
	err  error
	left int // unread data of the last frame, in bytes

	payload  decoder
	ping     Ping
	pong     Pong
	frame    Frame
	feedback Feedback
}

// NewReader returns a Reader of a stream that begins with a message.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, readBuffer)}
}

// Next returns the next message of a known type. After a *Frame, call Data or
// Skip; otherwise the next call of Next skips the data.
//
// A *Ping, *Pong, *Frame or *Feedback is valid until the next call of Next. The
// caller owns all others.
//
// If the stream ends, the error is io.EOF between messages and
// io.ErrUnexpectedEOF inside a message. It wraps ErrProtocol if the bytes are
// invalid. Other errors come from the stream.
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

// Data reads the whole data of the frame that Next has returned. The length of
// dst must be the Size of the frame.
func (r *Reader) Data(dst []byte) error {
	if r.err != nil {
		return r.err
	}
	if len(dst) != r.left {
		return fmt.Errorf("buffer of %d bytes for %d bytes of frame data", len(dst), r.left)
	}
	r.left = 0
	if _, err := io.ReadFull(r.in, dst); err != nil {
		r.err = unexpectedEOF(err)
	}
	return r.err
}

// Skip discards the data of the frame that Next has returned.
func (r *Reader) Skip() error {
	if r.err == nil {
		n := r.left
		r.left = 0
		r.err = r.discard(n)
	}
	return r.err
}

// next reads one message. It returns nil if the type is unknown.
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
	// The rest of the payload consists of fields of a later version.
	return m, r.discard(int(length))
}

func (r *Reader) readFrame(length int) error {
	known, err := r.in.Peek(min(length, frameHeaderSize))
	fields := frameHeaderSize
	if err == nil && len(known) == frameHeaderSize {
		if fields = Codec(known[frameCodecOffset]).headerSize(); fields > frameHeaderSize {
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
		return fmt.Errorf("decode Frame: %w: %d bytes of data in a payload of %d bytes", ErrShort, r.frame.Size, length)
	}
	if later > MaxControl-fields {
		return fmt.Errorf("decode Frame: %w: %d unknown bytes before the data, at most %d", ErrTooLong, later,
			MaxControl-fields)
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
		return fmt.Errorf("decode %v: %w", m.Type(), err)
	}
	cleanTexts(m)
	return nil
}

func (r *Reader) discard(n int) error {
	_, err := r.in.Discard(n)
	return unexpectedEOF(err)
}

// message returns the message to decode into, or nil if the type is unknown.
func (r *Reader) message(t Type) Message {
	switch t {
	case TypeHello:
		return new(Hello)
	case TypeBye:
		return new(Bye)
	case TypeTwin:
		return new(Twin)
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

// checkHeader checks a header before the payload is read.
func checkHeader(t Type, flags uint8, reserved uint16, length int64) error {
	limit := int64(MaxControl)
	if t == TypeFrame {
		limit = MaxControl + MaxFrame
	}
	switch {
	case t == 0:
		return fmt.Errorf("decode header: %w: 0", ErrBadType)
	case flags != 0:
		return fmt.Errorf("decode %v: %w: header flags 0x%02x", t, ErrBadValue, flags)
	case reserved != 0:
		return fmt.Errorf("decode %v: %w: reserved header field 0x%04x", t, ErrBadValue, reserved)
	case length > limit:
		return fmt.Errorf("decode %v: %w: payload of %d bytes, at most %d", t, ErrTooLong, length, limit)
	}
	return nil
}

// unexpectedEOF turns io.EOF into io.ErrUnexpectedEOF.
func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
