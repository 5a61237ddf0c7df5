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

// corpus is frames of 83x61 pixels made by cjpeg of libjpeg-turbo: -quality 85 and -sample as the name says,
// restart-each with -restart 1B, restart-rows with -restart 1, optimised with -quality 97 -optimize, one-table with
// -qslots 0, q100 with -quality 100.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/requantise/*.jpg")
	if err != nil || len(names) == 0 {
		t.Fatal("no corpus", err)
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
	m["fill-bytes"] = insert(t, insert(t, m["420"], mSOS, 0xFF), mDQT, 0xFF, 0xFF)
	m["comment"] = insert(t, m["444"], mSOS, 0xFF, mCOM, 0, 4, 0xFF, mEOI)
	m["extended"] = change(t, m["420"], mSOF0, 1, mSOF1)
	m["padded"] = append(slices.Clone(m["422"]), 0, 0xFF, 0xD9, 1)
	m["padded-restarts"] = bytes.ReplaceAll(m["restart-each"], []byte{0xFF, mRST0 + 3}, []byte{0xFF, 0xFF, 0xFF, mRST0 + 3})
	start, end := segmentAt(t, m["422"], mDQT) // the same steps, with 16 bits each
	wide := []byte{0xFF, mDQT, 0, 2 + 129, 0x10 | m["422"][start+4]}
	for _, step := range m["422"][start+5 : end] {
		wide = append(wide, 0, step)
	}
	m["wide-table"] = slices.Concat(m["422"][:start], wide, m["422"][end:])
	return m
}

func load(t testing.TB, r *Requantiser, b []byte) {
	t.Helper()
	info, err := Check(b)
	if err == nil {
		err = r.Load(b, info)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func decoded(t testing.TB, b []byte) image.Image {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// samePixels compares what image/jpeg makes of two frames.
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

func TestScale0ChangesNothing(t *testing.T) {
	for name, b := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			var r, again Requantiser
			load(t, &r, b)
			out := r.Append([]byte("before"), 0)
			out, found := bytes.CutPrefix(out, []byte("before"))
			if !found {
				t.Fatal("what was there is gone")
			}
			if len(out) > len(b)+100 {
				t.Errorf("%d bytes became %d", len(b), len(out))
			}
			load(t, &again, out)
			if !slices.Equal(r.coef.words, again.coef.words) {
				t.Error("the coefficients differ")
			}
			if name == "no-tables" {
				info, _ := Check(b)
				b = Complete(nil, b, info)
			}
			if !samePixels(decoded(t, b), decoded(t, out)) {
				t.Error("the pixels differ")
			}
		})
	}
}

// coefficientsOf spreads a component's blocks out and dequantises them.
func coefficientsOf(r *Requantiser) (blocks [][64]int, component []int) {
	words := r.coef.words
	for i := 0; len(words) > 0; i++ {
		c := r.shape.blocks[i%r.shape.perMCU]
		var b [64]int
		b[0] = int(int32(words[0])>>16) * int(r.from[c][0])
		n := 1 + words[0]&0xFFFF
		for _, w := range words[1:n] {
			v := int(w >> 7)
			if w&64 != 0 {
				v = -v
			}
			b[w&63] = v * int(r.from[c][w&63])
		}
		blocks, component = append(blocks, b), append(component, c)
		words = words[n:]
	}
	return blocks, component
}

func TestCoefficientsAreRoundedToTheNewSteps(t *testing.T) {
	for name, b := range corpus(t) {
		var r, made Requantiser
		load(t, &r, b)
		was, _ := coefficientsOf(&r)
		for s := Scale(8); s <= MaxScale; s += 24 {
			load(t, &made, r.Append(nil, s))
			now, component := coefficientsOf(&made)
			if len(now) != len(was) {
				t.Fatalf("%s: %d blocks became %d", name, len(was), len(now))
			}
			for i := range now {
				for k, v := range now[i] {
					step, off := int(made.from[component[i]][k]), max(v-was[i][k], was[i][k]-v)
					if k == 0 && 2*off > step || 100*off > 64*step || v != 0 && (v > 0) != (was[i][k] > 0) {
						t.Fatalf("%s at %d, block %d: coefficient %d was %d and is %d in steps of %d", name, s, i, k, was[i][k], v, step)
					}
				}
			}
		}
	}
}

