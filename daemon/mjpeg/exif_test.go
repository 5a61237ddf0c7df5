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

// exif is the whole of an APP1 segment with the tag of this value.
func exif(value string) string {
	return "ffe10022" + "457869660000" + "4d4d002a00000008" + "0001" + "0112000300000001" + value + "0000" + "00000000"
}

func TestOrient(t *testing.T) {
	const soi, jfif, adobe, rest = "ffd8", "ffe000104a46494600010100000100010000", "ffee0006414243 44", "ffdb0002ffd9"
	other := "ffe1000a687474703a2f2f00" // APP1 of something else
	old := "ffe1000c457869660000aabbccdd"
	for _, tt := range []struct {
		name      string
		src, want string
		degrees   int
	}{
		{"bare", soi + rest, soi + exif("0006") + rest, 90},
		{"upside down", soi + rest, soi + exif("0003") + rest, 180},
		{"the other way", soi + rest, soi + exif("0008") + rest, 270},
		{"behind JFIF", soi + jfif + rest, soi + jfif + exif("0006") + rest, 90},
		{"before the others", soi + jfif + adobe + rest, soi + jfif + exif("0006") + adobe + rest, 90},
		{"in place of EXIF", soi + jfif + old + other + rest, soi + jfif + exif("0006") + other + rest, 90},
		{"EXIF first", soi + old + jfif + rest, soi + exif("0006") + jfif + rest, 90},
		{"EXIF behind others", soi + other + old + rest, soi + exif("0006") + other + rest, 90},
		{"a segment beyond the end", soi + "ffe1ffff00", soi + exif("0006") + "ffe1ffff00", 90},
		{"a segment without length", soi + "ffe10001" + rest, soi + exif("0006") + "ffe10001" + rest, 90},
		{"not turned", soi + old + rest, soi + old + rest, 0},
		{"an angle that EXIF has not", soi + rest, soi + rest, 45},
		{"no JPEG", "00112233", "00112233", 90},
		{"nothing", "", "", 90},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src, want := unhex(t, tt.src), unhex(t, tt.want)
			before := bytes.Clone(src)
			if got := mjpeg.Orient([]byte("x"), src, tt.degrees); !bytes.Equal(got, append([]byte("x"), want...)) {
				t.Errorf("got  %x\nwant 78%x", got, want)
			}
			if !bytes.Equal(src, before) {
				t.Error("the source was changed")
			}
		})
	}
}

func TestOrientKeepsTheFrame(t *testing.T) {
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
		t.Fatalf("%+v, %v", info, err)
	}
	again, err := jpeg.Decode(bytes.NewReader(turned))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := jpeg.Decode(&b)
	if !bytes.Equal(again.(*image.Gray).Pix, want.(*image.Gray).Pix) {
		t.Error("it is another frame")
	}
	if twice := mjpeg.Orient(nil, turned, 270); !bytes.Equal(twice, turned) {
		t.Error("turned twice, it is not the same as once")
	}
	room := make([]byte, 0, len(turned))
	if n := testing.AllocsPerRun(100, func() { mjpeg.Orient(room, turned, 90) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzOrient: whatever the bytes, all that is not EXIF stays, and to turn twice is to turn once.
func FuzzOrient(f *testing.F) {
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x0cExif\x00\x00abcd\xff\xd9"))
	f.Add([]byte("\xff\xd8\xff\xe0\x00\x04ab\xff\xe1\x00\x02"))
	f.Fuzz(func(t *testing.T, src []byte) {
		once := mjpeg.Orient(nil, src, 90)
		if len(once) > len(src)+36 {
			t.Fatalf("%d bytes became %d", len(src), len(once))
		}
		if twice := mjpeg.Orient(nil, once, 90); !bytes.Equal(twice, once) {
			t.Fatalf("turned twice:\n%x\nonce:\n%x", twice, once)
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
