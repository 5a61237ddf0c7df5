package mjpeg_test

import (
	"bytes"
	"encoding/hex"
	"image"
	"image/jpeg"
	"strings"
	"testing"

	"vchat/daemon/mjpeg"
)

// exif returns an APP1 segment with an orientation, in hex.
func exif(value string) string {
	return "ffe10022" + "457869660000" + "4d4d002a00000008" + "0001" + "0112000300000001" + value + "0000" + "00000000"
}

func TestOrient(t *testing.T) {
	const soi, jfif, adobe, rest = "ffd8", "ffe000104a46494600010100000100010000", "ffee0006414243 44", "ffdb0002ffd9"
	other := "ffe1000a687474703a2f2f00" // APP1 other than EXIF
	old := "ffe1000c457869660000aabbccdd"
	dqt := "ffdb00060001020304"[:16]
	for _, tt := range []struct {
		name      string
		src, want string
		degrees   int
	}{
		{"no segments", soi + rest, soi + exif("0006") + rest, 90},
		{"180 degrees", soi + rest, soi + exif("0003") + rest, 180},
		{"270 degrees", soi + rest, soi + exif("0008") + rest, 270},
		{"after JFIF", soi + jfif + rest, soi + jfif + exif("0006") + rest, 90},
		{"before other segments", soi + jfif + adobe + rest, soi + jfif + exif("0006") + adobe + rest, 90},
		{"replaces EXIF", soi + jfif + old + other + rest, soi + jfif + exif("0006") + other + rest, 90},
		{"EXIF first", soi + old + jfif + rest, soi + exif("0006") + jfif + rest, 90},
		{"EXIF after other segments", soi + other + old + rest, soi + exif("0006") + other + rest, 90},
		{"EXIF after tables", soi + jfif + dqt + old + rest, soi + jfif + exif("0006") + dqt + rest, 90},
		{"EXIF twice", soi + old + jfif + old + other + dqt + old + rest,
			soi + exif("0006") + jfif + other + dqt + rest, 90},
		{"EXIF after fill bytes", soi + jfif + "ffff" + old + rest, soi + jfif + exif("0006") + rest, 90},
		{"segment beyond the end", soi + "ffe1ffff00", soi + exif("0006") + "ffe1ffff00", 90},
		{"segment length 1", soi + "ffe10001" + rest, soi + exif("0006") + "ffe10001" + rest, 90},
		{"0 degrees", soi + old + rest, soi + old + rest, 0},
		{"45 degrees", soi + rest, soi + rest, 45},
		{"not a JPEG", "00112233", "00112233", 90},
		{"nothing", "", "", 90},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src, want := unhex(t, tt.src), unhex(t, tt.want)
			before := bytes.Clone(src)
			if got := mjpeg.Orient([]byte("x"), src, tt.degrees); !bytes.Equal(got, append([]byte("x"), want...)) {
				t.Errorf("got  %x\nwant 78%x", got, want)
			}
			if !bytes.Equal(src, before) {
				t.Error("the source changed")
			}
		})
	}
}

func TestOrient_samePixels(t *testing.T) {
	var b bytes.Buffer
	m := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	turned := mjpeg.Orient(nil, b.Bytes(), 270)
	if info, err := mjpeg.Check(turned); err != nil || info.Width != 64 || info.Height != 48 {
		t.Fatalf("got %+v, %v; want 64x48", info, err)
	}
	again, err := jpeg.Decode(bytes.NewReader(turned))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := jpeg.Decode(&b)
	if !bytes.Equal(again.(*image.Gray).Pix, want.(*image.Gray).Pix) {
		t.Error("the pixels changed")
	}
	if twice := mjpeg.Orient(nil, turned, 270); !bytes.Equal(twice, turned) {
		t.Error("orienting twice differs from once")
	}
	room := make([]byte, 0, len(turned))
	if n := testing.AllocsPerRun(100, func() { mjpeg.Orient(room, turned, 90) }); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

// FuzzOrient checks that orienting twice equals orienting once, and that the
// rest of the frame is kept.
func FuzzOrient(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x0cExif\x00\x00abcd\xff\xd9"))
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x04ab\xff\xe1\x00\x02"))
	f.Fuzz(func(t *testing.T, src []byte) {
		once := mjpeg.Orient(nil, src, 90)
		if len(once) > len(src)+36 {
			t.Fatalf("got %d bytes of %d, want at most 36 more", len(once), len(src))
		}
		if twice := mjpeg.Orient(nil, once, 90); !bytes.Equal(twice, once) {
			t.Fatalf("oriented twice:\n%x\nonce:\n%x", twice, once)
		}
		if len(src) > 1<<16 && !bytes.HasSuffix(once, src[len(src)-1:]) {
			t.Fatal("the end is lost")
		}
	})
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
