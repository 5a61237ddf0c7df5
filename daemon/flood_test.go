package daemon_test

import (
	"bytes"
	"crypto/tls"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/client"
	"vchat/daemon/identity"
	"vchat/daemon/wire"
)

var floodTime = flag.Duration("flood", 0, "flood vchatd for this long with each of TestFloods")

// flood sends messages without end. Each call of next returns more of them.
type flood struct {
	name  string
	next  func() []byte
	conns int  // 1 unless set
	again bool // connect again for each call of next
	watch bool // a viewer looks at the frames
}

func encode(all ...wire.Message) (b []byte) {
	for _, m := range all {
		var err error
		if b, err = wire.Append(b, m); err != nil {
			panic(err)
		}
	}
	return b
}

func frameOf(m wire.Frame, data []byte) []byte {
	m.Size = len(data)
	return append(wire.AppendFrame(nil, &m), data...)
}

// floods lists the attacks of a peer whose key is known.
func floods() []flood {
	var n atomic.Uint64
	repeat := func(m func(i uint64) wire.Message) func() []byte {
		return func() (b []byte) {
			for range 64 {
				b = append(b, encode(m(n.Add(1)))...)
			}
			return b
		}
	}
	call := func(i uint64) wire.CallID { return wire.CallID{9, byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)} }
	const w, h = 4096, 2048 // 16 MiB
	var z wire.LZ4
	packed := make([]byte, 16<<20)
	k, _ := z.Compress(packed, make([]byte, 2*w*h))
	packed = packed[:k]
	noise := make([]byte, 15<<20)
	for i := range noise {
		noise[i] = byte(i*i>>7) | 1
	}
	delta := func(w, h uint16, data []byte) func() []byte {
		return func() []byte {
			i := n.Add(2)
			return append(frameOf(wire.Frame{Seq: i, Width: w, Height: h, Codec: wire.CodecYUYVLZ4}, data),
				frameOf(wire.Frame{Seq: i + 1, Base: i, Width: w, Height: h, Codec: wire.CodecYUYVDelta}, data)...)
		}
	}
	small := make([]byte, 8<<20)
	k, _ = z.Compress(small, make([]byte, 2*2048*2000))
	small = small[:k]
	jpeg := func() []byte {
		return frameOf(wire.Frame{Seq: n.Add(1), Width: w, Height: h, Codec: wire.CodecJPEG}, noise)
	}
	return []flood{
		{name: "pings", next: repeat(func(i uint64) wire.Message { return &wire.Ping{T1: time.Duration(i)} })},
		{name: "pings, 8 connections", conns: 8,
			next: repeat(func(i uint64) wire.Message { return &wire.Ping{T1: time.Duration(i)} })},
		{name: "feedbacks", next: repeat(func(i uint64) wire.Message { return &wire.Feedback{Seq: i, Frames: i} })},
		{name: "refreshes", next: repeat(func(uint64) wire.Message { return &wire.Refresh{} })},
		{name: "states", next: repeat(func(i uint64) wire.Message {
			return &wire.State{Camera: wire.CameraLost, Reason: strconv.FormatUint(i, 10)}
		})},
		{name: "texts", next: repeat(func(i uint64) wire.Message {
			return &wire.Text{ID: i, Text: strings.Repeat("x", 2000)}
		})},
		{name: "nominations, twins", next: repeat(func(i uint64) wire.Message {
			if i%2 == 0 {
				return &wire.Twin{}
			}
			return &wire.Nominate{}
		})},
		{name: "invites and ends", next: func() []byte {
			i := n.Add(1)
			return encode(&wire.Invite{Call: call(i)}, &wire.End{Call: call(i), Reason: wire.ReasonCancelled})
		}},
		{name: "calls with ever smaller ids", next: repeat(func(i uint64) wire.Message {
			return &wire.Accept{Call: call(^i)}
		})},
		{name: "resumes", next: repeat(func(i uint64) wire.Message { return &wire.Resume{Call: call(i)} })},
		{name: "unknown messages", next: func() []byte {
			return bytes.Repeat(append([]byte{0x7f, 0, 0, 0, 0, 0, 0, 8}, make([]byte, 8)...), 1000)
		}},
		{name: "new connections", again: true, next: func() []byte { return nil }},
		{name: "JPEGs of 15 MiB", next: jpeg},
		{name: "deltas of 16 MiB", next: delta(w, h, packed)},
		{name: "JPEGs of 15 MiB, watched", next: jpeg, watch: true},
		{name: "deltas of 16 MiB, watched", next: delta(w, h, packed), watch: true},
		{name: "deltas of 8 MiB, watched", next: delta(2048, 2000, small), watch: true},
	}
}

// process is a vchatd of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	listen string
	log    string
	state  string
	peer   *identity.Identity
	client *client.Client
}

