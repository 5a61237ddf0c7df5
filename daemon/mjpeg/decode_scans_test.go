package mjpeg

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"os/exec"
	"testing"
)

type sampling struct{ h, v int }

// componentScans returns a frame with a scan for each component, of any
// sampling factors. app are segments before the tables.
func componentScans(t testing.TB, w, h int, app []byte, comps ...sampling) []byte {
	t.Helper()
	hmax, vmax := 1, 1
	for _, c := range comps {
		hmax, vmax = max(hmax, c.h), max(vmax, c.v)
	}
	e := NewEncoder(90)
	var tables, scans []byte
	n := byte(len(comps))
	sof := []byte{0xFF, mSOF0, 0, 8 + 3*n, 8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), n}
	for i, c := range comps {
		cw, ch := ceilDiv(w*c.h, hmax), ceilDiv(h*c.v, vmax)
		plane := make([]byte, cw*ch)
		for j := range plane {
			x, y := j%cw*hmax/c.h, j/cw*vmax/c.v
			plane[j] = byte(60 + (x+30*i)*2%100 + (y*(i+2)+20*i)%90)
		}
		b, err := e.EncodeGrey(nil, plane, cw, ch, 0)
		if err != nil {
			t.Fatal(err)
		}
		start, _ := segmentAt(t, b, mDQT)
		end, _ := segmentAt(t, b, mSOF0)
		tables = b[start:end]
		start, end = segmentAt(t, b, mDHT)
		dht := b[start:end]
		_, data := segmentAt(t, b, mSOS)
		id := byte(i + 1)
		sof = append(sof, id, byte(c.h<<4|c.v), 0)
		if i == 0 {
			scans = append(scans, dht...)
		}
		scans = append(scans, 0xFF, mSOS, 0, 8, 1, id, 0, 0, 63, 0)
		scans = append(scans, b[data:len(b)-2]...)
	}
	frame := append([]byte{0xFF, mSOI}, app...)
	frame = append(frame, tables...)
	frame = append(frame, sof...)
	frame = append(frame, scans...)
	return AppendEnd(frame)
}

func adobeSegment(transform byte) []byte {
	return []byte{0xFF, mAPP0 + 14, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, transform}
}

// pixelsOf decodes b and returns red, green and blue.
func pixelsOf(t testing.TB, b []byte) (pix []byte, w, h int) {
	t.Helper()
	var d Decoder
	p := mustDecode(t, &d, b, 1)
	rgbx := make([]byte, 4*p.W*p.H)
	p.PutRGBX(rgbx, 4*p.W)
	for i := range p.W * p.H {
		pix = append(pix, rgbx[4*i:4*i+3]...)
	}
	return pix, p.W, p.H
}

// Sequential frames of kinds that no camera encodes, but that libjpeg decodes.
func TestDecode_unusualFrames(t *testing.T) {
	one, two := sampling{1, 1}, sampling{2, 2}
	read := func(name string) []byte { return readFile(t, "testdata/requantise/refused/"+name) }
	for name, b := range map[string][]byte{
		"three scans":             componentScans(t, 83, 61, jfifSegment, two, one, one),
		"three scans, 4:2:2":      componentScans(t, 83, 61, jfifSegment, sampling{2, 1}, one, one),
		"three scans of cjpeg":    read("three-scans.jpg"),
		"16-bit steps":            read("16bit.jpg"),
		"chroma a third":          componentScans(t, 83, 61, jfifSegment, sampling{3, 1}, one, one),
		"chroma a third each way": componentScans(t, 83, 61, jfifSegment, sampling{3, 3}, one, one),
		"different chroma":        componentScans(t, 83, 61, jfifSegment, two, sampling{1, 2}, sampling{2, 1}),
		"chroma larger than luma": componentScans(t, 83, 61, jfifSegment, one, two, two),
		"subsampled RGB":          componentScans(t, 83, 61, adobeSegment(0), two, one, one),
		"sampling 2x2 for all":    componentScans(t, 83, 61, jfifSegment, two, two, two),
		"one row of pixels":       componentScans(t, 83, 1, jfifSegment, two, one, one),
	} {
		t.Run(name, func(t *testing.T) {
			got, w, h := pixelsOf(t, b)
			want, ww, wh := djpegPixels(t, b)
			if w != ww || h != wh {
				t.Fatalf("got %dx%d, djpeg has %dx%d", w, h, ww, wh)
			}
			for i := range got {
				if abs(got[i], want[i]) > 3 {
					t.Fatalf("pixel %d,%d: got %v, djpeg has %v", i/3%w, i/3/w, got[i/3*3:i/3*3+3], want[i/3*3:i/3*3+3])
				}
			}
			info, err := Check(b)
			if err != nil || info.Width != w || info.Height != h {
				t.Errorf("got %+v, %v from Check; want %dx%d", info, err, w, h)
			}
		})
	}
}

