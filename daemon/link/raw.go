package link

import (
	"fmt"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/daemon/wire"
)

// rawQuality is the JPEG quality for a peer that takes no raw frames: what cameras use.
const rawQuality = 85

// packer makes what travels of a frame. It belongs to a link's writer. What it needs is made when the first raw frame
// goes out.
type packer struct {
	enc  *mjpeg.Encoder
	jpeg []byte

	lz4          *wire.LZ4
	whole, apart []byte       // a frame packed as it is, and as the difference
	diff         []byte       // to the base
	base         *frame.Frame // the raw frame that was sent last; nil: the next one stands alone
	raw          int          // bytes that the last raw frame took
}

// pack gives the bytes that travel, and writes into p what they are: a JPEG as it is; a raw frame by the best codec that
// was agreed on, but as a JPEG where it would not fit into room (0: there is no limit). They are good until the next call.
// Most is how many it would be without a limit.
func (k *packer) pack(p *wire.Frame, f *frame.Frame, agreed []string, room int) (data []byte, most int, err error) {
	if f.Format == frame.JPEG {
		p.Codec = wire.CodecJPEG
		return f.Data, len(f.Data), nil
	}
	fits := room == 0 || k.raw <= room
	if fits {
		data, err = k.packRaw(p, f, agreed)
		if p.Codec != wire.CodecJPEG {
			k.raw = len(data)
			fits = room == 0 || k.raw <= room
		}
	}
	if !fits {
		data, err = k.packRaw(p, f, nil)
	}
	return data, max(k.raw, len(data)), err
}

// packRaw packs a raw frame by the best of these codecs, or as a JPEG.
func (k *packer) packRaw(p *wire.Frame, f *frame.Frame, agreed []string) ([]byte, error) {
	p.Codec = wire.CodecJPEG
	switch {
	case wire.CodecYUYVLZ4.Allowed(agreed):
		return k.lossless(p, f, agreed), nil
	case wire.CodecYUYV.Allowed(agreed):
		p.Codec = wire.CodecYUYV
		return f.Data, nil
	}
	if k.enc == nil {
		k.enc = mjpeg.NewEncoder(rawQuality)
	}
	var err error
	if k.jpeg, err = k.enc.EncodeYUYV(k.jpeg[:0], f.Data, f.Width, f.Height, 2*f.Width); err != nil {
		return nil, fmt.Errorf("encode a raw frame: %w", err)
	}
	return k.jpeg, nil
}

// unpacker makes raw frames of what has travelled. It belongs to a link's reader.
type unpacker struct {
	lz4   *wire.LZ4    // made when the first packed frame comes
	base  *frame.Frame // the newest raw frame that was unpacked
	asked bool         // for one that stands alone, which has not come since
}

// receive reads the data of a frame into a pooled frame. It gives nil for a difference to a frame that is not held,
// of which the other side is told once until something else comes.
func (l *Link) receive(m *wire.Frame) (f *frame.Frame, err error) {
	u := &l.received.raw
	switch m.Codec {
	case wire.CodecYUYVLZ4:
		f, err = l.unpack(m)
	case wire.CodecYUYVDelta:
		if !u.holds(m) {
			u.asked = u.asked || l.Send(&wire.Refresh{})
			return nil, nil
		}
		f, err = l.restore(m)
	default:
		f, err = l.stored(m)
	}
	if err != nil {
		return nil, err
	}
	f.Seq, f.Width, f.Height, f.Format = m.Seq, int(m.Width), int(m.Height), frame.JPEG
	if m.Codec != wire.CodecJPEG {
		f.Format = frame.YUYV
		u.hold(f)
	}
	return f, nil
}

// stored reads data that are the frame.
func (l *Link) stored(m *wire.Frame) (*frame.Frame, error) {
	f := l.pool.Get(m.Size)
	if err := l.in.Data(f.Data); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// unpack reads data that are a raw frame, or a difference, as an LZ4 block.
func (l *Link) unpack(m *wire.Frame) (*frame.Frame, error) {
	packed, err := l.stored(m)
	if err != nil {
		return nil, err
	}
	defer packed.Release()
	u := &l.received.raw
	if u.lz4 == nil {
		u.lz4 = new(wire.LZ4)
	}
	f := l.pool.Get(m.RawSize())
	if err := u.lz4.Decompress(f.Data, packed.Data); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// restore reads data that are a difference to the frame that is held.
func (l *Link) restore(m *wire.Frame) (*frame.Frame, error) {
	diff, err := l.unpack(m)
	if err != nil {
		return nil, err
	}
	defer diff.Release()
	f := l.pool.Get(m.RawSize())
	wire.Restore(f.Data, diff.Data, l.received.raw.base.Data)
	return f, nil
}

func (u *unpacker) holds(m *wire.Frame) bool {
	b := u.base
	return b != nil && b.Seq == m.Base && b.Width == int(m.Width) && b.Height == int(m.Height)
}

// hold makes f the base of the next difference.
func (u *unpacker) hold(f *frame.Frame) {
	if u.base != nil {
		u.base.Release()
	}
	f.Retain()
	u.base, u.asked = f, false
}
