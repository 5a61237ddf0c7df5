package mjpeg

import (
	"bytes"
	"errors"
	"image/color"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mosaic is a frame of 8x8 tiles of 16x16 pixels, each of one luma of its own, with a restart marker between any two. The parts
// are the header, then the tiles, each with the marker before it.
func mosaic(t testing.TB) (parts [][]byte) {
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

const missing = 128 // grey, which is no tile's luma

// tilesOf is the luma of each tile, missing where it is grey without colour. Tiles that are not of one colour fail the test.
func tilesOf(t testing.TB, p *Planes) (luma []byte) {
	t.Helper()
	for i := range 64 {
		x, y := i%8*16, i/8*16
		l, cb := p.Y[y*p.YStride+x], p.Cb[y/2*p.CStride+x/2]
		for j := range 256 {
			if p.Y[(y+j/16)*p.YStride+x+j%16] != l || p.Cb[(y+j/16)/2*p.CStride+(x+j%16)/2] != cb {
				t.Fatalf("tile %d is not of one colour", i)
			}
		}
		if (l == missing) != (cb == 128) {
			t.Fatalf("tile %d: luma %d, Cb %d", i, l, cb)
		}
		luma = append(luma, l)
	}
	return luma
}

func TestDamageIsHeldByRestartMarkers(t *testing.T) {
	parts := mosaic(t)
	replace := func(i int, with ...[]byte) [][]byte { return slices.Concat(parts[:i+1], with, parts[i+2:]) }
	marker := AppendRestart(nil, 8)                                           // before tile 9
	noCode := slices.Concat(marker, bytes.Repeat([]byte{0xFF, 0}, 8))         // all ones are no code
	rubbish := slices.Concat(parts[10], []byte{1, 2, 0xFF, 0, 3, 0xFF, 0xFF}) // as if there were more
	for _, c := range []struct {
		name    string
		parts   [][]byte
		missing []int // tiles
	}{
		{"nothing", parts, nil},
		{"a tile damaged", replace(9, noCode), []int{9}},
		{"a tile empty", replace(9, marker), []int{9}},
		{"a tile missing", replace(9), []int{9}},
		{"rubbish behind a tile", replace(9, rubbish), nil},
		{"a tile twice", replace(9, parts[10], parts[10]), nil},
		{"three tiles twice", replace(9, parts[8], parts[9], parts[10]), nil},
		{"three tiles missing", slices.Concat(parts[:20], parts[23:]), []int{19, 20, 21}},
		{"the first tile empty", replace(0), []int{0}},
		{"the last tiles missing", parts[:62], []int{61, 62, 63}},
		{"an end in the middle", slices.Concat(parts[:62], [][]byte{{0xFF, mEOI}}, parts[62:]), []int{61, 62, 63}},
	} {
		for _, scale := range []int{1, 2, 4, 8} {
			var d Decoder
			decode(t, &d, slices.Concat(parts...), scale) // so that an old frame could show
			p, err := d.Decode(slices.Concat(c.parts...), scale)
			if p == nil || (err != nil) != (c.missing != nil) || err != nil && !errors.Is(err, ErrTruncated) {
				t.Errorf("%s at 1/%d: %v", c.name, scale, err)
				continue
			}
			if scale != 1 {
				continue
			}
			var gone []int
			for i, l := range tilesOf(t, p) {
				if l == missing {
					gone = append(gone, i)
				} else if l != tileLuma(i) {
					t.Errorf("%s: tile %d has luma %d, want %d", c.name, i, l, tileLuma(i))
				}
			}
			if !slices.Equal(gone, c.missing) {
				t.Errorf("%s: tiles %v are missing, want %v", c.name, gone, c.missing)
			}
		}
	}
}

// A frame that is cut off anywhere shows what came, and below it the last colour.
func TestDecodeOfATruncatedFrameShowsWhatCame(t *testing.T) {
	const w, h = 320, 240
	b, err := NewEncoder(90).EncodeYUYV(nil, scene(w, h, 2*w, 2), w, h, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, data := segmentAt(t, b, mSOS)
	for _, scale := range []int{1, 2, 4, 8} {
		var whole, cut Decoder
		p := decode(t, &whole, b, scale)
		good := 0
		for end := data; end < len(b)-2; end += 211 {
			q, err := cut.Decode(b[:end], scale)
			if q == nil || !errors.Is(err, ErrTruncated) {
				t.Fatalf("cut to %d of %d bytes: %v", end, len(b), err)
			}
			// Whole rows of MCUs that are the same, then perhaps a part of one, then one colour.
			mcu, rows := 8/scale, 0
			for rows < q.H && bytes.Equal(q.Y[rows*q.YStride:][:q.W], p.Y[rows*p.YStride:][:q.W]) {
				rows++
			}
			if rows < good {
				t.Fatalf("cut to %d bytes: %d rows are there, %d of fewer bytes", end, rows, good)
			}
			good = rows
			last := q.Y[(q.H-1)*q.YStride:][:q.W]
			for y := (rows/mcu + 1) * mcu; y < q.H; y++ {
				if row := q.Y[y*q.YStride:][:q.W]; slices.Min(row) != slices.Max(last) || slices.Max(row) != slices.Min(last) {
					t.Fatalf("cut to %d bytes: row %d is of several colours behind row %d", end, y, rows)
				}
			}
		}
		if good < p.H*3/4 {
			t.Errorf("at 1/%d of nearly all bytes only %d rows came", scale, good)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := corpus(t)["422"]
	_, data := segmentAt(t, good, mSOS)
	huge := change(t, change(t, good, mSOF0, 5, 0xFF), mSOF0, 7, 0xFF)
	var d Decoder
	for _, c := range []struct {
		name  string
		b     []byte
		scale int
		want  error
	}{
		{"nothing", nil, 1, ErrNoStart},
		{"text", []byte("hello, world"), 1, ErrNoStart},
		{"a header that is cut off", good[:data-3], 1, ErrNoEnd},
		{"a scale of 0", good, 0, ErrUnsupported},
		{"a scale of 3", good, 3, ErrUnsupported},
		{"a scale of 16", good, 16, ErrUnsupported},
		{"progressive", change(t, good, mSOF0, 1, mSOF2), 1, ErrUnsupported},
		{"a claim of 65000x65000", huge, 1, ErrTooSmall},
		{"65000x65000 with some bytes", append(slices.Clone(huge), make([]byte, 9<<20)...), 1, ErrUnsupported},
		{"chroma larger than luma", change(t, change(t, change(t, good, mSOF0, 11, 0x11), mSOF0, 14, 0x21), mSOF0, 17, 0x21), 1, ErrUnsupported},
		{"a third as much chroma", change(t, good, mSOF0, 11, 0x31), 1, ErrUnsupported},
		{"Cb and Cr of different sizes", change(t, good, mSOF0, 14, 0x21), 1, ErrUnsupported},
		{"three to two", change(t, change(t, change(t, good, mSOF0, 11, 0x31), mSOF0, 14, 0x21), mSOF0, 17, 0x21), 1, ErrUnsupported},
	} {
		if p, err := d.Decode(c.b, c.scale); !errors.Is(err, c.want) || p != nil {
			t.Errorf("%s: planes %v, %v, want %v", c.name, p != nil, err, c.want)
		}
	}
	if cap(d.memory) > 1<<20 {
		t.Errorf("refusing took %d bytes of memory", cap(d.memory))
	}
}

func TestFramesOfRedGreenAndBlue(t *testing.T) {
	var d Decoder
	b := corpus(t)["rgb"]
	p := decode(t, &d, b, 1)
	img := decoded(t, b)
	pix := make([]byte, 4*p.W*p.H)
	p.PutRGBX(pix, 4*p.W)
	for i := range p.W * p.H {
		c := color.RGBAModel.Convert(img.At(i%p.W, i/p.W)).(color.RGBA)
		if abs(c.R, pix[4*i]) > 3 || abs(c.G, pix[4*i+1]) > 3 || abs(c.B, pix[4*i+2]) > 3 {
			t.Fatalf("pixel %d is %v, image/jpeg has %v", i, pix[4*i:4*i+4], c)
		}
	}
}

// Huffman tables are made anew only where they changed: frames in turn must not decode with each other's.
func TestDecoderForgetsTheLastFrame(t *testing.T) {
	all := decodable(t)
	var used Decoder
	for _, scale := range []int{1, 2, 4, 8} {
		for name, b := range all { // in any order
			var fresh Decoder
			p, q := decode(t, &used, b, scale), decode(t, &fresh, b, scale)
			if !bytes.Equal(p.Y, q.Y) || !bytes.Equal(p.Cb, q.Cb) || !bytes.Equal(p.Cr, q.Cr) {
				t.Errorf("%s at 1/%d: not what a new Decoder makes", name, scale)
			}
		}
	}
}

// bitsOf makes entropy-coded data of zeros and ones.
func bitsOf(s string) (b []byte) {
	for s += "1111111"; len(s) >= 8; s = s[8:] {
		v, _ := strconv.ParseUint(s[:8], 2, 8)
		if b = append(b, byte(v)); v == 0xFF {
			b = append(b, 0)
		}
	}
	return b
}

// One grey block with a DC of 0, and what may or may not follow it, in the codes of table K.5.
func TestWhereABlockEnds(t *testing.T) {
	const zrl, one, eob = "11111111001", "001", "1010"        // sixteen zeros; a 1 without zeros; the end
	const fourteen = "11111111001" + "1111111111101011" + "1" // ZRL, then a 1 behind fourteen zeros
	grey, err := NewEncoder(90).EncodeGrey(nil, make([]byte, 64), 8, 8, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, data := segmentAt(t, grey, mSOS)
	dark := AppendEnd(slices.Concat(grey[:data], bitsOf("00"+one+eob)))
	for _, c := range []struct {
		name, ac string
		good     bool
	}{
		{"at once", eob, true},
		{"with the last value", strings.Repeat(one, 63), true},
		{"behind the last but one", strings.Repeat(one, 62) + eob, true},
		{"with zeros up to it", strings.Repeat(one, 47) + zrl, true},
		{"with zeros over it, as others pass over", strings.Repeat(one, 60) + zrl, true},
		{"with zeros over it by most", strings.Repeat(one, 62) + zrl, true},
		{"with a value behind it", strings.Repeat(one, 40) + fourteen, false},
		{"nowhere", strings.Repeat(one, 30), false},
		{"with no code", strings.Repeat(one, 30) + "1111111111111111", false},
	} {
		b := AppendEnd(slices.Concat(grey[:data], bitsOf("00"+c.ac)))
		for _, scale := range []int{1, 2, 4, 8} {
			var d Decoder
			if p, err := d.Decode(b, scale); p == nil || (err == nil) != c.good {
				t.Errorf("%s, at 1/%d: %v", c.name, scale, err)
			}
			var fresh Decoder
			if p, q := decode(t, &d, dark, scale), decode(t, &fresh, dark, scale); !bytes.Equal(p.Y, q.Y) {
				t.Errorf("%s, at 1/%d: what is left of it is in the next frame", c.name, scale)
			}
		}
	}
}
