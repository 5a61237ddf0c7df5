package main

import (
	"context"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vchat/daemon/api"
	"vchat/daemon/client"
	"vchat/daemon/daemontest"
)

// devicesCmd returns the script command devices NAME…: it starts real devices
// that do not know each other. It sets NAME to the control socket of each, and
// NAME_address to its address for peers.
func devicesCmd(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		for _, name := range args {
			d := daemontest.New(t, name)
			d.Start()
			ts.Setenv(name, d.Config.Control.Socket)
			ts.Setenv(name+"_address", d.Config.Listen)
		}
	}
}

// requestedCmd is the script command requested DEVICE: it waits until the
// device shows the request of another one.
func requestedCmd(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), daemontest.Timeout)
	defer cancel()
	c := client.New(ts.Getenv(args[0]))
	defer c.Close()
	for {
		s, err := c.Status(ctx)
		ts.Check(err)
		if s.Pairing != nil && s.Pairing.State == api.PairingRequested {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// codeCmd is the script command code DEVICE DEVICE: it waits until both devices
// show the same code. It sets code, and wrong_code to another one.
func codeCmd(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), daemontest.Timeout)
	defer cancel()
	var codes [2]string
	for codes[0] == "" || codes[1] == "" {
		for i, name := range args {
			c := client.New(ts.Getenv(name))
			s, err := c.Status(ctx)
			c.Close()
			ts.Check(err)
			if codes[i] = ""; s.Pairing != nil && s.Pairing.State == api.PairingComparing {
				codes[i] = s.Pairing.Code
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	if codes[0] != codes[1] {
		ts.Fatalf("got codes %q, want the same", codes)
	}
	ts.Setenv("code", codes[0])
	wrong := []byte(codes[0])
	wrong[0] = '0' + (wrong[0]-'0'+1)%10
	ts.Setenv("wrong_code", string(wrong))
}
