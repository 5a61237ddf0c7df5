package framecodec

import (
	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/daemon/wire"
)

// Decoder decodes the frames of one peer.
type Decoder struct {
	in   *wire.Reader
	pool *frame.Pool // one per Decoder: the memory of huge frames is freed with the link

	lz4            *wire.LZ4    // created with the first packed frame
	base           *frame.Frame // the last raw frame, to which a delta refers
	refreshPending bool         // a refresh was requested, and no raw frame has arrived since
}

// idleFrames is how many frames the pool keeps: one packed, its difference, the
// frame, and its base.
const idleFrames = 4

// NewDecoder returns a Decoder of the frames that in reads.
func NewDecoder(in *wire.Reader) *Decoder {
	return &Decoder{in: in, pool: frame.NewPool(idleFrames)}
}

// Decode reads the data that follows m into a pooled frame, which the caller
// must release. It sets the frame's Meta except the times and Card. It checks
// neither a JPEG nor whether the data matches the size in the header: see
// Valid.
//
// For a delta whose base is missing, Decode skips the data and returns nil. The
// first time, until a raw frame arrives, needRefresh is true: the caller sends
// a wire.Refresh. An error ends the connection. It wraps wire.ErrBadData or
// comes from the reader.
func (d *Decoder) Decode(m *wire.Frame) (f *frame.Frame, needRefresh bool, err error) {
	switch m.Codec {
	case wire.CodecYUYVLZ4:
		f, err = d.unpack(m)
	case wire.CodecYUYVDelta:
		if !d.hasBase(m) {
			needRefresh, d.refreshPending = !d.refreshPending, true
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
		d.setBase(f)
	}
	return f, false, nil
}

// Discard skips the data of an unwanted frame. It may be the full frame that
// was requested, so the next delta without a base requests another.
func (d *Decoder) Discard() error {
	d.refreshPending = false
	return d.in.Skip()
}

// stored reads data that is the frame itself.
func (d *Decoder) stored(m *wire.Frame) (*frame.Frame, error) {
	f := d.pool.Get(m.Size)
	if err := d.in.Data(f.Data); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// unpack reads data that is a raw frame, or a difference, as an LZ4 block.
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

// restore reads data that is a difference to the base.
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

// hasBase reports whether the base of a delta is the last raw frame.
func (d *Decoder) hasBase(m *wire.Frame) bool {
	b := d.base
	return b != nil && b.Seq == m.Base && b.Width == int(m.Width) && b.Height == int(m.Height)
}

func (d *Decoder) setBase(f *frame.Frame) {
	if d.base != nil {
		d.base.Release()
	}
	f.Retain()
	d.base, d.refreshPending = f, false
}

// Valid reports whether the data of a decoded frame matches its format and
// size. It protects viewers from what a peer sends.
func Valid(f *frame.Frame) bool {
	if f.Format == frame.YUYV {
		return len(f.Data) == 2*f.Width*f.Height
	}
	info, err := mjpeg.Check(f.Data)
	return err == nil && info.Width == f.Width && info.Height == f.Height
}
