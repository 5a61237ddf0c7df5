package link

import (
	"fmt"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/daemon/wire"
)

// rawQuality is the JPEG quality for a peer that takes no raw pictures: what cameras use.
const rawQuality = 85

// packer makes what travels of a picture. It belongs to a link's writer.
type packer struct {
	lz4    *wire.LZ4 // made when the first raw picture goes out
	packed []byte
	enc    *mjpeg.Encoder
}

// pack gives the bytes that travel, and writes into p what they are: a JPEG as it is; a raw picture by the best codec that
// was agreed on. They are good until the next call.
func (k *packer) pack(p *wire.Picture, f *frame.Frame, agreed []string) ([]byte, error) {
	p.Codec = wire.CodecJPEG
	switch {
	case f.Format == frame.JPEG:
		return f.Data, nil
	case !wire.CodecYUYV.Allowed(agreed):
		if k.enc == nil {
			k.enc = mjpeg.NewEncoder(rawQuality)
		}
		var err error
		k.packed, err = k.enc.EncodeYUYV(k.packed[:0], f.Data, f.Width, f.Height, 2*f.Width)
		if err != nil {
			return nil, fmt.Errorf("encode a raw picture: %w", err)
		}
		return k.packed, nil
	case wire.CodecYUYVLZ4.Allowed(agreed):
		if k.lz4 == nil {
			k.lz4 = new(wire.LZ4)
		}
		if room := wire.LZ4Room(len(f.Data)); len(k.packed) < room {
			k.packed = make([]byte, room)
		}
		if n, ok := k.lz4.Compress(k.packed, f.Data); ok {
			p.Codec = wire.CodecYUYVLZ4
			return k.packed[:n], nil
		}
	}
	p.Codec = wire.CodecYUYV
	return f.Data, nil
}

// unpacker makes raw pictures of what has travelled. It belongs to a link's reader.
type unpacker struct {
	lz4 *wire.LZ4 // made when the first packed picture comes
}

// receive reads the data of a picture into a pooled frame.
func (l *Link) receive(m *wire.Picture) (*frame.Frame, error) {
	if m.Codec == wire.CodecYUYVLZ4 {
		return l.unpack(m)
	}
	f := l.pool.Get(m.Size)
	f.Format = frame.JPEG
	if m.Codec == wire.CodecYUYV {
		f.Format = frame.YUYV
	}
	if err := l.in.Data(f.Data); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// unpack reads and unpacks the data of a packed raw picture.
func (l *Link) unpack(m *wire.Picture) (*frame.Frame, error) {
	packed := l.pool.Get(m.Size)
	defer packed.Release()
	if err := l.in.Data(packed.Data); err != nil {
		return nil, err
	}
	u := &l.received.raw
	if u.lz4 == nil {
		u.lz4 = new(wire.LZ4)
	}
	f := l.pool.Get(m.RawSize())
	f.Format = frame.YUYV
	if err := u.lz4.Decompress(f.Data, packed.Data); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}
