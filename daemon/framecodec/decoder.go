package framecodec

import (
	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/daemon/wire"
)

// Decoder decodes the frames of one peer.
type Decoder struct {
	in   *wire.Reader
	pool *frame.Pool // one per Decoder: the memory of huge frames is freed with the link; closed by Close

	lz4            *wire.LZ4    // created with the first packed frame
	base           *frame.Frame // the last raw frame, to which a delta refers
	refreshPending bool         // a refresh was requested, and no raw frame has arrived since
}

// idleFrames is how many frames the pool keeps: one packed, its difference, the
// frame, and its base.
const idleFrames = 4

// NewDecoder returns a Decoder of the frames that in reads, in memory of the
// budget. Close it when the connection has ended.
func NewDecoder(in *wire.Reader, budget *frame.Budget) *Decoder {
	return &Decoder{in: in, pool: budget.NewPool(idleFrames)}
}

// Close frees the memory of the Decoder. Frames in use stay valid.
func (d *Decoder) Close() {
	if d.base != nil {
		d.base.Release()
		d.base = nil
	}
	d.pool.Close()
}

// Decode reads the data that follows m into a pooled frame, which the caller
// must release. It sets the frame's Meta except the times and Card. It checks
// neither a JPEG nor whether the data matches the size in the header: see
// Accept.
//
// If the budget has no room for the frame, or the base of a delta is missing,
// Decode skips the data and returns nil. For a missing base, the
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
	if f == nil {
		return nil, false, d.in.Skip()
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

// stored reads data that is the frame itself. Like unpack and restore it
// returns nil if the budget has no room.
func (d *Decoder) stored(m *wire.Frame) (*frame.Frame, error) {
	f := d.pool.TryGet(m.Size)
	if f == nil {
		return nil, nil
	}
	if err := d.in.Data(f.Data); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// unpack reads data that is a raw frame, or a difference, as an LZ4 block.
func (d *Decoder) unpack(m *wire.Frame) (*frame.Frame, error) {
	packed, err := d.stored(m)
	if err != nil || packed == nil {
		return nil, err
	}
	defer packed.Release()
	if d.lz4 == nil {
		d.lz4 = new(wire.LZ4)
	}
	f := d.pool.TryGet(m.RawSize())
	if f == nil {
		return nil, nil
	}
	if err := d.lz4.Decompress(f.Data, packed.Data); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// restore reads data that is a difference to the base.
func (d *Decoder) restore(m *wire.Frame) (*frame.Frame, error) {
	diff, err := d.unpack(m)
	if err != nil || diff == nil {
		return nil, err
	}
	defer diff.Release()
	f := d.pool.TryGet(m.RawSize())
	if f == nil {
		return nil, nil
	}
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

// MaxPixels is the number of pixels of the largest frame that is accepted:
// 7680x4320 (8K UHD). A viewer needs four bytes for each, 127 MiB, whatever the
// size of the data.
const MaxPixels = 7680 * 4320

// TooLarge reports whether a frame has more than MaxPixels, by its header.
func TooLarge(m *wire.Frame) bool { return int64(m.Width)*int64(m.Height) > MaxPixels }

// Accept reports whether the data of a decoded frame matches its format and
// size, so that a viewer can trust them: a JPEG has the size in the header, one
// frame of a kind that cameras send (mjpeg.CheckStrict), and nothing before it.
// Accept cuts off what follows.
func Accept(f *frame.Frame) bool {
	if f.Width*f.Height > MaxPixels {
		return false
	}
	if f.Format == frame.YUYV {
		return len(f.Data) == 2*f.Width*f.Height
	}
	info, err := mjpeg.CheckStrict(f.Data)
	if err != nil || info.Width != f.Width || info.Height != f.Height {
		return false
	}
	f.Data = f.Data[:info.End]
	return true
}
