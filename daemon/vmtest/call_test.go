//go:build vm

package vmtest

import (
	"fmt"
	"strings"
	"testing"
)

// TestCall checks that frames arrive as the camera sends them: every byte, in
// order, without repeats and at the camera's rate.
func TestCall(t *testing.T) {
	startCall(t)
	// The rate is compared with what the camera sent, so slow emulation does
	// not matter. But a host that is busy for 100 ms costs frames, because each
	// hop keeps only the newest, or bytes, because a stalled link reduces the
	// quality for seconds. Ten attempts find the host idle once.
	var r frameReport
	for range 10 {
		r = bob.view(t, 100)
		if err := r.check(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%.2f fps, %d of %d lost, %d reduced, delay %+v ms",
			r.FPS, r.Missing, r.Last-r.First+1, r.Reduced, r.DelayMS)
		if r.Missing == 0 && r.Exact == r.Frames {
			break
		}
	}
	if r.Missing > 0 || r.Exact < r.Frames {
		t.Errorf("got frames %+v, want all of the camera's, byte for byte", r)
	}
	if err := alice.view(t, 20).check(); err != nil {
		t.Errorf("bob's camera at alice's side: %v", err)
	}
}

// TestCall_missingTables uses a camera that omits the Huffman tables, which
// most decoders need.
func TestCall_missingTables(t *testing.T) {
	startCall(t)
	alice.camera.send(t, "notables on")
	// The tables are those of the standard, so a completed frame may be exactly
	// the original one.
	if r := bob.view(t, 30); r.intact()+r.Completed != r.Frames || r.Frames != 30 {
		t.Errorf("got frames %+v, want 30 with no change but added tables", r)
	}
}

// TestCall_recovery causes a fault during a call and repairs it. The call must
// recover without help.
func TestCall_recovery(t *testing.T) {
	cable := func(state string) string { return "ip -n alice link set cable " + state }
	const dropInput = "ip netns exec bob nft " +
		"'table inet cut { chain in { type filter hook input priority 0; iif cable drop; }; }'"
	for _, tt := range []struct {
		name, fail, repair string
		card               bool // the viewer gets a status card
	}{
		{"camera unplugged", alice.camera.script("unplug"), alice.camera.script("plug"), true},
		{"camera frozen", alice.camera.script("freeze on"), alice.camera.script("freeze off"), true},
		{"cable unplugged", cable("down"), cable("up"), false},
		{"packets dropped", dropInput, "ip netns exec bob nft delete table inet cut", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			startCall(t)
			w := bob.watch(t)
			before := w.awaitFrames(t, 30)
			sh(t, tt.fail)
			t.Cleanup(func() { cleanUp(t, "("+tt.repair+") >/dev/null 2>&1 || true") })
			w.awaitSilence(t)
			if tt.card {
				w.await(t, "a card", func(r frameReport) bool { return r.Cards > before.Cards })
			}
			sh(t, tt.repair)
			r := w.awaitFrames(t, 60)
			if r.Altered+r.Foreign+r.Repeated > 0 {
				t.Errorf("after the repair: got frames %+v, want none altered, foreign or repeated", r)
			}
			t.Logf("%+v", r)
		})
	}
}

// TestCall_killedDaemon kills a daemon. systemd must start it again, and the
// daemon must resume its call.
func TestCall_killedDaemon(t *testing.T) {
	for _, killed := range []device{alice, bob} {
		t.Run(killed.name, func(t *testing.T) {
			startCall(t)
			if err := bob.view(t, 10).check(); err != nil {
				t.Fatal(err)
			}
			pid := strings.TrimSpace(sh(t, "systemctl show -P MainPID "+killed.unit))
			sh(t, "kill -9 "+pid)
			eventually(t, waitTimeout, fmt.Sprintf(
				"p=$(systemctl show -P MainPID %s); test $p != 0 && test $p != %s", killed.unit, pid))
			for _, d := range []device{alice, bob} {
				eventually(t, waitTimeout, d.ctl("status --json")+` | tr -d ' \n' | grep -q '"state":"active"'`)
			}
			if err := bob.view(t, 30).check(); err != nil {
				t.Error(err)
			}
		})
	}
}
