package daemon_test

import (
	"crypto/tls"
	"testing"

	"vchat/config"
	"vchat/daemon/daemontest"
	"vchat/daemon/identity"
	"vchat/daemon/wire"
)

// rawPeer is a peer with a valid key that sends what the test tells it to.
type rawPeer struct {
	*tls.Conn
	t  *testing.T
	id *identity.Identity
	in *wire.Reader
}

// newRawPeer starts alice, who knows the peer mallory and answers
// automatically, and connects mallory to her. The connection is the link.
func newRawPeer(t *testing.T, features ...string) (alice *daemontest.Device, mallory *rawPeer) {
	t.Helper()
	alice = daemontest.New(t, "alice")
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	alice.Config.Peers["mallory"] = config.Peer{Name: "mallory", ID: id.ID().String(), AutoAnswer: true}
	alice.Start()
	return alice, connect(t, alice, id, features...)
}

// connect connects a raw peer to alice and nominates the connection as the
// link.
func connect(t *testing.T, alice *daemontest.Device, id *identity.Identity, features ...string) *rawPeer {
	t.Helper()
	m := dialRaw(t, alice, id)
	m.send(&wire.Hello{VersionMin: 1, VersionMax: 1, Name: "mallory", Features: append(features, wire.FeatureJPEG)})
	if alice.ID.Compare(id.ID()) < 0 {
		m.expect(wire.TypeNominate)
	} else {
		m.send(&wire.Nominate{})
	}
	return m
}

// dialRaw connects to alice and sends nothing.
func dialRaw(t *testing.T, alice *daemontest.Device, id *identity.Identity) *rawPeer {
	t.Helper()
	c, err := tls.Dial("tcp", alice.Config.Listen, id.ClientConfig())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &rawPeer{Conn: c, t: t, id: id, in: wire.NewReader(c)}
}

// dialStranger connects a device that alice does not know.
func dialStranger(t *testing.T, alice *daemontest.Device) *rawPeer {
	t.Helper()
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	return dialRaw(t, alice, id)
}

func (m *rawPeer) send(all ...wire.Message) {
	m.t.Helper()
	var b []byte
	for _, x := range all {
		var err error
		if b, err = wire.Append(b, x); err != nil {
			m.t.Fatal(err)
		}
	}
	if _, err := m.Write(b); err != nil {
		m.t.Fatal(err)
	}
}

// expect reads until a message of this type arrives and returns it.
func (m *rawPeer) expect(want wire.Type) wire.Message {
	m.t.Helper()
	for {
		x, err := m.in.Next()
		if err != nil {
			m.t.Fatalf("read until %v: %v", want, err)
		}
		if x.Type() == want {
			return x
		}
	}
}
