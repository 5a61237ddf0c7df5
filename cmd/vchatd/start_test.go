package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vchat/daemon/daemontest"
)

// BenchmarkStart measures the time from the start of the process to READY=1,
// as systemd sees it:
//
//	go test ./cmd/vchatd -run - -bench Start -benchtime 20x
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	config := filepath.Join(dir, "vchat.yaml")
	text := fmt.Sprintf("listen: 127.0.0.1:0\ncamera: {device: test}\nstate_dir: %s/state\n"+
		"control: {socket: %[1]s/s, group: \"\", admin_group: \"\"}\n", dir)
	free, err := daemontest.FreeAddress()
	if err != nil {
		b.Fatal(err)
	}
	text = strings.Replace(text, "127.0.0.1:0", `"`+free+`"`, 1)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	if err != nil {
		b.Fatal(err)
	}
	defer notify.Close()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		cmd := exec.Command(self, "--config", config)
		cmd.Args[0] = "vchatd" // for TestMain
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify.LocalAddr().String())
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		for buf := make([]byte, 4096); ; {
			_ = notify.SetReadDeadline(time.Now().Add(daemontest.Timeout))
			n, err := notify.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			if strings.HasPrefix(string(buf[:n]), "READY=1") {
				break
			}
		}
		b.StopTimer()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
