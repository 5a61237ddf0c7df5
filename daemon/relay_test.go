package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/daemontest"
	"vchat/daemon/relay/relaytest"
)

// behindNAT returns two devices that know only the id of each other and
// listen nowhere, with a relay.
func behindNAT(t *testing.T, relay string) (alice, bob *daemontest.Device) {
	t.Helper()
	alice, bob = daemontest.New(t, "alice"), daemontest.New(t, "bob")
	alice.Know(bob, "", nil)
	bob.Know(alice, "", func(p *config.Peer) { p.AutoAnswer = true })
	for _, d := range []*daemontest.Device{alice, bob} {
		d.Config.Listen, d.Config.Relay = "", []string{relay}
		d.Start()
	}
	return alice, bob
}

// mustSee calls bob and waits for frames on both sides, by the relay.
func mustSee(t *testing.T, alice, bob *daemontest.Device, relay string) {
	t.Helper()
	alice.Wait("link", func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp })
	if _, err := alice.Client.Call(t.Context(), api.CallRequest{Peer: "bob"}); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*daemontest.Device{alice, bob} {
		s := d.Wait("frames", daemontest.Seeing)
		if l := s.Calls[0].Link; l.Path != api.PathRelay || l.Relay != relay {
			t.Errorf("got path %q, relay %q, want relay and %s", l.Path, l.Relay, relay)
		}
	}
}

// capture keeps what passes a relay.
type capture struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.b.Len() > 64<<20 {
		return len(b), nil
	}
	return c.b.Write(b)
}

// A call by a relay, with a thousand strangers that wait there. The relay sees
// no plaintext.
func TestRelay_call(t *testing.T) {
	r := relaytest.New(t)
	seen := &capture{}
	r.Tap = seen
	for i := range 1000 {
		c, err := net.Dial("tcp", r.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = fmt.Fprintf(c, "please relay %064x for side %016x\n", i, i)
	}
	alice, bob := behindNAT(t, r.Address())
	mustSee(t, alice, bob, r.Address())
	for range 3 {
		r.Cut()
		alice.Wait("loss of the link", func(s api.Status) bool {
			return !daemontest.Seeing(s) || s.Calls[0].Link.Reconnects > 0
		})
		for _, d := range []*daemontest.Device{alice, bob} {
			d.Wait("frames", daemontest.Seeing)
		}
	}
	frame, err := alice.Client.Snapshot(ctx(t), "bob")
	if err != nil {
		t.Fatal(err)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if seen.b.Len() < 50_000 {
		t.Errorf("the relay has seen %d bytes, want those of frames", seen.b.Len())
	}
	// Fewer than five bytes occur by chance. Those of a frame are the same at
	// any quality: the start of the JPEG and of its tables.
	for _, secret := range []string{"alice", "vchat 0", string(frame.Data[:5]), alice.ID.String(), bob.ID.String()} {
		if n := bytes.Count(seen.b.Bytes(), []byte(secret)); n > 0 {
			t.Errorf("the relay has seen %q %d times in %d bytes", secret, n, seen.b.Len())
		}
	}
	if n := r.Early(); n > 0 {
		t.Errorf("%d bytes were sent before the answer of the relay", n)
	}
}

// Where only a relay can help, a probe says what to look at.
func TestRelay_probe(t *testing.T) {
	r := relaytest.New(t)
	alice, bob := daemontest.New(t, "alice"), daemontest.New(t, "bob") // bob does not run
	alice.Know(bob, "", nil)
	alice.Config.Listen, alice.Config.Relay = "", []string{r.Address()}
	alice.Start()
	for _, want := range []string{"with the same relay", "is the relay running"} {
		got, err := alice.Client.Probe(t.Context(), "bob")
		for limit := time.Now().Add(time.Minute); err == nil && !strings.Contains(got.Hint, want) &&
			time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
			got, err = alice.Client.Probe(t.Context(), "bob")
		}
		if err != nil || !strings.Contains(got.Hint, want) || got.Failed != api.ProbeAddress {
			t.Fatalf("got %+v, %v, want a hint with %q", got, err, want)
		}
		r.Stop()
	}
}

// A reload with a relay makes the link; one without it leaves it up.
func TestRelay_reload(t *testing.T) {
	r := relaytest.New(t)
	alice, bob := daemontest.New(t, "alice"), daemontest.New(t, "bob")
	alice.Know(bob, "", nil)
	bob.Know(alice, "", nil)
	for _, d := range []*daemontest.Device{alice, bob} {
		d.Config.Listen = ""
		d.Start()
	}
	for _, d := range []*daemontest.Device{alice, bob} {
		if s := d.Status(); s.Relays != nil || r.Accepted() > 0 {
			t.Errorf("got relays %v and %d connections without a relay in the configuration", s.Relays, r.Accepted())
		}
	}
	for _, d := range []*daemontest.Device{alice, bob} {
		d.Reload(func(c *config.Config) error { c.Relay = []string{r.Address()}; return nil })
	}
	isUp := func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp }
	alice.Wait("link", isUp)
	bob.Wait("link", isUp)
	for _, d := range []*daemontest.Device{alice, bob} {
		d.Reload(func(c *config.Config) error { c.Relay = nil; return nil })
	}
	if s := alice.Status(); !isUp(s) || s.Relays != nil {
		t.Errorf("got %v with relays %v after the reload, want the link up and no relay", s.Peers[0].Link.State,
			s.Relays)
	}
	for deadline := time.Now().Add(daemontest.Timeout); r.Waiting() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections still wait at the relay, want 0", r.Waiting())
		}
	}
}

// The relay of Debian, which is killed in a call.
func TestRelay_debian(t *testing.T) {
	if _, err := exec.LookPath("twistd3"); err != nil {
		t.Skip("twistd3 of the package magic-wormhole-transit-relay is not installed")
	}
	address, err := daemontest.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(address, ":")
	start := func() (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		cmd := exec.CommandContext(ctx, "twistd3", "--nodaemon", "--pidfile=", "transitrelay",
			"--port=tcp:"+port+":interface=127.0.0.1")
		cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "HOME="+t.TempDir())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // Python starts slowly
			if c, err := net.Dial("tcp", address); err == nil {
				_ = c.Close()
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("the relay does not listen within 1 min: %v", err)
			}
		}
		return sync.OnceFunc(func() { cancel(); _ = cmd.Wait() })
	}
	stop := start()
	defer func() { stop() }()
	alice, bob := behindNAT(t, address)
	mustSee(t, alice, bob, address)
	stop()
	alice.Wait("loss of the link", daemontest.InCall(api.CallResuming))
	bob.Wait("loss of the link", daemontest.InCall(api.CallResuming))
	stop = start()
	for _, d := range []*daemontest.Device{alice, bob} {
		d.Wait("frames", daemontest.Seeing)
	}
}
