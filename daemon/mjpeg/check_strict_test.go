package mjpeg

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// What a hostile device might send instead of a frame.
func TestCheckStrict(t *testing.T) {
	plain := stdFrame(t)
	info, err := Check(plain)
	if err != nil {
		t.Fatal(err)
	}
	header, data := plain[:info.SOS], plain[info.SOS:info.End-2]
	sof := bytes.Index(plain, []byte{0xFF, mSOF0})
	with := func(change func(b []byte)) []byte {
		b := slices.Clone(plain)
		change(b)
		return b
	}
	scans := func(header []byte, n int) []byte {
		return AppendEnd(slices.Concat(header, bytes.Repeat(data, n)))
	}
	progressive := with(func(b []byte) { b[sof+1] = mSOF2 })[:info.SOS]
	png := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x02\x00\x00\x00"),
		plain...)
	segment := func(m byte, body ...byte) []byte {
		return slices.Concat(plain[:2], []byte{0xFF, m, 0, byte(2 + len(body))}, body, plain[2:])
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"plain", plain, nil},
		{"padding after the end", append(slices.Clone(plain), make([]byte, 100)...), nil},
		{"another frame after the end", append(slices.Clone(plain), plain...), nil},
		{"thumbnail in a segment",
			slices.Concat(plain[:2], []byte{0xFF, mAPP0 + 1, 2, 2}, plain[:512], plain[2:]), nil},
		{"progressive", scans(progressive, 10), nil},
		{"three scans", scans(header, 3), nil},
		{"PNG that contains the frame", png, ErrNoStart},
		{"a byte before the start", append([]byte{0}, plain...), ErrNoStart},
		{"two starts", append([]byte{0xFF, mSOI}, plain...), ErrNoStart},
		{"no end", plain[:len(plain)-2], ErrNoEnd},
		{"bytes between segments", slices.Concat(plain[:2], []byte{1, 2, 3}, plain[2:]), ErrMarker},
		{"second frame header", slices.Concat(header, plain[sof:]), ErrMarker},
		{"second frame header after the scan", slices.Concat(plain[:info.End-2], plain[sof:]), ErrMarker},
		{"number of lines", slices.Concat(plain[:info.End-2], []byte{0xFF, mDNL, 0, 4, 0xFF, 0xFF, 0xFF, mEOI}),
			ErrUnsupported},
		{"hierarchical", segment(mDHP, plain[sof+4:sof+19]...), ErrUnsupported},
		{"expansion", segment(mEXP, 0x11), ErrUnsupported},
		{"arithmetic coding", with(func(b []byte) { b[sof+1] = 0xC9 }), ErrUnsupported},
		{"arithmetic conditioning", segment(mDAC, 0, 0x10), ErrUnsupported},
		{"lossless", with(func(b []byte) { b[sof+1] = 0xC3 }), ErrUnsupported},
		{"12 bits", with(func(b []byte) { b[sof+4] = 12 }), ErrUnsupported},
		{"height 0", with(func(b []byte) { b[sof+5], b[sof+6] = 0, 0 }), ErrNoFrameHeader},
		{"65535x65535 in few bytes", with(func(b []byte) { copy(b[sof+5:], "\xff\xff\xff\xff") }), ErrTooSmall},
		{"four scans of three components", scans(header, 4), ErrUnsupported},
		{"thousands of scans", scans(header, 5000), ErrUnsupported},
		{"thousands of progressive scans", scans(progressive, 5000), ErrUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := CheckStrict(tt.b); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// Complete makes of any frame that Check accepts one that CheckStrict accepts,
// except for the number of scans.
func FuzzCheckStrict(f *testing.F) {
	plain := stdFrame(f)
	f.Add(plain)
	f.Add(append(make([]byte, 9), plain[:len(plain)-2]...))
	f.Add(slices.Concat(plain[:2], []byte{1, 2, 3}, plain[2:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := Check(b)
		if err != nil {
			return
		}
		if _, err := CheckStrict(Complete(nil, b, info)); err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	})
}
