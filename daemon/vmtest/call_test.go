//go:build vm

package vmtest

import (
	"fmt"
	"strings"
	"testing"
)

// TestCall is the product's promise: what arrives is what the camera sent, every byte, in order, once, and at its rate.
func TestCall(t *testing.T) {
	startCall(t)
	// The rate is compared with what the camera sent meanwhile, so that slow emulation does not count; but the newest
	// frame wins at each hop, and a link that stands still loses its quality for seconds, so a host that is busy
	// elsewhere for some 100 ms costs frames or bytes. Ten tries to find it idle.
	var r frameReport
	for range 10 {
		r = bob.view(t, 100)
		if err := r.faultless(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%.2f fps, %d of %d lost, %d reduced, delay %+v ms", r.FPS, r.Missing, r.Last-r.First+1, r.Reduced, r.DelayMS)
		if r.Missing == 0 && r.Exact == r.Frames {
			break
		}
	}
	if r.Missing > 0 || r.Exact < r.Frames {
		t.Errorf("not at the camera's rate, or not byte for byte: %+v", r)
	}
	if back := alice.view(t, 20); back.faultless() != nil {
		t.Errorf("bob's frame on alice's side: %v", back.faultless())
	}
}

// TestCallCompletesTables has a camera that leaves out the Huffman tables, which most decoders cannot do without.
func TestCallCompletesTables(t *testing.T) {
	startCall(t)
	alice.camera.tell(t, "notables on")
	// The tables are the standard's, so a completed frame may well be exactly the one from before they were left out.
	if r := bob.view(t, 30); r.own()+r.Completed != r.Frames || r.Frames != 30 {
		t.Errorf("%+v, want 30 frames with nothing changed but added tables", r)
	}
}

// TestFrameComesBack breaks one thing after the other under a running call, on which nobody then lays a hand.
func TestFrameComesBack(t *testing.T) {
	cable := func(state string) string { return "ip -n alice link set cable " + state }
	camera := func(command string) string { return "uvcsim ctl -socket /run/uvcsim-alice.sock " + command }
	for _, tt := range []struct {
		name, fail, mend string
		card             bool // the viewer is told by a frame
	}{
		{"camera unplugged", camera("unplug"), camera("plug"), true},
		{"camera frozen", camera("freeze on"), camera("freeze off"), true},
		{"cable pulled", cable("down"), cable("up"), false},
		{"packets dropped", "ip netns exec bob nft 'table inet cut { chain in { type filter hook input priority 0; iif cable drop; }; }'",
			"ip netns exec bob nft delete table inet cut", false},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "_"), func(t *testing.T) {
			startCall(t)
			w := bob.watch(t)
			well := w.frames(t, 30)
			sh(t, tt.fail)
			t.Cleanup(func() { cleanUp(t, "("+tt.mend+") >/dev/null 2>&1 || true") })
			w.silence(t)
			if tt.card {
				w.until(t, "card instead of the camera's frame", func(r frameReport) bool { return r.Cards > well.Cards })
			}
			sh(t, tt.mend)
			r := w.frames(t, 60)
			if r.Altered+r.Foreign+r.Repeated > 0 {
				t.Errorf("after all: %+v, want none altered, none twice", r)
			}
			t.Logf("%+v", r)
		})
	}
}

// TestKilledDaemonComesBack kills either daemon; systemd starts it again, and it takes up its call.
func TestKilledDaemonComesBack(t *testing.T) {
	for _, victim := range []device{alice, bob} {
		t.Run(victim.name, func(t *testing.T) {
			startCall(t)
			if err := bob.view(t, 10).faultless(); err != nil {
				t.Fatal(err)
			}
			pid := strings.TrimSpace(sh(t, "systemctl show -P MainPID "+victim.unit))
			sh(t, "kill -9 "+pid)
			eventually(t, comesBack, fmt.Sprintf("p=$(systemctl show -P MainPID %s); test $p != 0 && test $p != %s", victim.unit, pid))
			for _, d := range []device{alice, bob} {
				eventually(t, comesBack, d.ctl("status --json")+` | tr -d ' \n' | grep -q '"state":"active"'`)
			}
			if err := bob.view(t, 30).faultless(); err != nil {
				t.Error(err)
			}
		})
	}
}
