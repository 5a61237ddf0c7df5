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

	"vchat/cmd/vchatctl/internal/newfile"
	"vchat/daemon/client"
	"vchat/daemon/mjpeg"
)

// newFrames returns n frames, 40 ms apart, ten of each size in turn.
func newFrames(t testing.TB, n int, sizes ...image.Point) []client.Frame {
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
		captured := 700*time.Second + time.Duration(i)*40*time.Millisecond
		all[i] = client.Frame{
			Data: jpegs[i/10%len(jpegs)], Seq: uint64(i),
			Monotonic: captured, Captured: time.Unix(1700000000, 0).Add(captured),
		}
	}
	return all
}

// write records frames to a file of this name. If closed is set, it closes the
// recording.
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

// matroskaFile is a decoded Matroska file.
type matroskaFile struct {
	Segment struct {
		SeekHead *struct {
			Seek []struct {
				ID       []byte `ebml:"SeekID"`
				Position uint64 `ebml:"SeekPosition"`
			} `ebml:"Seek"`
		} `ebml:"SeekHead"`
		Info struct {
			Duration float64   `ebml:"Duration"`
			Date     time.Time `ebml:"DateUTC"`
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

func read(t *testing.T, path string) (f matroskaFile, raw []byte) {
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

// times returns the times of all frames in ms, and compares the frames.
func (f matroskaFile) times(t *testing.T, frames []client.Frame) (all []int64) {
	t.Helper()
	for _, c := range f.Segment.Cluster {
		for _, b := range c.Blocks {
			if want := frames[len(all)]; !bytes.Equal(b.Data[0], want.Data) || !b.Keyframe {
				t.Fatalf("frame %d: got other data", len(all))
			}
			all = append(all, int64(c.Time)+int64(b.Timecode))
		}
	}
	return all
}

func TestMatroska_times(t *testing.T) {
	frames := newFrames(t, 300, image.Pt(64, 48))
	for i := range frames { // jitter, a clock that is set back, and an hour without a connection
		frames[i].Monotonic += time.Duration(i%7) * time.Millisecond
		if i >= 100 {
			frames[i].Captured = frames[i].Captured.Add(-300 * 24 * time.Hour)
		}
		if i >= 200 {
			frames[i].Monotonic += time.Hour
		}
	}
	frames[50].Monotonic = frames[49].Monotonic - time.Second // a timestamp that runs backwards
	path, r := write(t, "a.mkv", frames, true)
	f, raw := read(t, path)
	got := f.times(t, frames)
	if len(got) != len(frames) {
		t.Fatalf("got %d frames, want %d", len(got), len(frames))
	}
	for i, ms := range got {
		want := (frames[i].Monotonic - frames[0].Monotonic).Milliseconds()
		if i == 50 {
			want = got[49] + 1
		}
		if ms != want {
			t.Errorf("frame %d: got %d ms, want %d", i, ms, want)
		}
	}
	if d := f.Segment.Info.Duration; int64(d) != got[299] {
		t.Errorf("duration: got %v ms, want %d", d, got[299])
	}
	if !f.Segment.Info.Date.Equal(frames[0].Captured) {
		t.Errorf("date: got %v, want %v", f.Segment.Info.Date, frames[0].Captured)
	}
	length := frames[299].Monotonic - frames[0].Monotonic
	if r.Totals.Bytes == 0 || r.Totals.Frames != 300 || r.Totals.Length != length {
		t.Errorf("got totals %+v, want 300 frames in %v", r.Totals, length)
	}
	// Readers can start at a cluster, so there is one each second.
	for i, c := range f.Segment.Cluster[:len(f.Segment.Cluster)-1] {
		if n := len(c.Blocks); n == 0 || n > 30 {
			t.Errorf("cluster %d: got %d frames, want 1 to 30", i, n)
		}
	}
	f.checkIndex(t, raw)
}

// segmentOffset returns the offset of the content of the Segment.
func segmentOffset(raw []byte) uint64 {
	return uint64(bytes.Index(raw, []byte{0x18, 0x53, 0x80, 0x67}) + 4 + 8)
}

// checkIndex checks what the SeekHead and the Cues point to.
func (f matroskaFile) checkIndex(t *testing.T, raw []byte) {
	t.Helper()
	segment := segmentOffset(raw)
	head := f.Segment.SeekHead
	if head == nil || len(head.Seek) != 3 || f.Segment.Cues == nil || len(f.Segment.Cues.Points) < 2 {
		t.Fatalf("got index %+v, %+v; want 3 seek entries and cues", head, f.Segment.Cues)
	}
	for _, s := range head.Seek {
		if !bytes.HasPrefix(raw[segment+s.Position:], s.ID) {
			t.Errorf("no element %x at %d", s.ID, s.Position)
		}
	}
	for _, c := range f.Segment.Cues.Points {
		if !bytes.HasPrefix(raw[segment+c.Track.Cluster:], ebml.ElementCluster.Bytes()) {
			t.Errorf("no cluster at %d, for %d ms", c.Track.Cluster, c.Time)
		}
	}
}

// The test cuts the file where SIGKILL could.
func TestMatroska_playableWhenCut(t *testing.T) {
	frames := newFrames(t, 60, image.Pt(64, 48))
	path, r := write(t, "a.mkv", frames, false)
	f, raw := read(t, path)
	if n := len(f.times(t, frames)); n != 60 {
		t.Errorf("not closed: got %d frames, want 60", n)
	}
	if int64(len(raw)) != r.Totals.Bytes {
		t.Errorf("got %d bytes, counted %d", len(raw), r.Totals.Bytes)
	}
	one := len(frames[0].Data)
	for cut := len(raw) - 1; cut > len(raw)-3*one; cut -= one/5 + 1 {
		var f matroskaFile
		_ = ebml.Unmarshal(bytes.NewReader(raw[:cut]), &f, ebml.WithIgnoreUnknown(true))
		if n := len(f.times(t, frames)); n < 56 {
			t.Errorf("cut to %d of %d bytes: got %d frames, want at least 56", cut, len(raw), n)
		}
	}
}

// The write of the last frame, which starts a cluster, fails.
func TestMatroska_fullDisk(t *testing.T) {
	frames := newFrames(t, 127, image.Pt(64, 48))
	path, r := write(t, "a.mkv", frames[:125], false)
	frames[125].Monotonic += time.Hour
	if _, err := r.format.appendFrame(nil, &frames[125], time.Hour); err != nil {
		t.Fatal(err)
	}
	r.failed = true
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	f, raw := read(t, path)
	if n := len(f.times(t, frames)); n != 125 || f.Segment.Info.Duration != 124*40 {
		t.Errorf("got %d frames in %v ms, want 125 in 4960", n, f.Segment.Info.Duration)
	}
	if n := len(f.Segment.Cues.Points); n != 1 {
		t.Errorf("got %d cues, want 1", n)
	}
	segment := segmentOffset(raw)
	for _, s := range f.Segment.SeekHead.Seek {
		if !bytes.HasPrefix(raw[segment+s.Position:], s.ID) {
			t.Errorf("no element %x at %d", s.ID, s.Position)
		}
	}
}

func TestRecording_rotation(t *testing.T) {
	for _, tt := range []struct {
		degrees int
		roll    float64
	}{{90, -90}, {180, -180}, {270, 90}} {
		t.Run(fmt.Sprint(tt.degrees), func(t *testing.T) {
			frames := newFrames(t, 20, image.Pt(64, 48))
			for i := range frames {
				frames[i].Rotate = tt.degrees
			}
			frames[5].Rotate, frames[5].Card = 0, true
			path, _ := write(t, "a.mkv", frames, true)
			f, _ := read(t, path)
			if p := f.Segment.Tracks.Entry.Video.Projection; p == nil || p.Roll != tt.roll {
				t.Errorf("got projection %+v, want a roll of %v", p, tt.roll)
			}
			path, r := write(t, "a.mjpeg", frames, true)
			var want []byte
			for _, f := range frames {
				want = mjpeg.Orient(want, mjpeg.AppendJFIF(nil, f.Data), f.Rotate)
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("mjpeg: got other data than the frames with EXIF (%v)", err)
			}
			if r.Totals.Frames != 19 || r.Totals.Cards != 1 {
				t.Errorf("got totals %+v, want 19 frames and 1 card", r.Totals)
			}
		})
	}
	path, _ := write(t, "a.mkv", newFrames(t, 3, image.Pt(64, 48)), true)
	if f, _ := read(t, path); f.Segment.Tracks.Entry.Video.Projection != nil {
		t.Error("without rotation: got a projection, want none")
	}
}

// Players recognise Motion JPEG by its JFIF segments, which some cameras omit.
func TestRecording_jfif(t *testing.T) {
	frames := newFrames(t, 3, image.Pt(64, 48))
	path, _ := write(t, "a.mjpeg", frames, true)
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(got, []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00")); n != len(frames) {
		t.Errorf("got %d frames that begin with JFIF, want %d", n, len(frames))
	}
}

func TestRecording_countsLostFrames(t *testing.T) {
	frames := newFrames(t, 6, image.Pt(64, 48))
	for i, seq := range []uint64{7, 8, 12, 13, 2, 3} { // three are missing; then the daemon restarts
		frames[i].Seq = seq
	}
	_, r := write(t, "a.mjpeg", frames, true)
	if r.Totals.Lost != 3 {
		t.Errorf("got %d lost, want 3", r.Totals.Lost)
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	existing := filepath.Join(dir, "existing.mkv")
	if err := os.WriteFile(existing, []byte("a film"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		want       error
	}{
		{"existing file", existing, newfile.ErrExists},
		{"unknown extension", dir + "/a.avi", ErrFormat},
		{"no extension", dir + "/mkv", ErrFormat},
		{"no directory", dir + "/no/a.mkv", fs.ErrNotExist},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Create(tt.path, false); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if b, _ := os.ReadFile(existing); string(b) != "a film" {
		t.Errorf("existing file: got %q, want it unchanged", b)
	}
	r, err := Create(filepath.Join(dir, "empty.mkv"), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "empty.mkv")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("recording without frames: got %v, want no file", err)
	}
}

func TestRecording_fullDisk(t *testing.T) {
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
	frames := newFrames(t, 2, image.Pt(64, 48))
	if err := r.Add(&frames[0]); err == nil || !strings.HasSuffix(err.Error(), "full.mkv: no space left on device") {
		t.Errorf("got %v, want no space left on device", err)
	}
	if err := r.Add(&frames[1]); err == nil {
		t.Error("after the error: got nil, want an error")
	}
	_ = r.Close()
}

// The size of the frames changes, as it does on a slow connection.
func TestRecording_playsInFFmpeg(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("ffmpeg is not installed")
	} else if err != nil {
		t.Skip("ffmpeg is not installed")
	}
	for _, name := range []string{"a.mkv", "a.mjpeg"} {
		t.Run(name, func(t *testing.T) {
			frames := newFrames(t, 60, image.Pt(320, 240), image.Pt(160, 120))
			for i := range frames {
				frames[i].Rotate = 90
			}
			path, _ := write(t, name, frames, true)
			ffmpeg := exec.Command("ffmpeg", "-v", "error", "-i", path,
				"-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-")
			if out, err := ffmpeg.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("ffmpeg: %v %s", err, out)
			}
			const entries = "frame=width,pts_time:frame_side_data=rotation:stream_side_data=rotation"
			ffprobe := exec.Command("ffprobe", "-v", "error", "-show_entries", entries, "-of", "flat", path)
			out, err := ffprobe.Output()
			if err != nil {
				t.Fatal(err)
			}
			for what, want := range map[string]int{"width=320": 30, "width=160": 30} {
				if n := strings.Count(string(out), what); n != want {
					t.Errorf("%q: got %d times, want %d", what, n, want)
				}
			}
			if !strings.Contains(string(out), "rotation=-90") {
				t.Errorf("got no clockwise rotation:\n%.300s", out)
			}
			if name == "a.mkv" && !strings.Contains(string(out), `frames.frame.59.pts_time="2.360000"`) {
				t.Errorf("got the last frame at another time than 2.36 s:\n%s", out[len(out)-300:])
			}
		})
	}
}
