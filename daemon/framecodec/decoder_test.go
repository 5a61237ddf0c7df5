package framecodec

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// path connects an encoder to a decoder by a byte stream.
type path struct {
	t         testing.TB
	encoder   *Encoder
	wire      bytes.Buffer
	in        *wire.Reader
	decoder   *Decoder
	refreshes int // how often Decode requested one
	header    []byte
}

func newPath(t testing.TB) *path {
	p := &path{t: t, encoder: NewEncoder(losslessFeatures)}
	p.in = wire.NewReader(&p.wire)
	p.decoder = NewDecoder(p.in, frame.NewBudget(40<<20))
	return p
}

// send encodes a frame and returns its codec.
func (p *path) send(f *frame.Frame) wire.Codec {
	enc, err := p.encoder.Encode(f, 0, 0)
	if err == nil {
		err = enc.Header.Validate()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.header = wire.AppendFrame(p.header[:0], &enc.Header)
	p.wire.Write(p.header)
	p.wire.Write(enc.Data)
	p.encoder.OnSent(&enc.Header, f)
	return enc.Header.Codec
}

// receive decodes a frame; nil if its base is missing.
func (p *path) receive() *frame.Frame {
	m, err := p.in.Next()
	if err != nil {
		p.t.Fatal(err)
	}
	f, needRefresh, err := p.decoder.Decode(m.(*wire.Frame))
	if err != nil {
		p.t.Fatal(err)
	}
	if needRefresh {
		p.refreshes++
	}
	return f
}

func TestCodec_restoresWithoutAllocation(t *testing.T) {
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			p, film, seq := newPath(t), s.film(4, newCanvas(320, 180)), uint64(0)
			travel := func() {
				f := film[seq%4]
				seq++
				f.Seq = seq
				p.send(f)
				got := p.receive()
				if got == nil || got.Seq != seq || got.Format != frame.YUYV || !bytes.Equal(got.Data, f.Data) {
					t.Fatalf("frame %d: got other data (decoded %v), want the same", seq, got != nil)
				}
				got.Release()
			}
			for range 8 {
				travel()
			}
			if n := testing.AllocsPerRun(8, travel); n != 0 {
				t.Errorf("got %v allocations a frame, want 0", n)
			}
		})
	}
}

func TestDecoder_deltaWithoutBase(t *testing.T) {
	blank := scene{draw: func(_ int, c *canvas) []byte { return make([]byte, 2*c.width*c.height) }}
	p, film := newPath(t), blank.film(8, newCanvas(320, 180))
	receive := func(want bool) {
		t.Helper()
		f := p.receive()
		if (f != nil) != want {
			t.Fatalf("got a frame: %v, want %v", f != nil, want)
		}
		if f != nil {
			f.Release()
		}
	}
	send := func(i int, want wire.Codec) {
		t.Helper()
		film[i].Data[99] ^= 0x55 // so that the delta is not the frame
		if got := p.send(film[i]); got != want {
			t.Fatalf("frame %d: got %v, want %v", i, got, want)
		}
	}
	refreshes := func(want int) {
		t.Helper()
		if p.refreshes != want {
			t.Fatalf("got %d requests for a refresh, want %d", p.refreshes, want)
		}
	}
	for i := range film { // the same noise in each, so that a delta is smallest
		rand.NewChaCha8([32]byte{3}).Read(film[i].Data)
	}
	send(0, wire.CodecYUYV)
	receive(true)
	send(1, wire.CodecYUYVDelta)
	if _, err := p.in.Next(); err != nil { // not decoded
		t.Fatal(err)
	}
	for i := 2; i < 5; i++ {
		send(i, wire.CodecYUYVDelta)
		receive(false)
		refreshes(1)
	}
	p.encoder.Reset()
	send(5, wire.CodecYUYV)
	receive(true)
	send(6, wire.CodecYUYVDelta)
	receive(true)
	refreshes(1)
	p.refreshes = 0
	film[7].Width, film[7].Height = film[7].Height, film[7].Width
	send(7, wire.CodecYUYV)
	receive(true)
	refreshes(0)
}
