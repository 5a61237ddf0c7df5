package mjpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tiledFrame returns a frame of 8x8 tiles of 16x16 pixels, each of one luma,
// with a restart marker between any two. parts are the header, then the tiles,
// each with the marker before it.
func tiledFrame(t testing.TB) (parts [][]byte) {
	t.Helper()
	e := NewEncoder(90)
	parts = append(parts, e.AppendTiledHeader(nil, 128, 128, nil))
	for i := range 64 {
		tile := Tile{}
		for j := range tile.Y {
			tile.Y[j] = tileLuma(i)
		}
		for j := range tile.Cb {
			tile.Cb[j], tile.Cr[j] = 60, 200
		}
		var part []byte
		if i > 0 {
			part = AppendRestart(nil, i-1)
		}
		parts = append(parts, e.AppendTile(part, &tile))
	}
	parts[64] = AppendEnd(parts[64])
	return parts
}

func tileLuma(i int) byte { return byte(1 + 3*i) }

const missingLuma = 128 // grey; no tile has it

// tileLumas returns the luma of each tile; missingLuma for grey without colour.
// It fails the test for a tile of several colours.
func tileLumas(t testing.TB, p *Planes) (luma []byte) {
	t.Helper()
	for i := range 64 {
		x, y := i%8*16, i/8*16
		l, cb := p.Y[y*p.YStride+x], p.Cb[y/2*p.CStride+x/2]
		for j := range 256 {
			if p.Y[(y+j/16)*p.YStride+x+j%16] != l || p.Cb[(y+j/16)/2*p.CStride+(x+j%16)/2] != cb {
				t.Fatalf("tile %d: got several colours, want one", i)
			}
		}
		if (l == missingLuma) != (cb == 128) {
			t.Fatalf("tile %d: got luma %d, Cb %d; want both grey or neither", i, l, cb)
		}
		luma = append(luma, l)
	}
	return luma
}

func TestDecode_damageEndsAtRestartMarker(t *testing.T) {
	parts := tiledFrame(t)
	replace := func(i int, with ...[]byte) [][]byte { return slices.Concat(parts[:i+1], with, parts[i+2:]) }
	marker := AppendRestart(nil, 8)                                   // before tile 9
	noCode := slices.Concat(marker, bytes.Repeat([]byte{0xFF, 0}, 8)) // all ones are an invalid code
	surplus := slices.Concat(parts[10], []byte{1, 2, 0xFF, 0, 3, 0xFF, 0xFF})
	for _, c := range []struct {
		name    string
		parts   [][]byte
		missing []int // tiles
	}{
		{"no damage", parts, nil},
		{"damaged tile", replace(9, noCode), []int{9}},
		{"empty tile", replace(9, marker), []int{9}},
		{"missing tile", replace(9), []int{9}},
		{"surplus bytes after a tile", replace(9, surplus), nil},
		{"repeated tile", replace(9, parts[10], parts[10]), nil},
		{"three repeated tiles", replace(9, parts[8], parts[9], parts[10]), nil},
		{"three missing tiles", slices.Concat(parts[:20], parts[23:]), []int{19, 20, 21}},
		{"empty first tile", replace(0), []int{0}},
		{"missing last tiles", parts[:62], []int{61, 62, 63}},
		{"EOI in the middle", slices.Concat(parts[:62], [][]byte{{0xFF, mEOI}}, parts[62:]), []int{61, 62, 63}},
	} {
		for _, scale := range []int{1, 2, 4, 8} {
			t.Run(fmt.Sprintf("%s at 1/%d", c.name, scale), func(t *testing.T) {
				checkMissingTiles(t, parts, c.parts, scale, c.missing)
			})
		}
	}
}

