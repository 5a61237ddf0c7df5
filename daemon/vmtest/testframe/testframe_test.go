package testframe

import (
	"bytes"
	"errors"
	"image/jpeg"
	"testing"
)

func TestFrameIsMadeAgainFromItsStamp(t *testing.T) {
	want := Stamp{Camera: 7, Sequence: 41, Time: 1234567890123}
	sent := New(320, 240).Frame(nil, want)
	got, err := ParseStamp(sent)
	if err != nil || got != want {
		t.Fatalf("ParseStamp = %+v, %v; want %+v", got, err, want)
	}
	if again := New(320, 240).Frame(nil, got); !bytes.Equal(again, sent) {
		t.Error("a second source makes other bytes for the same stamp")
	}
	next := want
	next.Sequence++
	if other := New(320, 240).Frame(nil, next); bytes.Equal(other[StampSize+2:], sent[StampSize+2:]) {
		t.Error("the next frame shows the same as this one")
	}
	if m, err := jpeg.Decode(bytes.NewReader(sent)); err != nil || m.Bounds().Dx() != 320 || m.Bounds().Dy() != 240 {
		t.Errorf("jpeg.Decode = %v, want 320x240", err)
	}
}

func TestParseStampRefuses(t *testing.T) {
	good := New(64, 48).Frame(nil, Stamp{Camera: 1, Sequence: 2, Time: 3})
	flipped := bytes.Clone(good)
	flipped[2+20] ^= 1 // a bit of the time
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"no stamp":         append([]byte{0xff, 0xd8}, good[2+StampSize:]...),
		"cut in the stamp": good[:20],
		"a flipped bit":    flipped,
	} {
		if st, err := ParseStamp(b); !errors.Is(err, ErrNoStamp) {
			t.Errorf("%s: ParseStamp = %+v, %v; want ErrNoStamp", name, st, err)
		}
	}
}

func TestWithoutTables(t *testing.T) {
	full := New(64, 48).Frame(nil, Stamp{})
	bare := WithoutTables(full)
	if bytes.Contains(bare, []byte("\xff\xc4")) {
		t.Error("a DHT marker is left")
	}
	// The two DC and two AC tables of the standard: 4*(1+16) + 12 + 162 + 12 + 162, after marker and length.
	if got, want := len(full)-len(bare), 2+2+4*17+2*(12+162); got != want {
		t.Errorf("took away %d bytes, want %d", got, want)
	}
	if !bytes.HasSuffix(bare, full[len(full)-100:]) {
		t.Error("the scan was changed")
	}
	if again := WithoutTables(bare); !bytes.Equal(again, bare) {
		t.Error("taking the tables away twice is not the same as once")
	}
}

func TestSizeFitsTheEmulation(t *testing.T) {
	if n := len(New(1280, 720).Frame(nil, Stamp{})); n < 15_000 || n > 30_000 {
		t.Errorf("a 1280x720 frame has %d bytes, want 15 to 30 KB", n)
	}
}
