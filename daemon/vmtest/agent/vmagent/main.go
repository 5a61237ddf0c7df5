// Command vmagent is the guest's side of package agent, on a virtio serial
// port.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vchat/daemon/vmtest/agent"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: vmagent PORT-NAME")
		os.Exit(2)
	}
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "vmagent:", err)
		os.Exit(1)
	}
}

// serve serves the port of this name. It looks the port up in sysfs, because
// udev makes /dev/virtio-ports/NAME only later in the boot.
func serve(name string) error {
	ports, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return err
	}
	for _, file := range ports {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if strings.TrimSpace(string(b)) != name {
			continue
		}
		port, err := os.OpenFile("/dev/"+filepath.Base(filepath.Dir(file)), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		return agent.Serve(port)
	}
	return fmt.Errorf("no virtio serial port is named %q", name)
}
