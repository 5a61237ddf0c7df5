package record

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/at-wat/ebml-go"

	"vchat/daemon/client"
	"vchat/daemon/mjpeg"
)

// film is frames taken 40 ms apart, of these sizes in turn, ten of each.
func film(t *testing.T, n int, sizes ...image.Point) []client.Frame {
	t.Helper()
	var jpegs [][]byte
	for _, s := range sizes {
		m := image.NewGray(image.Rectangle{Max: s})
		for i := range m.Pix {
			m.Pix[i] = byte(i)
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, nil); err != nil {
			t.Fatal(err)
		}
		jpegs = append(jpegs, b.Bytes())
	}
	all := make([]client.Frame, n)
	for i := range all {
		taken := 700*time.Second + time.Duration(i)*40*time.Millisecond
		all[i] = client.Frame{Data: jpegs[i/10%len(jpegs)], Seq: uint64(i), Monotonic: taken, Captured: time.Unix(1700000000, 0).Add(taken)}
	}
	return all
}

// write records frames into a file of this name, and closes it if that is asked for.
func write(t *testing.T, name string, frames []client.Frame, closed bool) (string, *Recording) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	r, err := Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		if err := r.Add(&frames[i]); err != nil {
			t.Fatal(err)
		}
	}
	if closed {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Cleanup(func() { _ = r.file.Close() })
	}
	return path, r
}

// file is what a reader finds in a Matroska file.
type file struct {
	Segment struct {
		SeekHead *struct {
			Seek []struct {
				ID       []byte `ebml:"SeekID"`
				Position uint64 `ebml:"SeekPosition"`
			} `ebml:"Seek"`
		} `ebml:"SeekHead"`
		Info struct {
			Duration float64   `ebml:"Duration"`
			Begun    time.Time `ebml:"DateUTC"`
		} `ebml:"Info"`
		Tracks struct {
			Entry struct {
				Codec string `ebml:"CodecID"`
				Video struct {
					Width      uint64      `ebml:"PixelWidth"`
					Projection *projection `ebml:"Projection"`
				} `ebml:"Video"`
			} `ebml:"TrackEntry"`
		} `ebml:"Tracks"`
		Cluster []struct {
			Time   uint64       `ebml:"Timecode"`
			Blocks []ebml.Block `ebml:"SimpleBlock"`
		} `ebml:"Cluster"`
		Cues *struct {
			Points []cue `ebml:"CuePoint"`
		} `ebml:"Cues"`
	} `ebml:"Segment"`
}

func read(t *testing.T, path string) (f file, raw []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := ebml.Unmarshal(bytes.NewReader(raw), &f, ebml.WithIgnoreUnknown(true)); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return f, raw
}

// times gives the instants of all frames in ms, and holds their bytes to those of the frames.
func (f file) times(t *testing.T, frames []client.Frame) (all []int64) {
	t.Helper()
	for _, c := range f.Segment.Cluster {
		for _, b := range c.Blocks {
			if want := frames[len(all)]; !bytes.Equal(b.Data[0], want.Data) || !b.Keyframe {
				t.Fatalf("frame %d is not what it was", len(all))
			}
			all = append(all, int64(c.Time)+int64(b.Timecode))
		}
	}
	return all
}

func TestMatroskaKeepsTheTimes(t *testing.T) {
	frames := film(t, 300, image.Pt(64, 48))
	for i := range frames { // the camera stutters, the clock is set, and the link is lost for an hour
		frames[i].Monotonic += time.Duration(i%7) * time.Millisecond
		if i >= 100 {
			frames[i].Captured = frames[i].Captured.Add(-300 * 24 * time.Hour)
		}
		if i >= 200 {
			frames[i].Monotonic += time.Hour
		}
	}
	frames[50].Monotonic = frames[49].Monotonic - time.Second // nor does time run backwards
	path, r := write(t, "a.mkv", frames, true)
	f, raw := read(t, path)
	got := f.times(t, frames)
	if len(got) != len(frames) {
		t.Fatalf("%d frames, want %d", len(got), len(frames))
	}
	for i, ms := range got {
		want := (frames[i].Monotonic - frames[0].Monotonic).Milliseconds()
		if i == 50 {
			want = got[49] + 1
		}
		if ms != want {
			t.Errorf("frame %d at %d ms, want %d", i, ms, want)
		}
	}
	if d := f.Segment.Info.Duration; int64(d) != got[299] {
		t.Errorf("it says that it is %v ms long, want %d", d, got[299])
	}
	if !f.Segment.Info.Begun.Equal(frames[0].Captured) {
		t.Errorf("begun %v, want %v", f.Segment.Info.Begun, frames[0].Captured)
	}
	if r.Totals.Bytes == 0 || r.Totals.Frames != 300 || r.Totals.Length != frames[299].Monotonic-frames[0].Monotonic {
		t.Errorf("totals %+v", r.Totals)
	}
	// Every second a cluster, from which a reader can begin.
	for i, c := range f.Segment.Cluster[:len(f.Segment.Cluster)-1] {
		if n := len(c.Blocks); n == 0 || n > 30 {
			t.Errorf("cluster %d has %d frames", i, n)
		}
	}
	f.followIndex(t, raw)
}

