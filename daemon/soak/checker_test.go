package soak

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"sync"
	"testing"
	"time"

	"vchat/daemon/client"
	"vchat/daemon/mjpeg"
	"vchat/daemon/vmtest/testframe"
)

// counts are the frames that a checker has seen.
type counts struct {
	Frames  int // of the camera
	Reduced int // of Frames: the same image in fewer bytes
	Cards   int // status cards
	Broken  int // that the camera has sent incomplete
	Streams int // number of times the feed was opened
}

// checker reads the feed of the peer's camera and checks each frame.
type checker struct {
	camera uint32
	source *testframe.Source
	stills [testframe.Variants]image.Image // decoded; nil: not needed yet
	sent   []byte

	mu      sync.Mutex
	counts  counts
	defects []string // frames that were altered or out of order
	last    uint32   // newest sequence number
	taken   int64    // its time, by the stamp
	arrived int64    // when it arrived
	gap     int64    // longest time between two frames since clearGap, in nanoseconds
	news    chan struct{}
}

func newChecker(camera uint32) *checker {
	return &checker{camera: camera, source: testframe.New(width, height), news: make(chan struct{}, 1)}
}

const maxDefects = 20

// check checks one frame. first reports whether it is the first of a stream,
// which repeats the newest frame before it.
func (c *checker) check(f client.Frame, now int64, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.Card {
		c.counts.Cards++
		return
	}
	st, err := testframe.ParseStamp(f.Data)
	switch {
	case err == nil && st.Camera == brokenCamera:
		c.counts.Broken++
		return
	case err != nil:
		c.defect("frame %d of %d bytes: %v", f.Seq, len(f.Data), err)
		return
	case st.Camera != c.camera:
		c.defect("frame of camera %d, want %d", st.Camera, c.camera)
		return
	case first && st.Sequence == c.last:
		return
	case st.Sequence <= c.last:
		c.defect("frame %d after %d (first of a stream: %v)", st.Sequence, c.last, first)
		return
	}
	c.sent = c.source.Frame(c.sent[:0], st)
	if !bytes.Equal(f.Data, c.sent) {
		if err := c.reduced(f.Data, st); err != nil {
			c.defect("frame %d: %v", st.Sequence, err)
			return
		}
		c.counts.Reduced++
	}
	c.counts.Frames++
	c.gap = max(c.gap, now-c.arrived)
	c.last, c.taken, c.arrived = st.Sequence, st.Time, now
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *checker) defect(format string, args ...any) {
	if len(c.defects) < maxDefects {
		c.defects = append(c.defects, fmt.Sprintf(format, args...))
	}
}

// reduced returns an error unless the frame is the image of the stamp in fewer
// bytes.
func (c *checker) reduced(jpg []byte, st testframe.Stamp) error {
	if len(jpg) >= len(c.sent) {
		return fmt.Errorf("%d other bytes than the %d of the camera", len(jpg), len(c.sent))
	}
	got, err := jpeg.Decode(bytes.NewReader(jpg))
	if err != nil {
		return fmt.Errorf("reduced to %d bytes: %w", len(jpg), err)
	}
	still := &c.stills[st.Sequence%testframe.Variants]
	if *still == nil {
		if *still, err = jpeg.Decode(bytes.NewReader(c.sent)); err != nil {
			return err
		}
	}
	eighths := got.Bounds().Dx() * 8 / width
	want := image.Pt(width*eighths/8, height*eighths/8)
	if eighths != 8 && eighths != 4 && eighths != 3 || got.Bounds().Size() != want {
		return fmt.Errorf("reduced to %v", got.Bounds().Size())
	}
	// In two stills the bar is at two places, and the darker one differs by
	// much more. Quantisation changes the mean of no block by so much.
	const block = 10
	for y := 0; y < height; y += block {
		for x := 0; x < width; x += block {
			sum := 0
			for dy := range block {
				for dx := range block {
					sum += luma(got, (2*(x+dx)+1)*eighths/16, (2*(y+dy)+1)*eighths/16) - luma(*still, x+dx, y+dy)
				}
			}
			if mean := sum / (block * block); mean > 50 || mean < -50 {
				return fmt.Errorf("reduced to %v, %d bytes: another image at %d,%d: brighter by %d",
					got.Bounds().Size(), len(jpg), x, y, mean)
			}
		}
	}
	return nil
}

func luma(m image.Image, x, y int) int {
	switch m := m.(type) {
	case *image.YCbCr:
		return int(m.Y[m.YOffset(x, y)])
	case *image.Gray:
		return int(m.GrayAt(x, y).Y)
	}
	return -1000
}

