package soak

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/identity"
	"vchat/daemon/wire"
)

// faultKind is something that goes wrong.
type faultKind struct {
	name              string
	shortest, longest time.Duration
	// limit is the longest time from the end of the fault to a frame that was
	// taken after it, in both directions. If the fault must disturb nothing, it
	// is the longest time between two frames.
	limit     time.Duration
	harmless  bool // it must disturb nothing
	ends      bool // it ends vchatd
	bobOnly   bool
	smallDisk bool // it needs device.smallDisk
	// begin makes it happen. end repairs it. Both may be nil.
	begin, end func(w *world, d *device, f fault) error
}

const (
	second = time.Second
	milli  = time.Millisecond
)

// faultKinds has all kinds. The limits are those of packaging/doc/soak.md.
var faultKinds = []faultKind{
	{name: "cut", longest: 3 * second, limit: second,
		begin: network(func(p *proxy, _ fault) { p.setCut(true) }),
		end:   network(func(p *proxy, _ fault) { p.setCut(false) })},
	{name: "stall", shortest: 200 * milli, longest: 5 * second, limit: second,
		begin: network(func(p *proxy, _ fault) { p.setStalled(true) }),
		end:   network(func(p *proxy, _ fault) { p.setStalled(false) })},
	{name: "slow link", shortest: second, longest: 5 * second, limit: second,
		begin: network(func(p *proxy, f fault) { p.setRate(20_000 + int(f.seed%100_000)) }),
		end:   network(func(p *proxy, _ fault) { p.setRate(0) })},

	{name: "camera unplugged", longest: 3 * second, limit: 3 * second,
		begin: setCamera(cameraUnplugged), end: setCamera(cameraWorks)},
	{name: "camera frozen", shortest: 500 * milli, longest: 6 * second, limit: 3 * second,
		begin: setCamera(cameraFrozen), end: setCamera(cameraWorks)},
	{name: "camera sends noise", shortest: 200 * milli, longest: 3 * second, limit: 3 * second,
		begin: setCamera(cameraNoise), end: setCamera(cameraWorks)},
	{name: "privacy", shortest: 200 * milli, longest: 2 * second, limit: second,
		begin: setPrivacy(true), end: setPrivacy(false)},

	{name: "kill -9", longest: second, limit: 2 * second, ends: true,
		begin: func(_ *world, d *device, _ fault) error { return d.end(syscall.SIGKILL) },
		end:   func(_ *world, d *device, _ fault) error { return d.start() }},
	{name: "restart", longest: second, limit: 2 * second, ends: true,
		begin: func(_ *world, d *device, _ fault) error { return d.end(syscall.SIGTERM) },
		end:   func(_ *world, d *device, _ fault) error { return d.start() }},
	{name: "stopped process", shortest: 100 * milli, longest: 4 * second, limit: second,
		begin: func(_ *world, d *device, _ fault) error { return d.signal(syscall.SIGSTOP) },
		end:   func(_ *world, d *device, _ fault) error { return d.signal(syscall.SIGCONT) }},
	{name: "full disk and cut", shortest: second, longest: 3 * second, limit: second, bobOnly: true, smallDisk: true,
		begin: func(w *world, d *device, _ fault) error {
			w.eachProxy(func(p *proxy) { p.setCut(true) })
			return d.fillDisk(true) // when it saves that the call has no link
		},
		end: func(w *world, d *device, _ fault) error {
			w.eachProxy(func(p *proxy) { p.setCut(false) })
			return d.fillDisk(false)
		}},

	{name: "reload", shortest: 200 * milli, longest: second, limit: second, harmless: true,
		begin: func(_ *world, d *device, f fault) error {
			return reload(d, fmt.Sprintf("calls: {ring_timeout: %ds}\n", 10+f.seed%100))
		}},
	{name: "reload of a faulty file", shortest: 200 * milli, longest: second, limit: second, harmless: true,
		begin: func(_ *world, d *device, f fault) error {
			return reload(d, []string{"calls: {max: 0}\n", "nonsense: [\n", "\x00"}[f.seed%3])
		},
		end: func(_ *world, d *device, _ fault) error { return d.configure("") }},
	{name: "connections with garbage", shortest: second, longest: 3 * second, limit: second, harmless: true,
		begin: attack(func(ctx context.Context, d *device, r *rand.Rand) {
			c, err := dial(ctx, d)
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = c.Write(randomBytes(r, 1+r.IntN(4096)))
			if r.IntN(2) == 0 {
				_, _ = io.Copy(io.Discard, c)
			}
		})},
	{name: "unknown devices", shortest: second, longest: 3 * second, limit: second, harmless: true,
		begin: attack(func(ctx context.Context, d *device, r *rand.Rand) {
			id, err := identity.New()
			if err != nil {
				return
			}
			visit(ctx, d, id, r, func(io.Writer) {})
		})},
	{name: "known device with garbage", shortest: second, longest: 3 * second, limit: second, harmless: true,
		begin: func(w *world, d *device, f fault) error {
			return attack(func(ctx context.Context, d *device, r *rand.Rand) {
				visit(ctx, d, w.mallory, r, func(c io.Writer) { misbehave(c, r) })
			})(w, d, f)
		}},
	{name: "idle connections", shortest: second, longest: 3 * second, limit: second, harmless: true,
		begin: attack(func(ctx context.Context, d *device, _ *rand.Rand) {
			for range 20 {
				c, err := dial(ctx, d)
				if err != nil {
					return
				}
				defer c.Close()
			}
			<-ctx.Done()
		})},
}

