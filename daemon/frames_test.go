package daemon_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
	"vchat/daemon/daemontest/teststamp"
	"vchat/daemon/frame"
	"vchat/daemon/vmtest/testframe"
)

// watch makes alice call bob, who answers automatically, and returns her feed
// at bob.
func watch(t testing.TB, change func(alice, bob *config.Config)) *client.Feed {
	t.Helper()
	alice, bob := daemontest.New(t, "alice"), daemontest.New(t, "bob")
	alice.Know(bob, bob.Config.Listen, nil)
	bob.Know(alice, "", func(p *config.Peer) { p.AutoAnswer = true })
	change(alice.Config, bob.Config)
	start(bob, alice)
	if _, err := alice.Client.Call(t.Context(), api.CallRequest{Peer: "bob"}); err != nil {
		t.Fatal(err)
	}
	bob.Wait("frames of alice", daemontest.Seeing)
	feed, err := bob.Client.Feed(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(feed.Close)
	return feed
}

// Many cameras omit the Huffman tables. libjpeg, which most programs use, must
// read the frames without a warning on standard error.
func TestFrames_readableByLibjpeg(t *testing.T) {
	djpeg, err := exec.LookPath("djpeg")
	if err != nil && os.Getenv("VCHAT_TEST_TOOLS") != "" {
		t.Fatal("djpeg is not installed: package libjpeg-turbo-progs")
	} else if err != nil {
		t.Skip("djpeg is not installed")
	}
	var stream []byte
	source := testframe.New(320, 240)
	for i := range uint32(testframe.Variants) {
		stream = append(stream, testframe.WithoutTables(source.Frame(nil, testframe.Stamp{Sequence: i}))...)
	}
	name := filepath.Join(t.TempDir(), "stream.mjpeg")
	if err := os.WriteFile(name, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	feed := watch(t, func(alice, _ *config.Config) { alice.Camera.Device = "file:" + name })
	for range 3 * testframe.Variants {
		f, err := feed.Next()
		if err != nil {
			t.Fatal(err)
		}
		st, err := testframe.ParseStamp(f.Data)
		if err != nil {
			t.Fatal(err)
		}
		// On a loaded machine a frame may come with a lower quality. 0xFFC4 is
		// DHT.
		if full := source.Frame(nil, st); len(f.Data) > len(full) || !bytes.Contains(f.Data, []byte{0xff, 0xc4}) {
			t.Errorf("frame %d: got %d bytes, want at most %d, with tables", f.Seq, len(f.Data), len(full))
		}
		cmd := exec.Command(djpeg, "-pnm", "-outfile", os.DevNull)
		cmd.Stdin = bytes.NewReader(f.Data)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("frame %d: djpeg: %v %s", f.Seq, err, out)
		}
	}
}

// BenchmarkCallDelay measures the delay from the stamp of a frame to its bytes
// at a viewer on the other device: two daemons, TLS and the control socket, at
// 1280x720 and 30 frames per second. An operation is a frame:
//
//	go test -run '^$' -bench CallDelay -benchtime 600x ./daemon
func BenchmarkCallDelay(b *testing.B) {
	feed := watch(b, func(alice, _ *config.Config) { alice.Camera.Size = config.Size{Width: 1280, Height: 720} })
	var delays []time.Duration
	for b.Loop() {
		f, err := feed.Next()
		if err != nil {
			b.Fatal(err)
		}
		if _, captured, ok := teststamp.Parse(f.Data); ok {
			delays = append(delays, frame.Now()-captured)
		}
	}
	if len(delays) == 0 {
		b.Fatal("got no frame with a stamp")
	}
	slices.Sort(delays)
	for name, at := range map[string]int{"p50-ms": len(delays) / 2, "p99-ms": len(delays) * 99 / 100} {
		b.ReportMetric(float64(delays[at])/1e6, name)
	}
}