// run reads the feed until ctx ends, and opens it again whenever it ends.
func (c *checker) run(ctx context.Context, cl *client.Client, feed string) {
	for ctx.Err() == nil {
		_ = c.stream(ctx, cl, feed)
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *checker) stream(ctx context.Context, cl *client.Client, feed string) error {
	f, err := cl.Feed(ctx, feed)
	if err != nil {
		return err
	}
	defer f.Close()
	c.mu.Lock()
	c.counts.Streams++
	c.mu.Unlock()
	for first := true; ; first = false {
		frame, err := f.Next()
		if err != nil {
			return err
		}
		c.check(frame, monotonic(), first)
	}
}

// freshAfter waits for a frame that was taken at t or later, and returns when
// it arrived.
func (c *checker) freshAfter(t int64, limit time.Duration) (arrived int64, ok bool) {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		taken, arrived := c.taken, c.arrived
		c.mu.Unlock()
		if taken >= t {
			return arrived, true
		}
		select {
		case <-c.news:
		case <-timeout.C:
			return 0, false
		}
	}
}

func (c *checker) clearGap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gap = 0
}

func (c *checker) longestGap() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(max(c.gap, monotonic()-c.arrived))
}

func (c *checker) result() (counts, []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts, c.defects
}

func TestChecker(t *testing.T) {
	source := testframe.New(width, height)
	frame := func(camera, seq uint32) []byte {
		return source.Frame(nil, testframe.Stamp{Camera: camera, Sequence: seq, Time: int64(seq)})
	}
	altered := frame(1, 11)
	altered[len(altered)/2] ^= 0x10
	for _, tt := range []struct {
		name  string
		data  []byte
		first bool
		want  string // beginning of the defect
	}{
		{"next", frame(1, 11), false, ""},
		{"gap", frame(1, 15), false, ""},
		{"newest again, in a new stream", frame(1, 10), true, ""},
		{"newest again", frame(1, 10), false, "frame 10 after 10"},
		{"older", frame(1, 9), false, "frame 9 after 10"},
		{"older, in a new stream", frame(1, 9), true, "frame 9 after 10"},
		{"other camera", frame(2, 11), false, "frame of camera 2"},
		{"broken by the camera", frame(brokenCamera, 11), false, ""},
		{"altered", altered, false, "frame 11: "},
		{"truncated", frame(1, 11)[:1000], false, "frame 11: "},
		{"image of another frame", append(frame(1, 11)[:2+testframe.StampSize], // shorter by the last bytes
			frame(1, 13)[2+testframe.StampSize:]...), false, "frame 11: "},
		{"no stamp", []byte("\xff\xd8\xff\xd9"), false, "frame 0 of 4 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newChecker(1)
			c.check(client.Frame{Data: frame(1, 10)}, 1, true)
			c.check(client.Frame{Data: tt.data}, 2, tt.first)
			_, defects := c.result()
			got := fmt.Sprint(defects)
			if tt.want == "" && got != "[]" || tt.want != "" && !bytes.HasPrefix([]byte(got), []byte("["+tt.want)) {
				t.Errorf("got defects %s, want %q", got, tt.want)
			}
		})
	}
}

// The checker knows each still at all sizes and scales, and takes none for
// another.
func TestChecker_reduced(t *testing.T) {
	c := newChecker(1)
	var r mjpeg.Requantiser
	for variant := range uint32(testframe.Variants) {
		frame := c.source.Frame(nil, testframe.Stamp{Camera: 1, Sequence: variant, Time: 5})
		info, err := mjpeg.Check(frame)
		if err != nil {
			t.Fatal(err)
		}
		for _, eighths := range []int{8, 4, 3} {
			for _, scale := range []mjpeg.Scale{16, 80, mjpeg.MaxShrunkScale} {
				if err := r.Load(frame, info); err != nil {
					t.Fatal(err)
				}
				if eighths < 8 {
					r.Shrink(eighths)
				}
				small := r.Append(nil, scale)
				for as := range uint32(testframe.Variants) {
					st := testframe.Stamp{Camera: 1, Sequence: as, Time: 5}
					c.sent = c.source.Frame(nil, st)
					if err := c.reduced(small, st); (err == nil) != (as == variant) {
						t.Errorf("still %d as %d, %d/8 of the size, scale %d: got %v", variant, as, eighths, scale, err)
					}
				}
			}
		}
	}
}
