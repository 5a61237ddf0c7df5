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
		rung := func() bool {
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
			{"at first", func() {}, false},
			{"unplug", cam.Unplug, true},
			{"nothing more", func() {}, false},
			{"replug", cam.Replug, true},
			{"another camera", func() { k.Plug(v4l2test.Device{}).Unplug() }, true},
			{"many at once are one", func() { cam.Unplug(); cam.Replug(); cam.Unplug(); cam.Replug() }, true},
			{"and no second", func() {}, false},
			{"owner", func() { cam.Script(func(f *v4l2test.Faults) { f.Open = unix.EACCES }) }, true},
			{"another fault", func() { cam.Script(func(f *v4l2test.Faults) { f.Freeze = true }) }, false},
		} {
			x.do()
			if got := rung(); got != x.want {
				t.Errorf("%s: %v, want %v", x.name, got, x.want)
			}
		}
		if n := k.Counts().Watches; n != 1 || k.Leaks() == nil {
			t.Errorf("%d watches open, want 1", n)
		}
		for range 2 {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		if n := k.Counts().Watches; n != 0 {
			t.Errorf("%d watches left open", n)
		}
	})
}
