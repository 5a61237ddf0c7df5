package web

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Open opens the page in the desktop's browser. Without a desktop or xdg-open
// it does nothing.
func (s *Server) Open() error {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return nil
	}
	program, err := exec.LookPath("xdg-open")
	if err != nil {
		return nil
	}
	s.oneTime.enable()
	cmd := exec.Command(program, "http://"+s.listener.Addr().String()+"/"+s.oneTime.path)
	// In a session of its own, the browser survives Ctrl-C here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("open browser: %w", err)
	}
	// xdg-open may become the browser, so nothing waits for this goroutine.
	go func() { _ = cmd.Wait() }()
	return nil
}
