package framecodec

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// scene is what a raw camera of some size may see, step by step.
type scene struct {
	name string
	draw func(step int, c *canvas) []byte
}

// canvas is what scenes are drawn on: packed pixels, with the noise of a sensor.
type canvas struct {
	width, height int
	r             *rand.Rand
	normal        [1 << 12]float64 // deviates, for to make one for each byte takes long
}

func newCanvas(width, height int) *canvas {
	c := &canvas{width: width, height: height, r: rand.New(rand.NewPCG(1, 2))}
	for i := range c.normal {
		c.normal[i] = c.r.NormFloat64()
	}
	return c
}

// yuyv draws a brightness, and two colours that follow it, with noise of so many steps of deviation.
func (c *canvas) yuyv(noise float64, luma func(x, y int) float64) []byte {
	b := make([]byte, 0, 2*c.width*c.height)
	spoilt := func(v, sigma float64) byte {
		if sigma > 0 {
			v += c.normal[c.r.Uint32()%uint32(len(c.normal))] * sigma
		}
		return byte(min(max(v+0.5, 0), 255))
	}
	for y := range c.height {
		for x := 0; x < c.width; x += 2 {
			l := luma(x, y)
			b = append(b, spoilt(l, noise), spoilt(100+l/8, noise/2), spoilt(luma(x+1, y), noise), spoilt(150-l/10, noise/2))
		}
	}
	return b
}

// sines are those of whole degrees, three times around.
var sines = func() (s [3 * 360]float64) {
	for i := range s {
		s[i] = math.Sin(float64(i) * math.Pi / 180)
	}
	return s
}()

// room is furnished with slopes, edges and texture.
func room(x, y int) float64 {
	v := 120 + 50*sines[x%360]*sines[y%360] + 8*sines[x*52%360]*sines[y*40%360]
	if x/160%2 == y/120%2 {
		v += 30
	}
	return v
}

func text(x, y int) float64 {
	if y%24 < 14 && (x/7*7919+x/7*x/7+y/24*40503+y%24/2*97)%11 < 4 {
		return 20
	}
	return 235
}

func scenes() []scene {
	still := func(noise float64, frame func(x, y int) float64) func(int, *canvas) []byte {
		return func(_ int, c *canvas) []byte { return c.yuyv(noise, frame) }
	}
	walker := func(noise float64, frame func(x, y int) float64) func(int, *canvas) []byte {
		return func(step int, c *canvas) []byte {
			return c.yuyv(noise, func(x, y int) float64 {
				if left := c.width/4 + 9*step; x >= left && x < left+c.width/4 && y >= c.height/5 {
					return frame(x-9*step+500, y+170)
				}
				return frame(x, y)
			})
		}
	}
	moving := func(noise float64, frame func(x, y int) float64) func(int, *canvas) []byte {
		return func(step int, c *canvas) []byte {
			return c.yuyv(noise, func(x, y int) float64 { return frame(x+6*step, y+2*step) })
		}
	}
	return []scene{
		{"still", still(0, room)}, {"still-noise0.5", still(0.5, room)}, {"still-noise1.5", still(1.5, room)},
		{"still-noise3", still(3, room)}, {"still-noise8", still(8, room)},
		{"walker", walker(0, room)}, {"walker-noise1.5", walker(1.5, room)},
		{"moving", moving(0, room)}, {"moving-noise1.5", moving(1.5, room)},
		{"text", still(0, text)}, {"text-walker", walker(0, text)}, {"text-moving", moving(0, text)},
		{"flat-flash", func(step int, c *canvas) []byte {
			return c.yuyv(0, func(x, _ int) float64 { return float64(x/160*20 + step%2*40) })
		}},
		{"cut", func(step int, c *canvas) []byte {
			if step%2 == 0 {
				return c.yuyv(0, text)
			}
			return c.yuyv(1, room)
		}},
	}
}

// film gives frames of a scene, with growing numbers.
func (s scene) film(n int, c *canvas) []*frame.Frame {
	pool := frame.NewPool(0)
	var film []*frame.Frame
	for i := range n {
		raw := s.draw(i, c)
		f := pool.Get(len(raw))
		copy(f.Data, raw)
		f.Seq, f.Format, f.Width, f.Height = uint64(i+1), frame.YUYV, c.width, c.height
		film = append(film, f)
	}
	return film
}

var lossless = []string{wire.FeatureYUYV, wire.FeatureLZ4, wire.FeatureDelta}

// packed is how long a frame gets on its way.
func packed(b []byte) int {
	if n, ok := new(wire.LZ4).Compress(make([]byte, len(b)), b); ok {
		return n
	}
	return len(b)
}

