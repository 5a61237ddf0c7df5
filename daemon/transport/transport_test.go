package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"testing"

	"vchat/daemon/identity"
)

// A ClientHello of 60 KB, in records of 16 KiB, ends the handshake before
// crypto/tls has collected it.
func TestServer_longHandshake(t *testing.T) {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	const length = 60_000
	hello := append([]byte{1, 0, length >> 8, length & 0xff}, make([]byte, length)...)
	var records bytes.Buffer
	for len(hello) > 0 {
		n := min(len(hello), 16<<10)
		records.Write(binary.BigEndian.AppendUint16([]byte{22, 3, 1}, uint16(n)))
		records.Write(hello[:n])
		hello = hello[n:]
	}
	sent := records.Len()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() { _, _ = records.WriteTo(client) }() // ends with client
	if _, err := Server(context.Background(), server, id.ServerConfig()); !errors.Is(err, errLongHandshake) {
		t.Errorf("a ClientHello of %d bytes: got %v, want %v", sent, err, errLongHandshake)
	}
}

func TestServer_keyExchange(t *testing.T) {
	id, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		curves []tls.CurveID
		want   bool
	}{
		{nil, true},
		{[]tls.CurveID{tls.X25519}, true},
		{[]tls.CurveID{tls.X25519MLKEM768}, true},
		{[]tls.CurveID{tls.CurveP521, tls.X25519}, true},
		{[]tls.CurveID{tls.CurveP256}, false},
		{[]tls.CurveID{tls.CurveP521}, false},
	} {
		a, b := net.Pipe()
		done := make(chan error)
		go func() {
			c, err := Server(context.Background(), b, id.ServerConfig())
			if err == nil && c.ConnectionState().CurveID != tls.X25519MLKEM768 &&
				c.ConnectionState().CurveID != tls.X25519 {
				err = errors.New("another key exchange: " + c.ConnectionState().CurveID.String())
			}
			_ = b.Close()
			done <- err
		}()
		config := id.ClientConfig()
		config.CurvePreferences = tt.curves
		_, _ = Client(context.Background(), a, config)
		_ = a.Close()
		if err := <-done; (err == nil) != tt.want {
			t.Errorf("curves %v: got %v, want a handshake: %v", tt.curves, err, tt.want)
		}
	}
}
