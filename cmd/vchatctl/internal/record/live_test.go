package record

import (
	"bytes"
	"image"
	"testing"
	"time"

	"github.com/at-wat/ebml-go"

	"vchat/daemon/client"
)

// A player shows a frame when all its bytes have come, so each AppendFrame must
// complete a cluster; times increase whatever happens to the connection.
func TestLive(t *testing.T) {
	frames := newFrames(t, 60, image.Pt(64, 48), image.Pt(32, 24))
	for i := range frames {
		frames[i].Rotate = 90
		if i >= 20 { // no connection
			frames[i].Monotonic += time.Hour
		}
		if i >= 40 { // a clock that is set back
			frames[i].Monotonic = frames[39].Monotonic - time.Minute + time.Duration(i)
		}
	}
	var (
		live   Live
		stream []byte
	)
	for i := range frames {
		var err error
		if stream, err = live.AppendFrame(stream, &frames[i]); err != nil {
			t.Fatal(err)
		}
		var f matroskaFile
		if err := ebml.Unmarshal(bytes.NewReader(stream), &f, ebml.WithIgnoreUnknown(true)); err != nil {
			t.Fatalf("after frame %d: %v", i, err)
		}
		times := f.times(t, frames)
		if len(times) != i+1 {
			t.Fatalf("after frame %d: got %d frames", i, len(times))
		}
		want := (frames[i].Monotonic - frames[0].Monotonic).Milliseconds()
		if i >= 40 {
			want = times[39] + int64(i) - 39
		}
		if times[i] != want {
			t.Errorf("frame %d: got %d ms, want %d", i, times[i], want)
		}
		entry := f.Segment.Tracks.Entry
		if entry.Codec != "V_MJPEG" || entry.Video.Width != 64 || entry.Video.Projection.Roll != -90 {
			t.Fatalf("got track %+v", entry)
		}
	}
}

// Nothing is written before a frame whose size can be read.
func TestLive_badFirstFrame(t *testing.T) {
	var live Live
	out, err := live.AppendFrame([]byte("x"), &client.Frame{Data: []byte("no JPEG")})
	if err == nil || string(out) != "x" {
		t.Fatalf("got %q, %v; want an error and nothing appended", out, err)
	}
	good := newFrames(t, 1, image.Pt(64, 48))
	if out, err = live.AppendFrame(nil, &good[0]); err != nil || !bytes.HasPrefix(out, []byte{0x1a, 0x45, 0xdf, 0xa3}) {
		t.Errorf("got %.10q, %v; want the head of a Matroska file", out, err)
	}
}
