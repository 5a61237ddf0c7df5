package testframe

import (
	"bytes"
	"errors"
	"image/jpeg"
	"testing"
)

func TestSource_Frame(t *testing.T) {
	want := Stamp{Camera: 7, Sequence: 41, Time: 1234567890123}
	sent := New(320, 240).Frame(nil, want)
	got, err := ParseStamp(sent)
	if err != nil || got != want {
		t.Fatalf("stamp: got %+v, %v, want %+v", got, err, want)
	}
	if again := New(320, 240).Frame(nil, got); !bytes.Equal(again, sent) {
		t.Error("frame of a second source with the same stamp: got other bytes, want the same")
	}
	next := want
	next.Sequence++
	if other := New(320, 240).Frame(nil, next); bytes.Equal(other[StampSize+2:], sent[StampSize+2:]) {
		t.Error("next frame: got the same still, want another")
	}
	if m, err := jpeg.Decode(bytes.NewReader(sent)); err != nil {
		t.Errorf("decode the frame: got error %v, want nil", err)
	} else if size := m.Bounds().Size(); size.X != 320 || size.Y != 240 {
		t.Errorf("decode the frame: got size %v, want (320,240)", size)
	}
}

func TestParseStamp_invalid(t *testing.T) {
	good := New(64, 48).Frame(nil, Stamp{Camera: 1, Sequence: 2, Time: 3})
	flipped := bytes.Clone(good)
	flipped[2+20] ^= 1 // a bit of the time
	for _, tt := range []struct {
		name string
		jpg  []byte
	}{
		{"empty", nil},
		{"no stamp", append([]byte{0xff, 0xd8}, good[2+StampSize:]...)},
		{"truncated stamp", good[:20]},
		{"flipped bit", flipped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if st, err := ParseStamp(tt.jpg); !errors.Is(err, ErrNoStamp) {
				t.Errorf("got %+v, %v, want ErrNoStamp", st, err)
			}
		})
	}
}

func TestWithoutTables(t *testing.T) {
	full := New(64, 48).Frame(nil, Stamp{})
	bare := WithoutTables(full)
	if bytes.Contains(bare, []byte("\xff\xc4")) {
		t.Error("got a DHT marker, want none")
	}
	// Marker, length, and the two DC and two AC tables of the standard.
	if got, want := len(full)-len(bare), 2+2+4*17+2*(12+162); got != want {
		t.Errorf("got %d bytes removed, want %d", got, want)
	}
	if !bytes.HasSuffix(bare, full[len(full)-100:]) {
		t.Error("got a changed scan, want it unchanged")
	}
	if again := WithoutTables(bare); !bytes.Equal(again, bare) {
		t.Error("frame without tables: got a change, want none")
	}
}

// Emulated links have capacity for this size: see quality.
func TestSource_Frame_size(t *testing.T) {
	if n := len(New(1280, 720).Frame(nil, Stamp{})); n < 15_000 || n > 30_000 {
		t.Errorf("1280x720: got %d bytes, want 15000 to 30000", n)
	}
}