func TestTheSmallerIsSent(t *testing.T) {
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			film := s.film(3, newCanvas(640, 360))
			var k packer
			for i, f := range film {
				p := wire.Frame{Seq: f.Seq, Width: uint16(f.Width), Height: uint16(f.Height)}
				data, _, err := k.pack(&p, f, lossless, 0)
				if err != nil {
					t.Fatal(err)
				}
				k.sent(&p, f)
				best := packed(f.Data)
				if i == 0 {
					if p.Codec == wire.CodecYUYVDelta || len(data) != best {
						t.Errorf("the first goes as %v in %d bytes, want %d and nothing before it", p.Codec, len(data), best)
					}
					continue
				}
				diff := make([]byte, len(f.Data))
				wire.Difference(diff, f.Data, film[i-1].Data)
				apart := packed(diff)
				t.Logf("frame %d: %v, %d bytes; as it is %d, the difference %d", i, p.Codec, len(data), best, apart)
				if best = min(best, apart); len(data) > best+best/20 {
					t.Errorf("%d bytes as %v where %d are possible", len(data), p.Codec, best)
				}
			}
		})
	}
}

// path is an encoder and a decoder with nothing but bytes between them.
type path struct {
	t       testing.TB
	k       packer
	wire    bytes.Buffer
	in      *wire.Reader
	decoder *Decoder
	asked   int // how often a refresh was
	frame   []byte
}

func newPath(t testing.TB) *path {
	d := &path{t: t}
	d.in = wire.NewReader(&d.wire)
	d.decoder = NewDecoder(d.in)
	return d
}

// write packs a frame and puts it on its way.
func (d *path) write(f *frame.Frame) wire.Frame {
	p := wire.Frame{Seq: f.Seq, Width: uint16(f.Width), Height: uint16(f.Height)}
	data, _, err := d.k.pack(&p, f, lossless, 0)
	p.Size = len(data)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.frame = wire.AppendFrame(d.frame[:0], &p)
	d.wire.Write(d.frame)
	d.wire.Write(data)
	d.k.sent(&p, f)
	return p
}

// read unpacks a frame; nil where its base is not there.
func (d *path) read() *frame.Frame {
	m, err := d.in.Next()
	if err != nil {
		d.t.Fatal(err)
	}
	f, needRefresh, err := d.decoder.Decode(m.(*wire.Frame))
	if err != nil {
		d.t.Fatal(err)
	}
	if needRefresh {
		d.asked++
	}
	return f
}

func TestPackingAndUnpackingAllocateNothing(t *testing.T) {
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			d, film, seq := newPath(t), s.film(4, newCanvas(320, 180)), uint64(0)
			travel := func() {
				f := film[seq%4]
				seq++
				f.Seq = seq
				d.write(f)
				g := d.read()
				if g == nil || g.Seq != seq || g.Format != frame.YUYV || !bytes.Equal(g.Data, f.Data) {
					t.Fatalf("frame %d is another one there: %v", seq, g != nil)
				}
				g.Release()
			}
			for range 8 {
				travel()
			}
			if n := testing.AllocsPerRun(8, travel); n != 0 {
				t.Errorf("%v allocations a frame", n)
			}
		})
	}
}

func TestADifferenceWithoutItsBaseIsNoFrame(t *testing.T) {
	blank := scene{draw: func(_ int, c *canvas) []byte { return make([]byte, 2*c.width*c.height) }}
	d, film := newPath(t), blank.film(8, newCanvas(320, 180))
	read := func(want bool) {
		t.Helper()
		f := d.read()
		if (f != nil) != want {
			t.Fatalf("there is a frame: %v, want %v", f != nil, want)
		}
		if f != nil {
			f.Release()
		}
	}
	write := func(i int, want wire.Codec) {
		t.Helper()
		film[i].Data[99] ^= 0x55 // so that the difference is not what the frame is
		if p := d.write(film[i]); p.Codec != want {
			t.Fatalf("frame %d goes as %v, want %v", i, p.Codec, want)
		}
	}
	asked := func(want int) {
		t.Helper()
		if d.asked != want {
			t.Fatalf("asked %d times, want %d", d.asked, want)
		}
	}
	for i := range film { // of noise, so that they are sent as differences
		rand.NewChaCha8([32]byte{3}).Read(film[i].Data)
	}
	write(0, wire.CodecYUYV)
	read(true)
	write(1, wire.CodecYUYVDelta)
	if _, err := d.in.Next(); err != nil { // skipped
		t.Fatal(err)
	}
	for i := 2; i < 5; i++ {
		write(i, wire.CodecYUYVDelta)
		read(false)
		asked(1)
	}
	d.k.forget()
	write(5, wire.CodecYUYV)
	read(true)
	write(6, wire.CodecYUYVDelta)
	read(true)
	asked(1)
	d.asked = 0
	film[7].Width, film[7].Height = film[7].Height, film[7].Width
	write(7, wire.CodecYUYV)
	read(true)
	asked(0)
}

func BenchmarkLossless(b *testing.B) {
	for _, s := range scenes() {
		film := s.film(4, newCanvas(1280, 720))
		for name, features := range map[string][]string{"lz4": lossless[:2], "delta": lossless} {
			b.Run(fmt.Sprintf("%s/%s", s.name, name), func(b *testing.B) {
				var k packer
				var seq, sum uint64
				b.ReportAllocs()
				for b.Loop() {
					f := film[seq%4]
					seq++
					f.Seq = seq
					p := wire.Frame{Seq: seq, Width: 1280, Height: 720}
					data, _, _ := k.pack(&p, f, features, 0)
					k.sent(&p, f)
					sum += uint64(len(data))
				}
				b.ReportMetric(float64(sum)/float64(seq), "B/frame")
			})
		}
	}
}