func TestEveryScaleIsReadableAndTheNextOneSmaller(t *testing.T) {
	for name, b := range corpus(t) {
		var r Requantiser
		load(t, &r, b)
		was := decoded(t, r.Append(nil, 0))
		size := len(r.Append(nil, 0))
		for s := Scale(0); s <= MaxScale; s += 4 {
			out := r.Append(nil, s)
			if info, err := Check(out); err != nil || info.End != len(out) || !info.Tables {
				t.Fatalf("%s at %d: %+v, %v", name, s, info, err)
			}
			if img := decoded(t, out); img.Bounds() != was.Bounds() || img.ColorModel() != was.ColorModel() {
				t.Errorf("%s at %d: %v", name, s, img.Bounds())
			}
			// Of such small frames the tables are a good part.
			if len(out) > size*102/100+10 {
				t.Errorf("%s at %d: %d bytes after %d", name, s, len(out), size)
			}
			size = len(out)
		}
	}
}

func TestScalesOutsideAreTheNearest(t *testing.T) {
	var r Requantiser
	load(t, &r, corpus(t)["422"])
	if !bytes.Equal(r.Append(nil, -5), r.Append(nil, 0)) || !bytes.Equal(r.Append(nil, MaxScale+9), r.Append(nil, MaxScale)) {
		t.Error("a scale outside makes another frame")
	}
	for s, want := range map[Scale]int{0: 98, 80: 50, 59: 80, 112: 13, MaxScale: 6} {
		if got := s.Quality(); got != want {
			t.Errorf("the quality of %d is %d, want %d", s, got, want)
		}
	}
}

func TestSegmentsThatMatterAreKept(t *testing.T) {
	b := corpus(t)["422"]
	b = insert(t, b, mSOF0, slices.Concat([]byte{0xFF, mAPP0 + 4, 1, 100}, make([]byte, 354))...)
	b = insert(t, b, mSOF0, 0xFF, mAPP0+14, 0, 4, 'x', 'y', 0xFF, mCOM, 0, 4, 'h', 'i')
	var r Requantiser
	load(t, &r, b)
	out := r.Append(nil, 90)
	if string(Comment(out)) != "hi" || !bytes.Contains(out, []byte{0xFF, mAPP0 + 14, 0, 4, 'x', 'y'}) || !bytes.Contains(out, []byte("JFIF")) {
		t.Errorf("% x", out[:60])
	}
	if bytes.Contains(out, []byte{0xFF, mAPP0 + 4}) {
		t.Error("a large segment was kept")
	}
}

func TestLoadRefuses(t *testing.T) {
	all := corpus(t)
	good := all["422"]
	_, data := segmentAt(t, good, mSOS)
	file := func(name string) []byte {
		b, err := os.ReadFile("testdata/requantise/refused/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	restarts := all["restart-each"]
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrNoStart},
		{"no picture", []byte("hello, world"), ErrNoStart},
		{"SOI only", good[:2], ErrNoEnd},
		{"header only", good[:100], ErrNoEnd},
		{"progressive", file("progressive.jpg"), ErrUnsupported},
		{"several scans", file("three-scans.jpg"), ErrUnsupported},
		{"steps above 255", file("16bit.jpg"), ErrUnsupported},
		{"another scan behind", slices.Concat(good[:len(good)-2], good[data-14:]), ErrUnsupported},
		{"a number of lines behind", slices.Concat(good[:len(good)-2], []byte{0xFF, mDNL, 0, 4, 0, 61, 0xFF, mEOI}), ErrUnsupported},
		{"no quantisation table", without(t, without(t, good, mDQT), mDQT), ErrMarker},
		{"a step of 0", change(t, good, mDQT, 20, 0), ErrMarker},
		{"quantisation table 4", change(t, good, mDQT, 4, 4), ErrMarker},
		{"an impossible Huffman table", change(t, good, mDHT, 5, 3), ErrMarker},
		{"a Huffman table that is not there", change(t, good, mSOS, 6, 0x22), ErrMarker},
		{"components in another order", change(t, good, mSOS, 5, 2), ErrMarker},
		{"a spectral range", change(t, good, mSOS, len("FFDALL3c0c1c2")-1, 5), ErrUnsupported},
		{"too many blocks", change(t, good, mSOF0, 11, 0x44), ErrMarker},
		{"no picture data", append(slices.Clone(good[:data]), 0xFF, mEOI), ErrMarker},
		{"cut in the data", append(slices.Clone(good[:data+200]), 0xFF, mEOI), ErrMarker},
		{"a restart missing", bytes.Replace(restarts, []byte{0xFF, mRST0 + 2}, nil, 1), ErrMarker},
		{"a restart too many", bytes.Replace(restarts, []byte{0xFF, mRST0 + 2}, []byte{0xFF, mRST0 + 3, 0xFF, mRST0 + 2}, 1), ErrMarker},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Requantiser
			load(t, &r, good)
			if err := r.Load(c.b, Info{End: len(c.b)}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			r.Halve()
			if b := r.Append(nil, 50); len(b) != 0 {
				t.Errorf("%d bytes of a frame that was refused", len(b))
			}
		})
	}
	var r Requantiser
	if err := r.Load(good, Info{End: len(good) + 1}); err != nil {
		t.Errorf("an end behind the bytes: %v", err)
	}
}

