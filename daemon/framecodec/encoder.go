package framecodec

import (
	"time"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// Encoder makes messages of frames. It belongs to a link's writing goroutine.
type Encoder struct {
	features []string
	raw      packer
	quality  quality
}

// Encoded is a frame as it is sent.
type Encoded struct {
	Header    wire.Frame
	Data      []byte // good until the next call of Encode
	FullBytes int    // the length of Data without a budget
}

// NewEncoder returns an Encoder for a peer with which these features were agreed on.
func NewEncoder(features []string) *Encoder {
	return &Encoder{features: features, quality: quality{shrinker: newShrinker()}}
}

// Encode encodes a frame in at most budget bytes, if it can; 0: in any number.
func (e *Encoder) Encode(f *frame.Frame, budget int, now time.Duration) (enc Encoded, err error) {
	h := &enc.Header
	*h = wire.Frame{Seq: f.Seq, Captured: f.Captured, Width: uint16(f.Width), Height: uint16(f.Height)}
	if f.Card {
		h.Flags |= wire.FlagCard
	}
	if enc.Data, enc.FullBytes, err = e.raw.pack(h, f, e.features, budget); err != nil {
		return enc, err
	}
	if budget > 0 && len(enc.Data) > budget {
		var half bool
		if enc.Data, half = e.quality.fit(enc.Data, budget, now); half {
			h.Width, h.Height = (h.Width+1)/2, (h.Height+1)/2
		}
	}
	h.Size = len(enc.Data)
	return enc, nil
}

// OnSent makes a raw frame that was written the base of the next difference.
func (e *Encoder) OnSent(h *wire.Frame, f *frame.Frame) { e.raw.sent(h, f) }

// Reset makes the next raw frame one that stands alone.
func (e *Encoder) Reset() { e.raw.forget() }
