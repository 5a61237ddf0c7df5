// Package framecodec turns frames into the bytes that travel over a link, and
// back. A JPEG travels as it is, or reduced to a budget. A raw frame travels
// stored, as an LZ4 block, or as the LZ4 block of its difference to the
// previous raw frame, whichever is smallest; or as a JPEG if the peer or the
// budget demands it.
//
//	       ┌─ JPEG ────────────────────────────┐
//	Encode ┤                                   ├─▶ too large? fit ─▶ Encoded
//	       └─ raw ─▶ lossless, or else as JPEG ┘
//
//	Decode ──▶ stored, unpack, or restore from the base ──▶ pooled frame
//
// Guarantees:
//
//   - Decoding a raw frame restores it byte for byte.
//   - Encode returns a frame whatever the budget: one that cannot be made small
//     enough exceeds it. Only a damaged one that must be reduced is an error.
//   - A hostile peer can make Decode fail. It cannot make it write out of
//     bounds, or use more memory than the budget.
//   - Once warm, nothing is allocated per frame.
//
// An Encoder belongs to one writing goroutine and a Decoder to one reading one.
package framecodec

import (
	"fmt"
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/daemon/wire"
)

// rawQuality is the JPEG quality for a raw frame that exceeds the budget or
// that the peer does not accept. Most cameras use about the same.
const rawQuality = 85

// Encoder encodes the frames for one peer.
type Encoder struct {
	features []string
	lossless lossless
	fitter   fitter

	jpeg     *mjpeg.Encoder // created with the first raw frame that needs it
	buf      []byte         // the output of jpeg
	rawBytes int            // size of the last raw frame that was encoded losslessly
}

// maxRaw is the largest raw frame that travels losslessly, in bytes: a receiver
// may lack the memory for the five buffers that a larger one needs. 2560x1600
// fits.
const maxRaw = 8 << 20

// Encoded is a frame as it is sent.
type Encoded struct {
	Header    wire.Frame
	Data      []byte // valid until the next call of Encode
	FullBytes int    // the length that Data would have without a budget
}

// NewEncoder returns an Encoder for a peer that shares these features, as
// wire.Features returns them.
func NewEncoder(features []string) *Encoder { return &Encoder{features: features, fitter: newFitter()} }

// Encode encodes f in at most budget bytes if it can be made so small; 0: no
// limit. now is an instant on any monotonic clock. The error is ErrBroken, or
// mjpeg.ErrGeometry of a raw frame.
func (e *Encoder) Encode(f *frame.Frame, budget int, now time.Duration) (enc Encoded, err error) {
	h := &enc.Header
	*h = wire.Frame{Seq: f.Seq, Captured: f.Captured, Width: uint16(f.Width), Height: uint16(f.Height)}
	if f.Card {
		h.Flags |= wire.FlagCard
	}
	if f.Format == frame.JPEG {
		h.Codec, enc.Data, enc.FullBytes = wire.CodecJPEG, f.Data, len(f.Data)
	} else if enc.Data, enc.FullBytes, err = e.encodeRaw(h, f, budget); err != nil {
		return enc, err
	}
	if budget > 0 && len(enc.Data) > budget {
		var eighths int
		if enc.Data, eighths, err = e.fitter.fit(enc.Data, budget, now); err != nil {
			return enc, err
		}
		// Rounded up, as mjpeg does.
		h.Width, h.Height = uint16((f.Width*eighths+7)/8), uint16((f.Height*eighths+7)/8)
	}
	h.Size = len(enc.Data)
	return enc, nil
}

// encodeRaw encodes a raw frame with the best codec that both devices support,
// or as a JPEG if that exceeds the budget. If the last raw frame exceeded the
// budget, it does not try the next one. full is the size without a budget.
func (e *Encoder) encodeRaw(h *wire.Frame, f *frame.Frame, budget int) (data []byte, full int, err error) {
	fits := budget == 0 || e.rawBytes <= budget
	if fits {
		data, err = e.encodeBest(h, f)
		if h.Codec != wire.CodecJPEG {
			e.rawBytes = len(data)
			fits = budget == 0 || e.rawBytes <= budget
		}
	}
	if !fits {
		data, err = e.encodeJPEG(h, f)
	}
	return data, max(e.rawBytes, len(data)), err
}

func (e *Encoder) encodeBest(h *wire.Frame, f *frame.Frame) ([]byte, error) {
	switch {
	case len(f.Data) > maxRaw:
	case wire.CodecYUYVLZ4.Allowed(e.features):
		return e.lossless.encode(h, f, wire.CodecYUYVDelta.Allowed(e.features)), nil
	case wire.CodecYUYV.Allowed(e.features):
		h.Codec = wire.CodecYUYV
		return f.Data, nil
	}
	return e.encodeJPEG(h, f)
}

func (e *Encoder) encodeJPEG(h *wire.Frame, f *frame.Frame) (data []byte, err error) {
	h.Codec, h.Base = wire.CodecJPEG, 0
	if e.jpeg == nil {
		e.jpeg = mjpeg.NewEncoder(rawQuality)
	}
	if e.buf, err = e.jpeg.EncodeYUYV(e.buf[:0], f.Data, f.Width, f.Height, 2*f.Width); err != nil {
		return nil, fmt.Errorf("encode raw frame: %w", err)
	}
	return e.buf, nil
}

// OnSent makes f, a raw frame that was written, the base of the next delta. It
// keeps a reference to f until then.
func (e *Encoder) OnSent(h *wire.Frame, f *frame.Frame) {
	if h.Codec != wire.CodecJPEG {
		e.lossless.setBase(f)
	}
}

// Reset makes the next raw frame a full one, and releases the base.
func (e *Encoder) Reset() { e.lossless.forgetBase() }
