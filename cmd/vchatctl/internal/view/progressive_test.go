package view

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"vchat/daemon/mjpeg"
)

func TestDecode_progressive(t *testing.T) {
	data, err := os.ReadFile("testdata/progressive.jpg") // 83x61, made by cjpeg -progressive
	if err != nil {
		t.Fatal(err)
	}
	p := &Frame{}
	p.Data = data
	var d decoded
	pause := d.decode(p, 640, 480)
	if d.err != nil || d.Planes == nil || d.Planes.W != 83 || d.Planes.H != 61 || d.Planes.Cb == nil {
		t.Fatalf("got planes %+v, %v; want 83x61 in colour", d.Planes, d.err)
	}
	if pause < progressiveInterval/2 {
		t.Errorf("got a pause of %v, want up to 5 frames a second", pause)
	}
	d.Planes.PutBGRX(make([]byte, 4*83*61), 4*83)

	t.Run("too large", func(t *testing.T) {
		huge := bytes.Clone(data)
		sof := bytes.Index(huge, []byte{0xFF, 0xC2})
		huge[sof+5], huge[sof+7] = 0xFF, 0xFF
		p.Data = append(huge[:len(huge)-2], make([]byte, 16<<20)...)
		p.Data = append(p.Data, 0xFF, 0xD9)
		if d.decode(p, 640, 480); !errors.Is(d.err, mjpeg.ErrUnsupported) {
			t.Errorf("got %v, want ErrUnsupported", d.err)
		}
	})
}

func TestProgressivePause(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0:                      200 * time.Millisecond,
		50 * time.Millisecond:  150 * time.Millisecond,
		300 * time.Millisecond: 300 * time.Millisecond, // half a processor
	} {
		if got := progressivePause(took); got != want {
			t.Errorf("took %v: got %v, want %v", took, got, want)
		}
	}
}
