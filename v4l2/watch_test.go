package v4l2_test

import (
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"vchat/v4l2"
	"vchat/v4l2/v4l2test"
)

func TestWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, k *v4l2test.Kernel, cam *v4l2test.Camera) {
		w, err := v4l2.Watch(k)
		if err != nil {
			t.Fatal(err)
		}
		changed := func() bool {
			synctest.Wait()
			select {
			case <-w.Changed():
				return true
			default:
				return false
			}
		}
		for _, x := range []struct {
			name string
			do   func()
			want bool
		}{
			{"start", func() {}, false},
			{"unplug", cam.Unplug, true},
			{"nothing after the unplug", func() {}, false},
			{"replug", cam.Replug, true},
			{"another camera", func() { k.Plug(v4l2test.Device{}).Unplug() }, true},
			{"several changes", func() { cam.Unplug(); cam.Replug(); cam.Unplug(); cam.Replug() }, true},
			{"nothing after several changes", func() {}, false},
			{"owner", func() { cam.Script(func(f *v4l2test.Faults) { f.Open = unix.EACCES }) }, true},
			{"other fault", func() { cam.Script(func(f *v4l2test.Faults) { f.Freeze = true }) }, false},
		} {
			x.do() // the rows build on each other, and a bubble has no subtests
			if got := changed(); got != x.want {
				t.Errorf("%s: got %v, want %v", x.name, got, x.want)
			}
		}
		if n := k.Counts().Watches; n != 1 || k.Leaks() == nil {
			t.Errorf("got %d open watches, want 1 and a leak", n)
		}
		for range 2 {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		if n := k.Counts().Watches; n != 0 {
			t.Errorf("got %d open watches, want 0", n)
		}
	})
}
