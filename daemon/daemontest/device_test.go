package daemontest

import (
	"net"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
)

// A program that starts at the moment does not keep the address in use.
func TestFreeAddress_whileProgramsStart(t *testing.T) {
	var done atomic.Bool
	var programs sync.WaitGroup
	for range 2 {
		programs.Go(func() {
			for !done.Load() {
				_ = exec.Command("true").Run()
			}
		})
	}
	defer programs.Wait()
	defer done.Store(true)
	for range 3000 {
		address, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}