// djpegPixels decodes b with libjpeg.
func djpegPixels(t *testing.T, b []byte) (pix []byte, w, h int) {
	t.Helper()
	cmd := exec.Command(djpegPath(t), "-ppm", "-rgb", "-dct", "int", "-nosmooth")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return parsePPM(t, out)
}

// djpeg does not convert four components; image/jpeg does.
func TestDecode_cmyk(t *testing.T) {
	one, two := sampling{1, 1}, sampling{2, 2}
	for name, b := range map[string][]byte{
		"CMYK":            componentScans(t, 83, 61, adobeSegment(0), one, one, one, one),
		"YCCK":            componentScans(t, 83, 61, adobeSegment(2), one, one, one, one),
		"YCCK subsampled": componentScans(t, 83, 61, adobeSegment(2), two, one, one, two),
	} {
		t.Run(name, func(t *testing.T) {
			img, err := jpeg.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			got, w, h := pixelsOf(t, b)
			if img.Bounds() != image.Rect(0, 0, w, h) {
				t.Fatalf("got %dx%d, want %v", w, h, img.Bounds())
			}
			for i := range w * h {
				c := color.RGBAModel.Convert(img.At(i%w, i/w)).(color.RGBA)
				if abs(c.R, got[3*i]) > 4 || abs(c.G, got[3*i+1]) > 4 || abs(c.B, got[3*i+2]) > 4 {
					t.Fatalf("pixel %d,%d: got %v, image/jpeg has %v", i%w, i/w, got[3*i:3*i+3], c)
				}
			}
		})
	}
}

func TestDecode_scanMissing(t *testing.T) {
	b := componentScans(t, 83, 61, jfifSegment, sampling{2, 2}, sampling{1, 1}, sampling{1, 1})
	last := bytes.LastIndex(b, []byte{0xFF, mSOS})
	var d Decoder
	mustDecode(t, &d, b, 1)
	p, err := d.Decode(AppendEnd(b[:last:last]), 1)
	if p == nil || err == nil {
		t.Fatalf("got planes %v, %v; want planes and ErrTruncated", p != nil, err)
	}
	for _, v := range p.Cr {
		if v != 128 {
			t.Fatalf("got %d in the missing component, want 128", v)
		}
	}
}

// JFIF defines the colours wherever it stands.
func TestDecode_jfifWins(t *testing.T) {
	one := sampling{1, 1}
	want, _, _ := pixelsOf(t, componentScans(t, 40, 30, jfifSegment, one, one, one))
	comment := bytes.Repeat(append([]byte{0xFF, mCOM, 0, 202}, make([]byte, 200)...), 8)
	for name, app := range map[string][]byte{
		"JFIF first":              append(bytes.Clone(jfifSegment), adobeSegment(0)...),
		"Adobe first":             append(adobeSegment(0), jfifSegment...),
		"JFIF after many others":  append(append(adobeSegment(0), comment...), jfifSegment...),
		"JFIF after COM, no more": append(comment, jfifSegment...),
	} {
		t.Run(name, func(t *testing.T) {
			b := componentScans(t, 40, 30, app, one, one, one)
			if got, _, _ := pixelsOf(t, b); !bytes.Equal(got, want) {
				t.Error("got other colours than with JFIF alone")
			}
		})
	}
}
