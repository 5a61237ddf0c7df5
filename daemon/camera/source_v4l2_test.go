package camera

import (
	"errors"
	"testing"
	"time"

	"vchat/daemon/daemontest/faketime"
	"vchat/daemon/frame"
	"vchat/daemon/mjpeg"
	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestLateFramesMakeRoomForTheNewest(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		kernel.Plug(v4l2test.Device{})
		cfg := small
		cfg.Kernel = kernel
		src := source{cfg: cfg.withDefaults(), pool: frame.NewPool(4), counters: &counters{}}
		d, err := openDevice(src)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		f, err := d.next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		seq := f.Seq
		f.Release()
		time.Sleep(500 * time.Millisecond) // four buffers are full by now, and the driver throws frames away
		f, err = d.next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if age := f.Arrived - f.Captured; age > d.interval || f.Seq < seq+5 || src.counters.dropped != f.Seq-seq-1 {
			t.Errorf("frame %d after %d, %v old, %d dropped; want a fresh one instead of those in the buffers", f.Seq, seq, age, src.counters.dropped)
		}
		f.Release()
		seq, src.counters.dropped = f.Seq, 0
		time.Sleep(d.interval * 5 / 2) // late, but with free buffers left: the newest is there already
		f, err = d.next(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if f.Seq != seq+2 || src.counters.dropped != 1 {
			t.Errorf("frame %d after %d, %d dropped; want the newest of two", f.Seq, seq, src.counters.dropped)
		}
		f.Release()
		d.wake()
		if _, err := d.next(time.Second); !errors.Is(err, errWoken) {
			t.Errorf("after a wake: %v", err)
		}
	})
}

func TestOfLateFramesTheNewestGoodOneCounts(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		kernel := v4l2test.New()
		cam := kernel.Plug(v4l2test.Device{})
		cam.Script(func(f *v4l2test.Faults) { f.Truncate = 2 })
		cfg := small
		cfg.Kernel = kernel
		src := source{cfg: cfg.withDefaults(), pool: frame.NewPool(4), counters: &counters{}}
		d, err := openDevice(src)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		for i := range 10 {
			time.Sleep(d.interval * 5 / 2)
			asked := kernel.Now()
			f, err := d.next(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if f.Captured > asked {
				t.Errorf("%d: waited %v for another frame, though a good one was there", i, f.Captured-asked)
			}
			f.Release()
		}
	})
}

func TestDriversCounts(t *testing.T) {
	for _, c := range []struct {
		name    string
		raw     []uint32
		want    []uint64
		dropped uint64
	}{
		{"in order", []uint32{0, 1, 2}, []uint64{1, 2, 3}, 0},
		{"a gap", []uint32{5, 6, 9}, []uint64{1, 2, 5}, 2},
		{"over the edge", []uint32{0xFFFFFFFE, 0xFFFFFFFF, 0, 2}, []uint64{1, 2, 3, 5}, 1},
		{"starts again", []uint32{70, 71, 0, 1}, []uint64{1, 2, 3, 4}, 0},
		{"does not count", []uint32{0, 0, 0}, []uint64{1, 2, 3}, 0},
		{"leaps", []uint32{0, 1 << 30, 1<<30 + 1}, []uint64{1, 2, 3}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &device{source: source{counters: &counters{}}}
			for i, raw := range c.raw {
				if got := d.count(v4l2.Buffer{Sequence: raw}); got != c.want[i] {
					t.Errorf("%d is %d, want %d", raw, got, c.want[i])
				}
			}
			if d.counters.dropped != c.dropped {
				t.Errorf("%d dropped, want %d", d.counters.dropped, c.dropped)
			}
		})
	}
}

func TestStampsOutOfReasonAreReplaced(t *testing.T) {
	now := time.Hour
	for stamp, want := range map[time.Duration]time.Duration{
		now: now, now - time.Second: now - time.Second, now + 1: now, 0: now, now - time.Minute: now,
	} {
		if got := capturedAt(stamp, now); got != want {
			t.Errorf("%v at %v became %v, want %v", stamp, now, got, want)
		}
	}
}

func TestWrongSizesAreDropped(t *testing.T) {
	d := &device{source: source{pool: frame.NewPool(1), counters: &counters{}}, mode: v4l2.Mode{Format: v4l2.MJPEG, Width: 320, Height: 200}}
	for _, c := range []struct {
		w, h int
		want defect
		ok   bool
	}{{320, 200, 0, true}, {320, 208, 0, true}, {320, 216, missized, false}, {304, 200, missized, false}} {
		b, err := mjpeg.NewEncoder(50).EncodeYUYV(nil, make([]byte, 2*c.w*c.h), c.w, c.h, 0)
		if err != nil {
			t.Fatal(err)
		}
		f, why := d.take(v4l2.Buffer{Data: b})
		if (f != nil) != c.ok || why != c.want {
			t.Errorf("%dx%d: %v, %s", c.w, c.h, f != nil, defectNames[why])
		}
	}
}
