package framecodec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"vchat/daemon/frame"
	"vchat/daemon/wire"
)

// scene is what a raw camera sees, frame by frame.
type scene struct {
	name string
	draw func(step int, c *canvas) []byte
}

// canvas draws scenes as YUYV, with the noise of a sensor.
type canvas struct {
	width, height int
	r             *rand.Rand
	normal        [1 << 12]float64 // normal deviates, precomputed: drawing one for each byte takes too long
}

func newCanvas(width, height int) *canvas {
	c := &canvas{width: width, height: height, r: rand.New(rand.NewPCG(1, 2))}
	for i := range c.normal {
		c.normal[i] = c.r.NormFloat64()
	}
	return c
}

// yuyv draws luma, and chroma that follows it. noise is a standard deviation.
func (c *canvas) yuyv(noise float64, luma func(x, y int) float64) []byte {
	b := make([]byte, 0, 2*c.width*c.height)
	noisy := func(v, sigma float64) byte {
		if sigma > 0 {
			v += c.normal[c.r.Uint32()%uint32(len(c.normal))] * sigma
		}
		return byte(min(max(v+0.5, 0), 255))
	}
	for y := range c.height {
		for x := 0; x < c.width; x += 2 {
			l := luma(x, y)
			b = append(b, noisy(l, noise), noisy(100+l/8, noise/2))
			b = append(b, noisy(luma(x+1, y), noise), noisy(150-l/10, noise/2))
		}
	}
	return b
}

// sines holds the sine of whole degrees, three times around.
var sines = func() (s [3 * 360]float64) {
	for i := range s {
		s[i] = math.Sin(float64(i) * math.Pi / 180)
	}
	return s
}()

// room is an image of slopes, edges and texture.
func room(x, y int) float64 {
	v := 120 + 50*sines[x%360]*sines[y%360] + 8*sines[x*52%360]*sines[y*40%360]
	if x/160%2 == y/120%2 {
		v += 30
	}
	return v
}

// text is an image of dark letters on white.
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

// film returns n frames of a scene, numbered from 1.
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

var losslessFeatures = []string{wire.FeatureYUYV, wire.FeatureLZ4, wire.FeatureDelta}

// lz4Size returns the size of b as LZ4, or as it is if that is smaller.
func lz4Size(b []byte) int {
	if n, ok := new(wire.LZ4).Compress(make([]byte, len(b)), b); ok {
		return n
	}
	return len(b)
}

func TestEncoder_sendsTheSmaller(t *testing.T) {
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			film := s.film(3, newCanvas(640, 360))
			e := NewEncoder(losslessFeatures)
			for i, f := range film {
				enc, err := e.Encode(f, 0, 0)
				if err != nil {
					t.Fatal(err)
				}
				codec, size := enc.Header.Codec, len(enc.Data)
				e.OnSent(&enc.Header, f)
				full := lz4Size(f.Data)
				if i == 0 {
					if codec == wire.CodecYUYVDelta || size != full {
						t.Errorf("first frame: got %v in %d bytes, want a full frame in %d", codec, size, full)
					}
					continue
				}
				diff := make([]byte, len(f.Data))
				wire.Difference(diff, f.Data, film[i-1].Data)
				delta := lz4Size(diff)
				t.Logf("frame %d: %v, %d bytes; full %d, delta %d", i, codec, size, full, delta)
				if best := min(full, delta); size > best+best/20 {
					t.Errorf("frame %d: got %d bytes as %v, want %d", i, size, codec, best)
				}
			}
		})
	}
}

func BenchmarkEncoder_lossless(b *testing.B) {
	for _, s := range scenes() {
		film := s.film(4, newCanvas(1280, 720))
		for name, features := range map[string][]string{"lz4": losslessFeatures[:2], "delta": losslessFeatures} {
			b.Run(fmt.Sprintf("%s/%s", s.name, name), func(b *testing.B) {
				e := NewEncoder(features)
				var seq, sum uint64
				b.ReportAllocs()
				for b.Loop() {
					f := film[seq%4]
					seq++
					f.Seq = seq
					enc, err := e.Encode(f, 0, 0)
					if err != nil {
						b.Fatal(err)
					}
					e.OnSent(&enc.Header, f)
					sum += uint64(len(enc.Data))
				}
				b.ReportMetric(float64(sum)/float64(seq), "B/frame")
			})
		}
	}
}