func startProcess(t *testing.T, binary string) *process {
	t.Helper()
	dir := t.TempDir()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, listen: "127.0.0.1:27450", log: filepath.Join(dir, "log"), state: filepath.Join(dir, "state"),
		peer: id, client: client.New(filepath.Join(dir, "sock"))}
	config := fmt.Sprintf("name: alice\nlisten: %q\nstate_dir: %q\ncontrol: {socket: %q}\n"+
		"camera: {device: test, size: 320x240, fps: 5}\npeers:\n  mallory: {id: %s, auto_answer: true}\n",
		p.listen, p.state, filepath.Join(dir, "sock"), id.ID())
	if err := os.WriteFile(filepath.Join(dir, "vchat.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.state, 0o700); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(binary, "--config", filepath.Join(dir, "vchat.yaml"))
	p.cmd.Stderr, p.cmd.Stdout = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		_ = p.cmd.Wait()
	})
	return p
}

// connect returns a connection that is the link.
func (p *process) connect() (*tls.Conn, error) {
	c, err := tls.Dial("tcp", p.listen, p.peer.ClientConfig())
	if err != nil {
		return nil, err
	}
	_, err = c.Write(encode(&wire.Hello{VersionMin: 1, VersionMax: 1, Name: "mallory", Instance: 1,
		Features: []string{"jpeg", "yuyv", "lz4", "delta", "text", "resume"}}))
	in := wire.NewReader(c)
	for err == nil {
		var m wire.Message
		if m, err = in.Next(); err == nil && m.Type() == wire.TypeHello {
			break
		}
	}
	if err == nil && p.arbiter(c) {
		_, err = c.Write(encode(&wire.Nominate{}))
	}
	for nominated := err != nil || p.arbiter(c); !nominated; { // by the daemon
		var m wire.Message
		if m, err = in.Next(); err != nil || m.Type() == wire.TypeNominate {
			break
		}
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	go func() { // what it gets
		for {
			if _, err := in.Next(); err != nil {
				return
			}
		}
	}()
	return c, nil
}

// arbiter reports whether the peer nominates connections.
func (p *process) arbiter(c *tls.Conn) bool {
	alice, err := identity.PeerID(c.ConnectionState())
	return err == nil && p.peer.ID().Compare(alice) < 0
}

func (p *process) usage() (rss int, cpu time.Duration) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	pages, _ := strconv.Atoi(f[21])
	return pages * os.Getpagesize(), time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

func (p *process) logLines() int {
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// TestFloods floods vchatd, as a process of its own, and reports what that
// costs. It takes long and needs an idle machine:
//
//	go test ./daemon -run TestFloods -flood 20s -v
func TestFloods(t *testing.T) {
	if *floodTime == 0 {
		t.Skip("needs -flood 20s")
	}
	binary := filepath.Join(t.TempDir(), "vchatd")
	if out, err := exec.Command("go", "build", "-o", binary, "vchat/cmd/vchatd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, f := range floods() {
		t.Run(f.name, func(t *testing.T) { f.run(t, startProcess(t, binary)) })
	}
}

func (f flood) run(t *testing.T, p *process) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if c, err := p.connect(); err == nil {
			_ = c.Close()
			break
		} else if time.Now().After(end) {
			log, _ := os.ReadFile(p.log)
			t.Fatalf("%v\n%s", err, log)
		}
	}
	time.Sleep(3 * time.Second)
	idle, before := p.usage()
	lines := p.logLines()
	stop := make(chan struct{})
	var sent atomic.Uint64
	done := make(chan struct{})
	conns := max(1, f.conns)
	for range conns {
		go func() {
			defer func() { done <- struct{}{} }()
			f.attack(p, stop, &sent)
		}()
	}
	if f.watch {
		time.Sleep(time.Second)
		feed, err := p.client.Feed(t.Context(), "mallory")
		if err != nil {
			t.Fatal(err)
		}
		defer feed.Close()
		go func() {
			for {
				if _, err := feed.Next(); err != nil {
					return
				}
			}
		}()
	}
	most := 0
	for end := time.Now().Add(*floodTime); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		rss, _ := p.usage()
		most = max(most, rss)
	}
	_, after := p.usage()
	_, err := p.client.Status(t.Context())
	close(stop)
	for range conns {
		<-done
	}
	if err != nil {
		t.Errorf("status during the flood: %v", err)
	}
	share := 100 * (after - before).Seconds() / floodTime.Seconds()
	grown := p.logLines() - lines
	t.Logf("| %s | %.0f MB | %.0f %% | %d | %.1f MB/s |", f.name, float64(most-idle)/1e6, share, grown,
		float64(sent.Load())/1e6/floodTime.Seconds())
	if most-idle > 64<<20 {
		t.Errorf("got %d MB above idle, want at most 64", (most-idle)>>20)
	}
	if share > 25 && !f.watch {
		t.Errorf("got %.0f %% of a core, want at most 25", share)
	}
	if limit := 70 + int(floodTime.Seconds()); grown > limit {
		t.Errorf("got %d lines in the log, want at most %d", grown, limit)
	}
}

// attack sends until stop is closed. It connects again whenever it is closed.
func (f flood) attack(p *process, stop chan struct{}, sent *atomic.Uint64) {
	for {
		c, err := p.connect()
		if err == nil {
			if !strings.HasPrefix(f.name, "invites") {
				_, err = c.Write(encode(&wire.Invite{Call: wire.CallID{1}}))
			}
			go func() {
				<-stop
				_ = c.Close()
			}()
		}
		for err == nil && !f.again {
			var n int
			n, err = c.Write(f.next())
			sent.Add(uint64(n))
		}
		if c != nil {
			_ = c.Close()
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}
