package main

import (
	"context"
	"strings"
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

// showsCmd is the script command shows DEVICE request|link|no-call: it waits
// until the status of the device shows a request for a pairing, a link to its
// only peer, or no call.
func showsCmd(ts *testscript.TestScript, _ bool, args []string) {
	ok := map[string]func(api.Status) bool{
		"request": func(s api.Status) bool { return s.Pairing != nil && s.Pairing.State == api.PairingRequested },
		"link":    func(s api.Status) bool { return s.Peers[0].Link.State == api.LinkUp },
		"no-call": daemontest.NoCall,
	}[args[1]]
	c := client.New(ts.Getenv(args[0]))
	defer c.Close()
	await(ts, strings.Join(args, " "), func() bool {
		s, err := c.Status(context.Background())
		ts.Check(err)
		return ok(s)
	})
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
