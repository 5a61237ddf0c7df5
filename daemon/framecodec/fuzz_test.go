package framecodec

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// FuzzDecoder decodes any stream of frames, as a hostile peer sends them. A
// frame that it returns is whole; memory is bounded by the largest frame that
// a header announces; a raw frame decodes to the bytes that were sent.
func FuzzDecoder(f *testing.F) {
	p := newPath(f)
	for seq := range uint64(4) {
		raw := make([]byte, 16*4*2)
		for i := range raw {
			raw[i] = byte(i) * byte(seq%3)
		}
		p.send(&frame.Frame{Meta: frame.Meta{Seq: seq + 1, Width: 16, Height: 4, Format: frame.YUYV}, Data: raw})
		f.Add(bytes.Clone(p.wire.Bytes()))
	}
	header := func(h wire.Frame, data ...byte) []byte { return append(wire.AppendFrame(nil, &h), data...) }
	f.Add(header(wire.Frame{Seq: 1, Width: 4096, Height: 2048, Codec: wire.CodecYUYVLZ4, Size: 1}, 0))
	f.Add(header(wire.Frame{Seq: 1, Width: 1, Height: 1, Codec: wire.CodecJPEG, Size: wire.MaxFrame}))
	f.Add(bytes.Join([][]byte{
		header(wire.Frame{Seq: 1, Width: 2, Height: 1, Codec: wire.CodecYUYV, Size: 4}, 1, 2, 3, 4),
		header(wire.Frame{Seq: 2, Base: 1, Width: 2, Height: 1, Codec: wire.CodecYUYVDelta, Size: 3}, 0x10, 8, 8),
		header(wire.Frame{Seq: 3, Base: 1, Width: 2, Height: 1, Codec: wire.CodecYUYVDelta, Size: 3}, 0x10, 8, 8),
	}, nil))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		largest := decodeAll(t, stream)
		runtime.ReadMemStats(&after)
		// Four frames are in use at once, each with a quarter to spare.
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(1<<18+64*len(stream)+5*largest); got > limit {
			t.Fatalf("stream of %d bytes, frames of %d: got %d bytes allocated, want at most %d", len(stream), largest,
				got, limit)
		}
	})
}

// decodeAll returns the size of the largest frame that was announced.
func decodeAll(t *testing.T, stream []byte) (largest int) {
	in := wire.NewReader(bytes.NewReader(stream))
	d := NewDecoder(in, frame.NewBudget(1<<30))
	for {
		m, err := in.Next()
		if err != nil {
			return largest
		}
		h, ok := m.(*wire.Frame)
		if !ok {
			continue
		}
		if largest = max(largest, h.Size); h.Codec != wire.CodecJPEG {
			largest = max(largest, h.RawSize())
		}
		f, needRefresh, err := d.Decode(h)
		switch {
		case err != nil:
			if f != nil || !errors.Is(err, wire.ErrProtocol) && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
				t.Fatalf("got frame %v, %v", f != nil, err)
			}
			return largest
		case f == nil:
			continue
		case needRefresh, f.Seq != h.Seq, f.Width != int(h.Width), f.Height != int(h.Height):
			t.Fatalf("got %+v of %+v, refresh %v", f.Meta, h, needRefresh)
		case h.Codec != wire.CodecJPEG && !Accept(f):
			t.Fatalf("got a raw frame of %d bytes of %+v", len(f.Data), h)
		}
		if h.Codec == wire.CodecYUYV && !bytes.Contains(stream, f.Data) {
			t.Fatal("got bytes of a raw frame that were not sent")
		}
		Accept(f)
		f.Release()
	}
}
