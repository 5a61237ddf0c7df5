package mjpeg

import (
	"bytes"
	"slices"
	"testing"
)

func TestAppendJFIF(t *testing.T) {
	good := stdFrame(t) // without application segments
	avi1 := []byte{0xFF, mAPP0, 0, 16, 'A', 'V', 'I', '1', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	exif := []byte{0xFF, mAPP0 + 1, 0, 10, 'E', 'x', 'i', 'f', 0, 0, 0, 0}
	otherJFIF := setByte(t, slices.Concat(startOfImage, jfifSegment), mAPP0, 10, 2)[2:]
	after := func(segments ...[]byte) []byte {
		return slices.Concat(startOfImage, slices.Concat(segments...), good[2:])
	}
	rgb := componentScans(t, 16, 16, adobeSegment(0), sampling{1, 1}, sampling{1, 1}, sampling{1, 1})
	cmyk := componentScans(t, 16, 16, nil, sampling{1, 1}, sampling{1, 1}, sampling{1, 1}, sampling{1, 1})
	for _, c := range []struct {
		name    string
		b, want []byte
	}{
		{"no segments", good, after(jfifSegment)},
		{"AVI1", after(avi1), after(jfifSegment, avi1)},
		{"EXIF", after(exif), after(jfifSegment, exif)},
		{"JFIF", after(otherJFIF, exif), after(otherJFIF, exif)},
		{"JFIF after EXIF", after(exif, otherJFIF, avi1), after(otherJFIF, exif, avi1)},
		{"Adobe YCbCr", after(adobeSegment(1)), after(jfifSegment, adobeSegment(1))},
		{"Adobe RGB", rgb, rgb},
		{"four components", cmyk, cmyk},
		{"not a JPEG", []byte("hello"), []byte("hello")},
		{"empty", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := AppendJFIF([]byte("x"), c.b)
			if string(got) != "x"+string(c.want) {
				t.Errorf("got % x, want 78 % x", got[:min(len(got), 60)], c.want[:min(len(c.want), 60)])
			}
			if again := AppendJFIF(nil, got[1:]); !bytes.Equal(again, got[1:]) {
				t.Error("a second call changes the frame")
			}
			room := make([]byte, 0, len(c.b)+len(jfifSegment))
			if n := testing.AllocsPerRun(10, func() { AppendJFIF(room, c.b) }); n > 0 {
				t.Errorf("got %v allocations, want none", n)
			}
		})
	}
}

// A JFIF segment with a thumbnail is too long to keep. Without any, Adobe's
// would decide.
func TestRequantise_keepsJFIF(t *testing.T) {
	long := slices.Concat([]byte{0xFF, mAPP0, 1, 4}, jfifSegment[4:], make([]byte, 0x104-16))
	b := slices.Concat(startOfImage, adobeSegment(0), long, stdFrame(t)[2:])
	var r Requantiser
	mustLoad(t, &r, b)
	var d Decoder
	mustDecode(t, &d, r.Append(nil, 0), 1)
	if d.header.rgb() || !d.header.jfif {
		t.Error("got no JFIF segment, want a short one")
	}
}

// FuzzAppendJFIF checks that a frame only gains a segment: Check finds the
// same frame in it.
func FuzzAppendJFIF(f *testing.F) {
	good := stdFrame(f)
	f.Add(good)
	f.Add(slices.Concat(startOfImage, jfifSegment, good[2:]))
	f.Add(slices.Concat(startOfImage, []byte{0xFF, 0xFF}, adobeSegment(1), jfifSegment, good[2:]))
	f.Add([]byte{0xFF, mSOI, 0xFF, mAPP0, 0, 1})
	f.Fuzz(func(t *testing.T, src []byte) {
		before := bytes.Clone(src)
		once := AppendJFIF(nil, src)
		if !bytes.Equal(src, before) || len(once) < len(src) || len(once) > len(src)+len(jfifSegment) {
			t.Fatalf("got %d bytes of %d", len(once), len(src))
		}
		if again := AppendJFIF(nil, once); !bytes.Equal(again, once) {
			t.Fatal("a second call changes the frame")
		}
		info, err := Check(src)
		if err != nil {
			return
		}
		got, err := Check(once)
		if err != nil || got.Width != info.Width || got.Height != info.Height || got.Tables != info.Tables {
			t.Fatalf("got %+v, %v; want %+v", got, err, info)
		}
	})
}
