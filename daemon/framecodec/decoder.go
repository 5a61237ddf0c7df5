package framecodec

import (
	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/daemon/wire"
)

// Decoder makes frames of received messages. It belongs to a link's reading goroutine.
type Decoder struct {
	in   *wire.Reader
	pool *frame.Pool // of its own, so that what huge frames took is given back with the link

	lz4       *wire.LZ4    // made when the first packed frame comes
	base      *frame.Frame // the raw frame that was decoded last; a difference refers to it
	refreshed bool         // a refresh was asked for, and no raw frame has come since
}

// NewDecoder returns a Decoder of the messages that in reads.
func NewDecoder(in *wire.Reader) *Decoder {
	return &Decoder{in: in, pool: frame.NewPool(4)}
}

// Decode reads the data that follows m into a pooled frame, which the caller has to release. It returns nil, and skips the
// data, where m is the difference to a frame that is not held; needRefresh is true where the sender has to be asked for a frame
// that stands alone, once until a raw frame is decoded.
func (d *Decoder) Decode(m *wire.Frame) (f *frame.Frame, needRefresh bool, err error) {
	switch m.Codec {
	case wire.CodecYUYVLZ4:
		f, err = d.unpack(m)
	case wire.CodecYUYVDelta:
		if !d.holds(m) {
			needRefresh, d.refreshed = !d.refreshed, true
			return nil, needRefresh, d.in.Skip()
		}
		f, err = d.restore(m)
	default:
		f, err = d.stored(m)
	}
	if err != nil {
		return nil, false, err
	}
	f.Seq, f.Width, f.Height, f.Format = m.Seq, int(m.Width), int(m.Height), frame.JPEG
	if m.Codec != wire.CodecJPEG {
		f.Format = frame.YUYV
		d.hold(f)
	}
	return f, false, nil
}

// Discard skips the data of a frame that is not wanted. That may be the one a refresh was asked for, so the next difference
// without a base asks again.
func (d *Decoder) Discard() error {
	d.refreshed = false
	return d.in.Skip()
}

// stored reads data that are the frame.
func (d *Decoder) stored(m *wire.Frame) (*frame.Frame, error) {
	f := d.pool.Get(m.Size)
	if err := d.in.Data(f.Data); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// unpack reads data that are a raw frame, or a difference, as an LZ4 block.
func (d *Decoder) unpack(m *wire.Frame) (*frame.Frame, error) {
	packed, err := d.stored(m)
	if err != nil {
		return nil, err
	}
	defer packed.Release()
	if d.lz4 == nil {
		d.lz4 = new(wire.LZ4)
	}
	f := d.pool.Get(m.RawSize())
	if err := d.lz4.Decompress(f.Data, packed.Data); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// restore reads data that are a difference to the frame that is held.
func (d *Decoder) restore(m *wire.Frame) (*frame.Frame, error) {
	diff, err := d.unpack(m)
	if err != nil {
		return nil, err
	}
	defer diff.Release()
	f := d.pool.Get(m.RawSize())
	wire.Restore(f.Data, diff.Data, d.base.Data)
	return f, nil
}

func (d *Decoder) holds(m *wire.Frame) bool {
	b := d.base
	return b != nil && b.Seq == m.Base && b.Width == int(m.Width) && b.Height == int(m.Height)
}

// hold makes f the base of the next difference.
func (d *Decoder) hold(f *frame.Frame) {
	if d.base != nil {
		d.base.Release()
	}
	f.Retain()
	d.base, d.refreshed = f, false
}

// Valid reports whether the data of a received frame is what its header says. It protects viewers from what a peer sends.
func Valid(f *frame.Frame) bool {
	if f.Format == frame.YUYV {
		return len(f.Data) == 2*f.Width*f.Height
	}
	info, err := mjpeg.Check(f.Data)
	return err == nil && info.Width == f.Width && info.Height == f.Height
}
