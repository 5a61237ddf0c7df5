//go:build vm

package vmtest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A mishap is something that goes wrong, and how it is mended.
type mishap struct{ name, fail, mend string }

func mishaps() []mishap {
	camera := func(command string) string { return "uvcsim ctl -socket /run/uvcsim-alice.sock " + command }
	return []mishap{
		{"unplug", camera("unplug"), camera("plug")},
		{"freeze", camera("freeze on"), camera("freeze off")},
		{"stall", camera("stall on"), camera("stall off")},
		{"cable", "ip -n alice link set cable down", "ip -n alice link set cable up"},
		{"restart", "systemctl restart " + alice.unit, "true"},
		{"kill", "systemctl kill -s KILL " + alice.unit, "true"},
		{"other side's restart", "systemctl restart " + bob.unit, "true"},
	}
}

// TestFaultsAtOnce lets several things go wrong at once, in any order, and mends them in any other.
func TestFaultsAtOnce(t *testing.T) {
	startCall(t)
	random := seed(t)
	rounds := [][]int{{0, 1, 3, 4}} // always: unplugged, frozen, the cable out and the daemon restarted
	for range 4 {
		rounds = append(rounds, random.Perm(len(mishaps()))[:2+random.IntN(3)])
	}
	for _, round := range rounds {
		since := alice.journal(t)
		var names []string
		for _, i := range round {
			names = append(names, mishaps()[i].name)
		}
		inTurn(t, random, round, func(m mishap) string { return m.fail })
		inTurn(t, random, round, func(m mishap) string { return m.mend })
		began := time.Now()
		r := seesAgain(t, 30)
		t.Logf("%q: 30 frames after %v", names, time.Since(began).Round(100*time.Millisecond))
		t.Logf("%s", sh(t, fmt.Sprintf("journalctl --no-pager -o short-monotonic -u %s -u %s --after-cursor '%s'", alice.unit, bob.unit, since)))
		if r.Altered+r.Foreign+r.Repeated > 0 {
			t.Errorf("after %q: %+v, want none altered, none twice", names, r)
		}
	}
}

// inTurn runs a script of each mishap, in random order and at random moments.
func inTurn(t *testing.T, random *rand.Rand, round []int, script func(mishap) string) {
	t.Helper()
	random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
	for _, i := range round {
		sh(t, script(mishaps()[i]))
		time.Sleep(time.Duration(random.IntN(700)) * time.Millisecond)
	}
}

// seesAgain waits until bob has seen n frames of alice's camera. His viewer ends with his daemon, so it may take several.
func seesAgain(t *testing.T, n int) (r frameReport) {
	t.Helper()
	for deadline := time.Now().Add(comesBack); time.Now().Before(deadline); {
		out, err := machine.shell(t.Context(), fmt.Sprintf("timeout 30 %s | framecheck -camera %d -size %s -count %d",
			bob.ctl("view alice --to pipe"), alice.camera.id, alice.size, n), "")
		if err == nil {
			if decode(t, out, &r); r.own() >= n {
				return r
			}
		}
	}
	t.Fatalf("no %d frames within %v: %+v", n, comesBack, r)
	return r
}

// TestMostFramesAreBroken has a camera of whose frames 87 of 100 are broken, in all the ways there are.
func TestMostFramesAreBroken(t *testing.T) {
	startCall(t)
	w := bob.watch(t)
	before := w.frames(t, 30)
	alice.camera.tell(t, "mixed 87%")
	first, skipped := alice.status(t).Camera, alice.camera.status(t).Skipped
	r := w.until(t, "60 good frames", func(r frameReport) bool { return r.own() >= before.own()+60 })
	last := alice.status(t).Camera
	if r.Altered+r.Foreign+r.Repeated > 0 {
		t.Errorf("%+v after %+v, want the good frames alone", r, before)
	}
	good, broken, sum := last.Frames-first.Frames, last.Broken-first.Broken, 0
	if good*100 < (good+broken)*8 || good*100 > (good+broken)*25 {
		t.Errorf("%d good ones and %d broken, want some 13 good ones of 100", good, broken)
	}
	for _, why := range []string{"truncated", "garbled", "tiny", "wrong size"} {
		n := last.BrokenBy[why] - first.BrokenBy[why]
		if sum += n; n*100 < (good+broken)*15 { // a quarter of 87 is 21
			t.Errorf("%d of %d frames are counted as %s, want some 21 of 100: %v", n, good+broken, why, last.BrokenBy)
		}
	}
	if broken != sum {
		t.Errorf("broken %d, by reason %d", broken, sum)
	}
	// Where the emulation itself makes pauses, they are silence.
	if skipped = alice.camera.status(t).Skipped - skipped; skipped == 0 && (last.Restarted > first.Restarted || r.Cards > before.Cards) {
		t.Errorf("before %+v, after %+v, %d cards, want no restart and no card: good frames came", first, last, r.Cards-before.Cards)
	}
	t.Logf("%d good, %d broken: %v; %d left out by the emulation", good, broken, last.BrokenBy, skipped)
}

// TestAutoTakesTheOtherCamera pulls out, of two cameras, the one that is used.
func TestAutoTakesTheOtherCamera(t *testing.T) {
	startDevices(t)
	sh(t, "systemctl stop "+bob.unit) // his camera is free for alice
	sh(t, "sed -i 's|^  device: .*|  device: auto|' "+alice.config+" && systemctl restart "+alice.unit)
	for _, d := range []device{alice, bob} {
		d.camera.tell(t, "fps 10") // 30 from one more camera are too much for the emulation
	}
	w := alice.watchFeed(t, "self", alice)
	w.frames(t, 10)
	alice.camera.tell(t, "unplug")
	r := w.until(t, "frames of the other camera", func(r frameReport) bool { return r.Foreign >= 10 })
	alice.camera.tell(t, "plug")
	bob.camera.tell(t, "unplug")
	r = w.until(t, "frames of the first camera", func(now frameReport) bool { return now.own() >= r.own()+10 })
	bob.camera.tell(t, "plug")
	if r.Altered+r.Bare > 0 {
		t.Errorf("%+v, want none altered", r)
	}
}