func TestRequantiserAllocatesNothingOnceWarm(t *testing.T) {
	all := corpus(t)
	var r Requantiser
	dst := make([]byte, 0, 64<<10)
	run := func() {
		for _, name := range []string{"422", "optimised", "restart-each"} {
			load(t, &r, all[name])
			dst = r.Append(dst[:0], 80)
			dst, _ = r.AppendWithin(dst[:0], 2000)
			r.Halve()
			dst = r.Append(dst[:0], 60)
		}
	}
	run()
	run()
	if n := testing.AllocsPerRun(10, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// libjpeg is who most others read with; it complains on standard error.
func TestRequantisedFramesAreReadableByLibjpeg(t *testing.T) {
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
			t.Errorf("%v %s", err, complaint.String())
		}
		return out.String()
	}
	for name, b := range corpus(t) {
		if strings.HasPrefix(name, "padded") {
			continue // the source itself makes libjpeg complain
		}
		var r Requantiser
		load(t, &r, b)
		if read(b) != read(r.Append(nil, 0)) {
			t.Errorf("%s: the pixels differ", name)
		}
		read(r.Append(nil, 70))
		read(r.Append(nil, MaxScale))
		r.Halve()
		if p := read(r.Append(nil, 60)); !strings.HasPrefix(p[2:], "\n42 31\n") {
			t.Errorf("%s halved begins with %q", name, p[:10])
		}
	}
}

func FuzzRequantise(f *testing.F) {
	for _, b := range corpus(f) {
		f.Add(b, uint8(70))
	}
	f.Add(frame(f), uint8(100))
	f.Fuzz(func(t *testing.T, b []byte, scale uint8) {
		var r, again Requantiser
		info, err := Check(b)
		if err != nil {
			if r.Load(b, Info{End: len(b)}) == nil { // Check may be stricter
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
			if len(r.coef.words) > 32*len(b)+2048 {
				t.Fatalf("%d words of %d bytes", len(r.coef.words), len(b))
			}
			same := r.Append(nil, 0)
			load(t, &again, same)
			if !slices.Equal(again.coef.words, r.coef.words) {
				t.Fatal("scale 0 changes the coefficients")
			}
			for _, out := range [][]byte{same, r.Append(nil, Scale(scale))} {
				got, err := Check(out)
				if err != nil || got.Width != w || got.Height != h || got.End != len(out) {
					t.Fatalf("%dx%d became %+v, %v", w, h, got, err)
				}
				if sourceErr == nil && w*h < 1<<20 {
					if _, err := jpeg.Decode(bytes.NewReader(out)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if out, s := r.AppendWithin(nil, len(b)/2); len(out) > len(b)/2 && s != MaxScale {
				t.Fatalf("%d bytes at %d, limit %d", len(out), s, len(b)/2)
			}
			r.Halve()
			w, h = (w+1)/2, (h+1)/2
			if gw, gh := r.Size(); gw != w || gh != h {
				t.Fatalf("halved to %dx%d", gw, gh)
			}
		}
	})
}