// followIndex looks at what the SeekHead and the cues point to.
func (f file) followIndex(t *testing.T, raw []byte) {
	t.Helper()
	segment := uint64(bytes.Index(raw, []byte{0x18, 0x53, 0x80, 0x67}) + 4 + 8)
	head := f.Segment.SeekHead
	if head == nil || len(head.Seek) != 3 || f.Segment.Cues == nil || len(f.Segment.Cues.Points) < 2 {
		t.Fatalf("no index: %+v, %+v", head, f.Segment.Cues)
	}
	for _, s := range head.Seek {
		if !bytes.HasPrefix(raw[segment+s.Position:], s.ID) {
			t.Errorf("at %d there is no element %x", s.Position, s.ID)
		}
	}
	for _, c := range f.Segment.Cues.Points {
		if !bytes.HasPrefix(raw[segment+c.Track.Cluster:], ebml.ElementCluster.Bytes()) {
			t.Errorf("at %d, for %d ms, there is no cluster", c.Track.Cluster, c.Time)
		}
	}
}

// As kill -9, at any byte of what is written, would leave it.
func TestMatroskaIsWholeUpToAnyByte(t *testing.T) {
	frames := film(t, 60, image.Pt(64, 48))
	path, r := write(t, "a.mkv", frames, false)
	f, raw := read(t, path)
	if n := len(f.times(t, frames)); n != 60 {
		t.Errorf("%d frames before the end of the recording, want 60", n)
	}
	if int64(len(raw)) != r.Totals.Bytes {
		t.Errorf("%d bytes, counted %d", len(raw), r.Totals.Bytes)
	}
	one := len(frames[0].Data)
	for cut := len(raw) - 1; cut > len(raw)-3*one; cut -= one/5 + 1 {
		var f file
		_ = ebml.Unmarshal(bytes.NewReader(raw[:cut]), &f, ebml.WithIgnoreUnknown(true))
		if n := len(f.times(t, frames)); n < 56 {
			t.Errorf("of %d bytes, %d can be read: %d frames", len(raw), cut, n)
		}
	}
}

// The last frame, which begins a cluster, has found no room.
func TestMatroskaOnAFullDisk(t *testing.T) {
	frames := film(t, 127, image.Pt(64, 48))
	path, r := write(t, "a.mkv", frames[:125], false)
	frames[125].Monotonic += time.Hour
	if _, err := r.format.append(nil, &frames[125], time.Hour); err != nil {
		t.Fatal(err)
	}
	r.failed = true
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	f, raw := read(t, path)
	if n := len(f.times(t, frames)); n != 125 || f.Segment.Info.Duration != 124*40 {
		t.Errorf("%d frames in %v ms, want 125 in 4960", n, f.Segment.Info.Duration)
	}
	if n := len(f.Segment.Cues.Points); n != 1 {
		t.Errorf("%d cues, want 1", n)
	}
	for _, s := range f.Segment.SeekHead.Seek {
		if segment := uint64(bytes.Index(raw, []byte{0x18, 0x53, 0x80, 0x67}) + 4 + 8); !bytes.HasPrefix(raw[segment+s.Position:], s.ID) {
			t.Errorf("at %d there is no element %x", s.Position, s.ID)
		}
	}
}

