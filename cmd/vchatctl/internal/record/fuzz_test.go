package record

import (
	"encoding/binary"
	"image"
	"math"
	"testing"
	"time"

	"vchat/daemon/client"
)

// FuzzMatroska records frames with any times, as a client reads them from a
// feed, and reads the file with ebml-go: each frame is there, in order and
// later than the one before, and the index leads to clusters.
//
// A frame has 11 bytes: its monotonic time, its frame number, its size, and
// its rotation.
func FuzzMatroska(f *testing.F) {
	frame := func(at time.Duration, rest ...byte) []byte {
		return append(binary.BigEndian.AppendUint64(nil, uint64(at)), rest...)
	}
	join := func(frames ...[]byte) (all []byte) {
		for _, b := range frames {
			all = append(all, b...)
		}
		return all
	}
	f.Add(join(frame(5e9, 1, 0, 0), frame(5.04e9, 2, 0, 0), frame(7e9, 4, 1, 1), frame(6e9, 3, 0, 0)))
	f.Add(join(frame(0, 0, 0, 3), frame(math.MaxInt64, 0, 0, 0), frame(1, 9, 1, 2)))
	f.Add(join(frame(1, 0, 0, 0), frame(999e6, 0, 0, 0), frame(1000e6, 0, 0, 0), frame(33e9, 1, 1, 1),
		frame(65.7e9, 2, 2, 2)))
	two := newFrames(f, 20, image.Pt(8, 8), image.Pt(16, 8))
	f.Fuzz(func(t *testing.T, script []byte) {
		var frames []client.Frame
		for ; len(script) >= 11 && len(frames) < 60; script = script[11:] {
			at := time.Duration(binary.BigEndian.Uint64(script) &^ (1 << 63))
			frames = append(frames, client.Frame{
				Data: two[int(script[9]%2)*10].Data, Seq: uint64(script[8]), Rotate: int(script[10]%4) * 90,
				Monotonic: at, Captured: time.Unix(0, 0).Add(at),
			})
		}
		if len(frames) == 0 {
			return
		}
		path, r := write(t, "a.mkv", frames, true)
		file, _ := read(t, path)
		times := file.times(t, frames)
		if len(times) != len(frames) || r.Totals.Frames != uint64(len(frames)) {
			t.Fatalf("got %d frames, %d counted, want %d", len(times), r.Totals.Frames, len(frames))
		}
		for i, at := range times {
			if i > 0 && at <= times[i-1] || at < 0 {
				t.Fatalf("frame %d: got %d ms after %d ms", i, at, times[max(0, i-1)])
			}
		}
		last := times[len(times)-1]
		if d := file.Segment.Info.Duration; math.IsNaN(d) || d < 0 || d+float64(len(frames)) < float64(last) {
			t.Fatalf("got a duration of %v ms, the last frame is at %d ms", d, last)
		}
		if file.Segment.Cues == nil || len(file.Segment.Cues.Points) == 0 || file.Segment.SeekHead == nil {
			t.Fatal("got no index")
		}
	})
}
