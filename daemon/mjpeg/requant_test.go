package mjpeg

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testFrames returns frames of 83x61 pixels made by cjpeg of libjpeg-turbo with
// -quality 85 and -sample as in the name. restart-each has -restart 1B,
// restart-rows -restart 1, optimised -quality 97 -optimize, one-table -qslots
// 0, q100 -quality 100.
func testFrames(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/requantise/*.jpg")
	if err != nil || len(names) == 0 {
		t.Fatal("no test frames", err)
	}
	m := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m[strings.TrimSuffix(filepath.Base(name), ".jpg")] = b
	}
	m["no-tables"] = m["422"]
	for range 4 {
		m["no-tables"] = without(t, m["no-tables"], mDHT)
	}
	m["fill-bytes"] = insertBefore(t, insertBefore(t, m["420"], mSOS, 0xFF), mDQT, 0xFF, 0xFF)
	m["comment"] = insertBefore(t, m["444"], mSOS, 0xFF, mCOM, 0, 4, 0xFF, mEOI)
	m["extended"] = setByte(t, m["420"], mSOF0, 1, mSOF1)
	m["padded"] = append(slices.Clone(m["422"]), 0, 0xFF, 0xD9, 1)
	rst3, padded := []byte{0xFF, mRST0 + 3}, []byte{0xFF, 0xFF, 0xFF, mRST0 + 3}
	m["padded-restarts"] = bytes.ReplaceAll(m["restart-each"], rst3, padded)
	start, end := segmentAt(t, m["422"], mDQT) // the same steps in 16 bits
	wide := []byte{0xFF, mDQT, 0, 2 + 129, 0x10 | m["422"][start+4]}
	for _, step := range m["422"][start+5 : end] {
		wide = append(wide, 0, step)
	}
	m["wide-table"] = slices.Concat(m["422"][:start], wide, m["422"][end:])
	return m
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustLoad(t testing.TB, r *Requantiser, b []byte) {
	t.Helper()
	info, err := Check(b)
	if err == nil {
		err = r.Load(b, info)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func stdDecode(t testing.TB, b []byte) image.Image {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// samePixels reports whether two decoded frames are equal.
func samePixels(a, b image.Image) bool {
	switch a := a.(type) {
	case *image.Gray:
		b, ok := b.(*image.Gray)
		return ok && a.Rect == b.Rect && bytes.Equal(a.Pix, b.Pix)
	case *image.YCbCr:
		b, ok := b.(*image.YCbCr)
		return ok && a.Rect == b.Rect && bytes.Equal(a.Y, b.Y) && bytes.Equal(a.Cb, b.Cb) && bytes.Equal(a.Cr, b.Cr)
	case *image.RGBA:
		b, ok := b.(*image.RGBA)
		return ok && a.Rect == b.Rect && bytes.Equal(a.Pix, b.Pix)
	}
	return false
}

func TestRequantise_scale0(t *testing.T) {
	for name, b := range testFrames(t) {
		t.Run(name, func(t *testing.T) {
			var r, again Requantiser
			mustLoad(t, &r, b)
			out := r.Append([]byte("before"), 0)
			out, found := bytes.CutPrefix(out, []byte("before"))
			if !found {
				t.Fatal("the bytes in dst are lost")
			}
			if len(out) > len(b)+100 {
				t.Errorf("got %d bytes of %d, want at most 100 more", len(out), len(b))
			}
			mustLoad(t, &again, out)
			if !slices.Equal(r.coefs.words, again.coefs.words) {
				t.Error("the coefficients differ")
			}
			if name == "no-tables" {
				info, _ := Check(b)
				b = Complete(nil, b, info)
			}
			if !samePixels(stdDecode(t, b), stdDecode(t, out)) {
				t.Error("the pixels differ")
			}
		})
	}
}

// coefficientsOf returns all blocks, dequantised, and their components.
func coefficientsOf(r *Requantiser) (blocks [][64]int, component []int) {
	words := r.coefs.words
	for i := 0; len(words) > 0; i++ {
		c := r.geometry.blocks[i%r.geometry.perMCU]
		var b [64]int
		b[0] = int(int32(words[0])>>16) * int(r.srcSteps[c][0])
		n := 1 + words[0]&0xFFFF
		for _, w := range words[1:n] {
			v := int(w >> 7)
			if w&64 != 0 {
				v = -v
			}
			b[w&63] = v * int(r.srcSteps[c][w&63])
		}
		blocks, component = append(blocks, b), append(component, c)
		words = words[n:]
	}
	return blocks, component
}

func TestRequantise_rounding(t *testing.T) {
	for name, b := range testFrames(t) {
		t.Run(name, func(t *testing.T) {
			var r, made Requantiser
			mustLoad(t, &r, b)
			was, _ := coefficientsOf(&r)
			for s := Scale(8); s <= MaxScale; s += 24 {
				mustLoad(t, &made, r.Append(nil, s))
				now, component := coefficientsOf(&made)
				if len(now) != len(was) {
					t.Fatalf("got %d blocks, want %d", len(now), len(was))
				}
				for i := range now {
					for k, v := range now[i] {
						step, off := int(made.srcSteps[component[i]][k]), max(v-was[i][k], was[i][k]-v)
						if k == 0 && 2*off > step || 100*off > 64*step || v != 0 && (v > 0) != (was[i][k] > 0) {
							t.Fatalf("at %d, block %d: got %d for coefficient %d of %d in steps of %d",
								s, i, v, k, was[i][k], step)
						}
					}
				}
			}
		})
	}
}

func TestRequantise_everyScale(t *testing.T) {
	for name, b := range testFrames(t) {
		t.Run(name, func(t *testing.T) {
			var r Requantiser
			mustLoad(t, &r, b)
			was := stdDecode(t, r.Append(nil, 0))
			size := len(r.Append(nil, 0))
			for s := Scale(0); s <= MaxScale; s += 4 {
				out := r.Append(nil, s)
				if info, err := Check(out); err != nil || info.End != len(out) || !info.Tables {
					t.Fatalf("at %d: got %+v, %v from Check; want %d bytes", s, info, err, len(out))
				}
				if img := stdDecode(t, out); img.Bounds() != was.Bounds() || img.ColorModel() != was.ColorModel() {
					t.Errorf("at %d: got %v, want %v", s, img.Bounds(), was.Bounds())
				}
				// Tables are a large part of such small frames.
				if len(out) > size*102/100+10 {
					t.Errorf("at %d: got %d bytes, want at most 2 %% more than %d", s, len(out), size)
				}
				size = len(out)
			}
		})
	}
}

func TestScale_outOfRange(t *testing.T) {
	var r Requantiser
	mustLoad(t, &r, testFrames(t)["422"])
	for s, nearest := range map[Scale]Scale{-5: 0, MaxScale + 9: MaxScale} {
		if !bytes.Equal(r.Append(nil, s), r.Append(nil, nearest)) {
			t.Errorf("scale %d: got another frame than at %d", s, nearest)
		}
	}
	for s, want := range map[Scale]int{0: 98, 80: 50, 59: 80, 112: 13, MaxScale: 6} {
		if got := s.Quality(); got != want {
			t.Errorf("quality of %d: got %d, want %d", s, got, want)
		}
	}
}

func TestRequantise_metadata(t *testing.T) {
	b := testFrames(t)["422"]
	b = insertBefore(t, b, mSOF0, slices.Concat([]byte{0xFF, mAPP0 + 4, 1, 100}, make([]byte, 354))...)
	b = insertBefore(t, b, mSOF0, 0xFF, mAPP0+14, 0, 4, 'x', 'y', 0xFF, mCOM, 0, 4, 'h', 'i')
	var r Requantiser
	mustLoad(t, &r, b)
	out := r.Append(nil, 90)
	app14 := []byte{0xFF, mAPP0 + 14, 0, 4, 'x', 'y'}
	if string(Comment(out)) != "hi" || !bytes.Contains(out, app14) || !bytes.Contains(out, []byte("JFIF")) {
		t.Errorf("got % x, want JFIF, APP14 and a comment", out[:60])
	}
	if bytes.Contains(out, []byte{0xFF, mAPP0 + 4}) {
		t.Error("got a large segment, want it dropped")
	}
}

func TestLoad_invalidFrame(t *testing.T) {
	all := testFrames(t)
	good := all["422"]
	_, data := segmentAt(t, good, mSOS)
	file := func(name string) []byte { return readFile(t, "testdata/requantise/refused/"+name) }
	restarts := all["restart-each"]
	dnl := []byte{0xFF, mDNL, 0, 4, 0, 61, 0xFF, mEOI}
	rst2, rst3 := []byte{0xFF, mRST0 + 2}, []byte{0xFF, mRST0 + 3}
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrNoStart},
		{"text", []byte("hello, world"), ErrNoStart},
		{"SOI only", good[:2], ErrNoEnd},
		{"header only", good[:100], ErrNoEnd},
		{"progressive", file("progressive.jpg"), ErrUnsupported},
		{"several scans", file("three-scans.jpg"), ErrUnsupported},
		{"steps above 255", file("16bit.jpg"), ErrUnsupported},
		{"second scan", slices.Concat(good[:len(good)-2], good[data-14:]), ErrUnsupported},
		{"DNL after the scan", slices.Concat(good[:len(good)-2], dnl), ErrUnsupported},
		{"no quantisation table", without(t, without(t, good, mDQT), mDQT), ErrMarker},
		{"step 0", setByte(t, good, mDQT, 20, 0), ErrMarker},
		{"quantisation table 4", setByte(t, good, mDQT, 4, 4), ErrMarker},
		{"invalid Huffman table", setByte(t, good, mDHT, 5, 3), ErrMarker},
		{"missing Huffman table", setByte(t, good, mSOS, 6, 0x22), ErrMarker},
		{"components in another order", setByte(t, good, mSOS, 5, 2), ErrMarker},
		{"too many blocks in an MCU", setByte(t, good, mSOF0, 11, 0x44), ErrMarker},
		{"no data", append(slices.Clone(good[:data]), 0xFF, mEOI), ErrMarker},
		{"truncated data", append(slices.Clone(good[:data+200]), 0xFF, mEOI), ErrMarker},
		{"missing restart marker", bytes.Replace(restarts, rst2, nil, 1), ErrMarker},
		{"surplus restart marker", bytes.Replace(restarts, rst2, slices.Concat(rst3, rst2), 1), ErrMarker},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Requantiser
			mustLoad(t, &r, good)
			if err := r.Load(c.b, Info{End: len(c.b)}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			r.Shrink(4)
			if b := r.Append(nil, 50); len(b) != 0 {
				t.Errorf("got %d bytes of an invalid frame, want none", len(b))
			}
		})
	}
	var r Requantiser
	if err := r.Load(good, Info{End: len(good) + 1}); err != nil {
		t.Errorf("End beyond the bytes: got %v, want no error", err)
	}
}

func TestRequantise_allocations(t *testing.T) {
	all := testFrames(t)
	var r Requantiser
	dst := make([]byte, 0, 64<<10)
	run := func() {
		for _, name := range []string{"422", "optimised", "restart-each"} {
			mustLoad(t, &r, all[name])
			dst = r.Append(dst[:0], 80)
			dst, _ = r.AppendWithin(dst[:0], 2000)
			r.Shrink(4)
			dst = r.Append(dst[:0], 60)
			mustLoad(t, &r, all[name])
			r.Shrink(3)
			dst, _ = r.AppendWithin(dst[:0], 500)
		}
	}
	run()
	run()
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// Most programs decode with libjpeg. It warns on standard error.
func TestRequantise_libjpeg(t *testing.T) {
	djpeg, err := exec.LookPath("djpeg")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("djpeg is not installed: package libjpeg-turbo-progs")
	} else if err != nil {
		t.Skip("djpeg is not installed")
	}
	read := func(b []byte) string {
		cmd := exec.Command(djpeg, "-pnm")
		cmd.Stdin = bytes.NewReader(b)
		var out, complaint bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaint
		if err := cmd.Run(); err != nil || complaint.Len() > 0 {
			t.Errorf("got %v, %q from djpeg; want no warning", err, complaint.String())
		}
		return out.String()
	}
	for name, b := range testFrames(t) {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "padded") {
				return // libjpeg warns about the source
			}
			var r Requantiser
			mustLoad(t, &r, b)
			if read(b) != read(r.Append(nil, 0)) {
				t.Errorf("the pixels differ")
			}
			read(r.Append(nil, 70))
			read(r.Append(nil, MaxScale))
			r.Shrink(4)
			if p := read(r.Append(nil, 60)); !strings.HasPrefix(p[2:], "\n42 31\n") {
				t.Errorf("halved: got %q, want 42x31", p[:10])
			}
			r.Shrink(3)
			if p := read(r.Append(nil, 90)); !strings.HasPrefix(p[2:], "\n16 12\n") {
				t.Errorf("three eighths of that: got %q, want 16x12", p[:10])
			}
		})
	}
}

func FuzzRequantise(f *testing.F) {
	for _, b := range testFrames(f) {
		f.Add(b, uint8(70))
	}
	f.Add(stdFrame(f), uint8(100))
	f.Fuzz(func(t *testing.T, b []byte, scale uint8) {
		var r, again Requantiser
		info, err := Check(b)
		if err != nil {
			if r.Load(b, Info{End: len(b)}) == nil { // Check is stricter
				r.Append(nil, Scale(scale))
			}
			return
		}
		if r.Load(b, info) != nil {
			return
		}
		_, sourceErr := jpeg.DecodeConfig(bytes.NewReader(Complete(nil, b, info)))
		w, h := info.Width, info.Height
		for range 3 {
			if len(r.coefs.words) > 32*len(b)+2048 {
				t.Fatalf("got %d words of %d bytes", len(r.coefs.words), len(b))
			}
			same := r.Append(nil, 0)
			mustLoad(t, &again, same)
			if !slices.Equal(again.coefs.words, r.coefs.words) {
				t.Fatal("scale 0 changes the coefficients")
			}
			for _, out := range [][]byte{same, r.Append(nil, Scale(scale))} {
				got, err := Check(out)
				if err != nil || got.Width != w || got.Height != h || got.End != len(out) {
					t.Fatalf("got %+v, %v; want %dx%d", got, err, w, h)
				}
				if sourceErr == nil && w*h < 1<<20 {
					if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if out, s := r.AppendWithin(nil, len(b)/2); len(out) > len(b)/2 && s != r.coarsest() {
				t.Fatalf("got %d bytes at scale %d, want at most %d", len(out), s, len(b)/2)
			}
			n := 4 - int(scale)%2
			r.Shrink(n)
			w, h = (w*n+7)/8, (h*n+7)/8
			if gw, gh := r.Size(); gw != w || gh != h {
				t.Fatalf("got %dx%d, want %dx%d", gw, gh, w, h)
			}
		}
	})
}