func TestTurnedFrames(t *testing.T) {
	for _, tt := range []struct {
		degrees int
		roll    float64
	}{{90, -90}, {180, -180}, {270, 90}} {
		frames := film(t, 20, image.Pt(64, 48))
		for i := range frames {
			frames[i].Rotate = tt.degrees
		}
		frames[5].Rotate, frames[5].Card = 0, true
		path, _ := write(t, "a.mkv", frames, true)
		f, _ := read(t, path)
		if p := f.Segment.Tracks.Entry.Video.Projection; p == nil || p.Roll != tt.roll {
			t.Errorf("turned by %d: %+v, want a roll of %v", tt.degrees, p, tt.roll)
		}
		path, r := write(t, "a.mjpeg", frames, true)
		var want []byte
		for _, f := range frames {
			want = mjpeg.Orient(want, f.Data, f.Rotate)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the .mjpeg is not the frames one after the other, each with its EXIF (%v)", err)
		}
		if r.Totals.Frames != 19 || r.Totals.Cards != 1 {
			t.Errorf("totals %+v", r.Totals)
		}
	}
	path, _ := write(t, "a.mkv", film(t, 3, image.Pt(64, 48)), true)
	if f, _ := read(t, path); f.Segment.Tracks.Entry.Video.Projection != nil {
		t.Error("frames that are not turned say so")
	}
}

func TestLostFramesAreCounted(t *testing.T) {
	frames := film(t, 6, image.Pt(64, 48))
	for i, seq := range []uint64{7, 8, 12, 13, 2, 3} { // three are missing; then the daemon begins anew
		frames[i].Seq = seq
	}
	_, r := write(t, "a.mjpeg", frames, true)
	if r.Totals.Lost != 3 {
		t.Errorf("%d lost, want 3", r.Totals.Lost)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there.mkv")
	if err := os.WriteFile(there, []byte("a film"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{there: ErrExists, dir + "/a.avi": ErrFormat, dir + "/mkv": ErrFormat, dir + "/no/a.mkv": fs.ErrNotExist} {
		if _, err := Create(path, false); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if b, _ := os.ReadFile(there); string(b) != "a film" {
		t.Errorf("what was there is %q now", b)
	}
	r, err := Create(filepath.Join(dir, "nothing.mkv"), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "nothing.mkv")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a recording of nothing is left behind: %v", err)
	}
}

func TestNoRoom(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	link := filepath.Join(t.TempDir(), "full.mkv")
	if err := os.Symlink("/dev/full", link); err != nil {
		t.Fatal(err)
	}
	r, err := Create(link, false)
	if err != nil {
		t.Fatal(err)
	}
	frames := film(t, 2, image.Pt(64, 48))
	if err := r.Add(&frames[0]); err == nil || !strings.HasSuffix(err.Error(), "full.mkv: no space left on device") {
		t.Errorf("it ended with %v", err)
	}
	if err := r.Add(&frames[1]); err == nil {
		t.Error("after the error it goes on")
	}
	_ = r.Close()
}

// Others' players: what the link does to a frame's size, and how it is turned.
func TestOthersPlayIt(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("ffmpeg is not installed")
	} else if err != nil {
		t.Skip("ffmpeg is not installed")
	}
	for _, name := range []string{"a.mkv", "a.mjpeg"} {
		frames := film(t, 60, image.Pt(320, 240), image.Pt(160, 120))
		for i := range frames {
			frames[i].Rotate = 90
		}
		path, _ := write(t, name, frames, true)
		ffmpeg := exec.Command("ffmpeg", "-v", "error", "-i", path, "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-")
		if out, err := ffmpeg.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v %s", name, err, out)
		}
		ffprobe := exec.Command("ffprobe", "-v", "error", "-show_entries", "frame=width,pts_time:frame_side_data=rotation:stream_side_data=rotation", "-of", "flat", path)
		out, err := ffprobe.Output()
		if err != nil {
			t.Fatal(err)
		}
		for what, want := range map[string]int{"width=320": 30, "width=160": 30} {
			if n := strings.Count(string(out), what); n != want {
				t.Errorf("%s: %q %d times, want %d", name, what, n, want)
			}
		}
		if !strings.Contains(string(out), "rotation=-90") {
			t.Errorf("%s: it is not to be turned clockwise:\n%.300s", name, out)
		}
		if name == "a.mkv" && !strings.Contains(string(out), fmt.Sprintf("frames.frame.59.pts_time=%q", "2.360000")) {
			t.Errorf("the last frame is not at 2.36 s:\n%s", out[len(out)-300:])
		}
	}
}
