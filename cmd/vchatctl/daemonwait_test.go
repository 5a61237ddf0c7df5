package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/client"
)

func TestDaemonWait(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := client.ErrUnreachable
	for _, tt := range []struct {
		name     string
		socket   string
		answered bool
		never    bool
		err      error
		waits    bool
	}{
		{"socket of a daemon that crashed", stale, false, false, gone, true},
		{"default socket of a daemon that does not run", api.DefaultSocket, false, false, gone, true},
		{"another path without a socket", filepath.Join(dir, "none"), false, false, gone, false},
		{"the same, but it was there", filepath.Join(dir, "none"), true, false, gone, true},
		{"not a socket", file, false, false, gone, false},
		{"--no-wait", stale, true, true, gone, false},
		{"shutting down", stale, true, false, &api.Error{Kind: api.ShuttingDown}, true},
		{"not permitted", stale, true, false, client.ErrPermission, false},
		{"refused", stale, true, false, &api.Error{Kind: api.NotPermitted}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.socket == api.DefaultSocket {
				if info, err := os.Stat(tt.socket); err == nil {
					t.Skipf("there is a file %s", info.Name())
				}
			}
			w := &daemonWait{app: &app{socket: tt.socket}, quiet: true, never: tt.never, answered: tt.answered}
			err := w.again(context.Background(), tt.err)
			if tt.waits != (err == nil) {
				t.Errorf("got error %v, want it to wait: %v", err, tt.waits)
			}
			if !tt.waits && !errors.Is(err, tt.err) {
				t.Errorf("got error %v, want %v", err, tt.err)
			}
		})
	}
}

func TestDaemonWait_text(t *testing.T) {
	w := &daemonWait{}
	if got, want := w.text(), "vchatd does not run; waiting for it to start"; got != want {
		t.Errorf("at the start: got %q, want %q", got, want)
	}
	w.answered, w.since = true, time.Now().Add(-2*time.Second)
	if got, want := w.text(), "vchatd stopped 2 s ago; waiting for it to restart"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
