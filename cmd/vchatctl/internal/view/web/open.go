package web

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Open shows the page in the desktop's browser, if there is a desktop; if not, it does nothing.
func (s *Server) Open() error {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return nil
	}
	program, err := exec.LookPath("xdg-open")
	if err != nil {
		return nil
	}
	s.once.allow()
	cmd := exec.Command(program, "http://"+s.listener.Addr().String()+"/"+s.once.path)
	// A browser that this starts is not to end with Ctrl-C here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("opening the browser: %w", err)
	}
	// It may be the browser itself, and stay as long: nothing here waits for it.
	go func() { _ = cmd.Wait() }()
	return nil
}
