//go:build vm

package vmtest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A fault has a script that causes it and one that repairs it.
type fault struct{ name, fail, repair string }

func allFaults() []fault {
	camera := alice.camera
	return []fault{
		{"unplug", camera.script("unplug"), camera.script("plug")},
		{"freeze", camera.script("freeze on"), camera.script("freeze off")},
		{"stall", camera.script("stall on"), camera.script("stall off")},
		{"cable", "ip -n alice link set cable down", "ip -n alice link set cable up"},
		{"restart", "systemctl restart " + alice.unit, "true"},
		{"kill", "systemctl kill -s KILL " + alice.unit, "true"},
		{"restart of the peer", "systemctl restart " + bob.unit, "true"},
	}
}

// TestFaults_combined causes several faults in random order and repairs them in
// another order.
func TestFaults_combined(t *testing.T) {
	startCall(t)
	random := newRand(t)
	rounds := [][]int{{0, 1, 3, 4}} // always: unplug, freeze, cable and restart
	for range 4 {
		rounds = append(rounds, random.Perm(len(allFaults()))[:2+random.IntN(3)])
	}
	for _, round := range rounds {
		cursor := alice.journalCursor(t)
		var names []string
		for _, i := range round {
			names = append(names, allFaults()[i].name)
		}
		runShuffled(t, random, round, func(f fault) string { return f.fail })
		runShuffled(t, random, round, func(f fault) string { return f.repair })
		begun := time.Now()
		r := viewAtBob(t, 30)
		t.Logf("%q: 30 frames after %v", names, time.Since(begun).Round(100*time.Millisecond))
		t.Logf("%s", sh(t, fmt.Sprintf("journalctl --no-pager -o short-monotonic -u %s -u %s --after-cursor '%s'",
			alice.unit, bob.unit, cursor)))
		if r.Altered+r.Foreign+r.Repeated > 0 {
			t.Errorf("after %q: got frames %+v, want none altered, foreign or repeated", names, r)
		}
	}
}

// runShuffled runs a script of each fault, in random order and with random
// delays.
func runShuffled(t *testing.T, random *rand.Rand, round []int, script func(fault) string) {
	t.Helper()
	random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
	for _, i := range round {
		sh(t, script(allFaults()[i]))
		time.Sleep(time.Duration(random.IntN(700)) * time.Millisecond)
	}
}

// viewAtBob waits until a viewer at bob's side gets n frames of alice's camera.
// The viewer ends with bob's daemon, so it may start several times.
func viewAtBob(t *testing.T, n int) (r frameReport) {
	t.Helper()
	script := fmt.Sprintf("timeout 30 %s | framecheck -camera %d -size %s -count %d",
		bob.ctl("view alice --to pipe"), alice.camera.id, alice.size, n)
	for deadline := time.Now().Add(waitTimeout); time.Now().Before(deadline); {
		out, err := machine.shell(t.Context(), script, "")
		if err == nil {
			if decode(t, out, &r); r.intact() >= n {
				return r
			}
		}
	}
	t.Fatalf("after %v: got frames %+v, want %d of alice's camera", waitTimeout, r, n)
	return r
}

// TestFaults_brokenFrames uses a camera with 87% broken frames of all kinds.
func TestFaults_brokenFrames(t *testing.T) {
	startCall(t)
	w := bob.watch(t)
	before := w.awaitFrames(t, 30)
	alice.camera.send(t, "mixed 87%")
	first, skipped := alice.status(t).Camera, alice.camera.status(t).Skipped
	r := w.await(t, "60 good frames", func(r frameReport) bool { return r.intact() >= before.intact()+60 })
	last := alice.status(t).Camera
	if r.Altered+r.Foreign+r.Repeated > 0 {
		t.Errorf("got frames %+v after %+v, want only the good ones", r, before)
	}
	good, broken, sum := last.Frames-first.Frames, last.Broken-first.Broken, 0
	if good*100 < (good+broken)*8 || good*100 > (good+broken)*25 {
		t.Errorf("got %d good frames and %d broken ones, want about 13%% good ones", good, broken)
	}
	for _, defect := range []string{"truncated", "garbled", "tiny", "wrong size"} {
		n := last.BrokenBy[defect] - first.BrokenBy[defect]
		if sum += n; n*100 < (good+broken)*15 { // a quarter of 87% is 21%
			t.Errorf("%s: got %d of %d frames, want about 21%%: %v", defect, n, good+broken, last.BrokenBy)
		}
	}
	if broken != sum {
		t.Errorf("sum of broken_by: got %d, want %d as in broken", sum, broken)
	}
	// If emulation stalls, the camera is silent. Then a restart is right.
	skipped = alice.camera.status(t).Skipped - skipped
	if skipped == 0 && (last.Restarted > first.Restarted || r.Cards > before.Cards) {
		t.Errorf("before %+v, after %+v: got %d restarts and %d cards, want none while good frames arrive",
			first, last, last.Restarted-first.Restarted, r.Cards-before.Cards)
	}
	t.Logf("%d good, %d broken: %v; %d skipped by emulation", good, broken, last.BrokenBy, skipped)
}

// TestFaults_secondCamera unplugs the used camera of two.
func TestFaults_secondCamera(t *testing.T) {
	startDevices(t)
	sh(t, "systemctl stop "+bob.unit) // frees his camera for alice
	sh(t, "sed -i 's|^  device: .*|  device: auto|' "+alice.config+" && systemctl restart "+alice.unit)
	for _, d := range []device{alice, bob} {
		d.camera.send(t, "fps 10") // emulation is too slow for two cameras at 30
	}
	w := alice.watchFeed(t, "self", alice)
	w.awaitFrames(t, 10)
	alice.camera.send(t, "unplug")
	r := w.await(t, "frames of the second camera", func(r frameReport) bool { return r.Foreign >= 10 })
	alice.camera.send(t, "plug")
	bob.camera.send(t, "unplug")
	r = w.await(t, "frames of the first camera", func(now frameReport) bool { return now.intact() >= r.intact()+10 })
	bob.camera.send(t, "plug")
	if r.Altered+r.Bare > 0 {
		t.Errorf("got frames %+v, want none altered or without tables", r)
	}
}