func network(change func(*proxy, fault)) func(*world, *device, fault) error {
	return func(w *world, _ *device, f fault) error {
		w.eachProxy(func(p *proxy) { change(p, f) })
		return nil
	}
}

func setCamera(mode string) func(*world, *device, fault) error {
	return func(_ *world, d *device, _ fault) error { return d.setCamera(mode) }
}

func setPrivacy(on bool) func(*world, *device, fault) error {
	return func(_ *world, d *device, _ fault) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*second)
		defer cancel()
		err := d.client.SetPrivacy(ctx, on)
		if e, ok := errors.AsType[*api.Error](err); ok && e.Kind == api.CameraUnavailable {
			return nil // it is on, but the machine is too busy to end the camera's command in time
		}
		return err
	}
}

func reload(d *device, more string) error {
	if err := d.configure(more); err != nil {
		return err
	}
	return d.signal(syscall.SIGHUP)
}

// attackers is how many attackers there are at a time.
const attackers = 4

// attack runs one again and again until the fault ends.
func attack(one func(context.Context, *device, *rand.Rand)) func(*world, *device, fault) error {
	return func(_ *world, d *device, f fault) error {
		ctx, cancel := context.WithTimeout(context.Background(), f.lasts)
		defer cancel()
		var all sync.WaitGroup
		for i := range attackers {
			all.Go(func() {
				r := rand.New(rand.NewPCG(f.seed, uint64(i)))
				for ctx.Err() == nil {
					one(ctx, d, r)
					select {
					case <-ctx.Done():
					case <-time.After(10 * milli):
					}
				}
			})
		}
		all.Wait()
		return nil
	}
}

// dial connects to a device directly. The connection ends with ctx.
func dial(ctx context.Context, d *device) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.listen)
	if err == nil {
		context.AfterFunc(ctx, func() { c.Close() })
	}
	return c, err
}

// visit makes a handshake with a key and says hello. If the device takes the
// connection as the link to a peer, then misbehaves.
func visit(ctx context.Context, d *device, id *identity.Identity, r *rand.Rand, then func(io.Writer)) {
	raw, err := dial(ctx, d)
	if err != nil {
		return
	}
	defer raw.Close()
	c := tls.Client(raw, id.ClientConfig())
	if c.HandshakeContext(ctx) != nil {
		return
	}
	features := []string{wire.FeatureJPEG, wire.FeatureText}
	send(c, &wire.Hello{VersionMin: 1, VersionMax: 1, Name: mallory, Features: features})
	if r.IntN(2) == 0 {
		send(c, &wire.Nominate{})
	}
	then(c)
	_, _ = io.Copy(io.Discard, c)
}

const mallory = "mallory"

func send(w io.Writer, m wire.Message) {
	if b, err := wire.Append(nil, m); err == nil {
		_, _ = w.Write(b)
	}
}

// misbehave sends what a peer must not send.
func misbehave(c io.Writer, r *rand.Rand) {
	for range 1 + r.IntN(20) {
		switch r.IntN(5) {
		case 0:
			_, _ = c.Write(randomBytes(r, 1+r.IntN(64<<10)))
		case 1: // frames without a call
			p := wire.Frame{Seq: r.Uint64(), Width: 64, Height: 48, Codec: wire.CodecJPEG, Size: 1 + r.IntN(5000)}
			_, _ = c.Write(append(wire.AppendFrame(nil, &p), randomBytes(r, p.Size)...))
		case 2: // a call that ends at once
			id := wire.CallID{byte(r.IntN(256)), 1}
			send(c, &wire.Invite{Call: id})
			send(c, &wire.End{Call: id, Reason: wire.ReasonCancelled})
		case 3:
			send(c, &wire.Text{ID: r.Uint64(), Text: "\x1b]0;title\x07\u202etext"})
		case 4:
			send(c, &wire.Ping{T1: time.Duration(r.Int64())})
		}
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