// checkMissingTiles decodes the parts of a damaged tiledFrame and compares its
// missing tiles. complete are the parts without damage.
func checkMissingTiles(t *testing.T, complete, parts [][]byte, scale int, want []int) {
	t.Helper()
	var d Decoder
	mustDecode(t, &d, slices.Concat(complete...), scale) // so that leftovers of an old frame would show
	p, err := d.Decode(slices.Concat(parts...), scale)
	if p == nil || (err != nil) != (want != nil) || err != nil && !errors.Is(err, ErrTruncated) {
		t.Fatalf("got planes %v, %v; want planes, and ErrTruncated if tiles are missing", p != nil, err)
	}
	if scale != 1 {
		return
	}
	var got []int
	for i, l := range tileLumas(t, p) {
		if l == missingLuma {
			got = append(got, i)
		} else if l != tileLuma(i) {
			t.Errorf("tile %d: got luma %d, want %d", i, l, tileLuma(i))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got missing tiles %v, want %v", got, want)
	}
}

// Whatever the length, the decoded part is correct, and below it is one colour.
func TestDecode_truncatedFrame(t *testing.T) {
	const w, h = 320, 240
	b, err := NewEncoder(90).EncodeYUYV(nil, scene(w, h, 2*w, 2), w, h, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, data := segmentAt(t, b, mSOS)
	for _, scale := range []int{1, 2, 4, 8} {
		var whole, cut Decoder
		p := mustDecode(t, &whole, b, scale)
		good := 0
		for end := data; end < len(b)-2; end += 211 {
			q, err := cut.Decode(b[:end], scale)
			if q == nil || !errors.Is(err, ErrTruncated) {
				t.Fatalf("%d of %d bytes: got %v, want planes and ErrTruncated", end, len(b), err)
			}
			// Rows of complete MCUs are the same, then one may be partial, then
			// there is one colour.
			mcu, rows := 8/scale, 0
			for rows < q.H && bytes.Equal(q.Y[rows*q.YStride:][:q.W], p.Y[rows*p.YStride:][:q.W]) {
				rows++
			}
			if rows < good {
				t.Fatalf("%d bytes: got %d good rows, want at least the %d of fewer bytes", end, rows, good)
			}
			good = rows
			last := q.Y[(q.H-1)*q.YStride:][:q.W]
			for y := (rows/mcu + 1) * mcu; y < q.H; y++ {
				row := q.Y[y*q.YStride:][:q.W]
				if slices.Min(row) != slices.Max(last) || slices.Max(row) != slices.Min(last) {
					t.Fatalf("%d bytes: got several colours in row %d, want one after row %d", end, y, rows)
				}
			}
		}
		if good < p.H*3/4 {
			t.Errorf("at 1/%d: got %d good rows of nearly all bytes, want %d", scale, good, p.H*3/4)
		}
	}
}

// setSampling sets the sampling factors of a frame's three components.
func setSampling(t *testing.T, b []byte, y, cb, cr byte) []byte {
	return setByte(t, setByte(t, setByte(t, b, mSOF0, 11, y), mSOF0, 14, cb), mSOF0, 17, cr)
}

func TestDecode_invalidFrame(t *testing.T) {
	good := testFrames(t)["422"]
	_, data := segmentAt(t, good, mSOS)
	huge := setByte(t, setByte(t, good, mSOF0, 5, 0xFF), mSOF0, 7, 0xFF)
	var d Decoder
	for _, c := range []struct {
		name  string
		b     []byte
		scale int
		want  error
	}{
		{"nothing", nil, 1, ErrNoStart},
		{"text", []byte("hello, world"), 1, ErrNoStart},
		{"truncated header", good[:data-3], 1, ErrNoEnd},
		{"scale 0", good, 0, ErrUnsupported},
		{"scale 3", good, 3, ErrUnsupported},
		{"scale 16", good, 16, ErrUnsupported},
		{"progressive", setByte(t, good, mSOF0, 1, mSOF2), 1, ErrUnsupported},
		{"claim of 65000x65000", huge, 1, ErrTooSmall},
		{"65000x65000 with 9 MB", append(slices.Clone(huge), make([]byte, 9<<20)...), 1, ErrUnsupported},
		{"sampling of 3 to 2", setSampling(t, good, 0x31, 0x21, 0x21), 1, ErrUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p, err := d.Decode(c.b, c.scale); !errors.Is(err, c.want) || p != nil {
				t.Errorf("got planes %v, %v; want none, %v", p != nil, err, c.want)
			}
		})
	}
	if cap(d.memory) > 1<<20 {
		t.Errorf("got %d bytes of memory for invalid frames, want at most 1 MB", cap(d.memory))
	}
}

func TestDecode_rgb(t *testing.T) {
	var d Decoder
	b := testFrames(t)["rgb"]
	p := mustDecode(t, &d, b, 1)
	img := stdDecode(t, b)
	pix := make([]byte, 4*p.W*p.H)
	p.PutRGBX(pix, 4*p.W)
	for i := range p.W * p.H {
		c := color.RGBAModel.Convert(img.At(i%p.W, i/p.W)).(color.RGBA)
		if abs(c.R, pix[4*i]) > 3 || abs(c.G, pix[4*i+1]) > 3 || abs(c.B, pix[4*i+2]) > 3 {
			t.Fatalf("pixel %d: got %v, image/jpeg has %v", i, pix[4*i:4*i+4], c)
		}
	}
}

// Huffman tables are rebuilt only when they change. Frames must not be decoded
// with the tables of the previous one.
func TestDecoder_reuse(t *testing.T) {
	all := decodableFrames(t)
	var used Decoder
	for _, scale := range []int{1, 2, 4, 8} {
		for name, b := range all { // in any order
			var fresh Decoder
			p, q := mustDecode(t, &used, b, scale), mustDecode(t, &fresh, b, scale)
			if !bytes.Equal(p.Y, q.Y) || !bytes.Equal(p.Cb, q.Cb) || !bytes.Equal(p.Cr, q.Cr) {
				t.Errorf("%s at 1/%d: got other planes than from a new Decoder", name, scale)
			}
		}
	}
}

// entropyBytes packs zeros and ones into entropy-coded data.
func entropyBytes(s string) (b []byte) {
	for s += "1111111"; len(s) >= 8; s = s[8:] {
		v, _ := strconv.ParseUint(s[:8], 2, 8)
		if b = append(b, byte(v)); v == 0xFF {
			b = append(b, 0)
		}
	}
	return b
}

// One grey block with DC 0 and various AC codes of table K.5.
func TestDecode_blockEnd(t *testing.T) {
	const zrl, one, eob = "11111111001", "001", "1010"        // ZRL; run 0, value 1; EOB
	const fourteen = "11111111001" + "1111111111101011" + "1" // ZRL, then run 14, value 1
	grey, err := NewEncoder(90).EncodeGrey(nil, make([]byte, 64), 8, 8, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, data := segmentAt(t, grey, mSOS)
	dark := AppendEnd(slices.Concat(grey[:data], entropyBytes("00"+one+eob)))
	for _, c := range []struct {
		name, ac string
		good     bool
	}{
		{"EOB only", eob, true},
		{"last coefficient", strings.Repeat(one, 63), true},
		{"EOB after the last but one", strings.Repeat(one, 62) + eob, true},
		{"ZRL up to the end", strings.Repeat(one, 47) + zrl, true},
		{"ZRL beyond the end", strings.Repeat(one, 60) + zrl, true},
		{"ZRL far beyond the end", strings.Repeat(one, 62) + zrl, true},
		{"value beyond the end", strings.Repeat(one, 40) + fourteen, false},
		{"no end", strings.Repeat(one, 30), false},
		{"invalid code", strings.Repeat(one, 30) + "1111111111111111", false},
	} {
		b := AppendEnd(slices.Concat(grey[:data], entropyBytes("00"+c.ac)))
		for _, scale := range []int{1, 2, 4, 8} {
			t.Run(fmt.Sprintf("%s at 1/%d", c.name, scale), func(t *testing.T) {
				var d Decoder
				if p, err := d.Decode(b, scale); p == nil || (err == nil) != c.good {
					t.Errorf("got planes %v, %v; want planes, good %v", p != nil, err, c.good)
				}
				var fresh Decoder
				p, q := mustDecode(t, &d, dark, scale), mustDecode(t, &fresh, dark, scale)
				if !bytes.Equal(p.Y, q.Y) {
					t.Error("got leftovers of the block in the next frame")
				}
			})
		}
	}
}
