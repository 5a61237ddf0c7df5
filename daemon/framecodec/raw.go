package framecodec

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
