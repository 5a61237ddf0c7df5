package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"vchat/daemon/api"
	"vchat/daemon/control"
	"vchat/daemon/logging"
)

// sdNotify sends a state to systemd, if it runs this process; see
// sd_notify(3). An error means a broken NOTIFY_SOCKET, which systemd reports
// itself by its timeout. The library would wait without a limit for a systemd
// that does not read.
func sdNotify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(notifyTimeout))
	_, _ = conn.Write([]byte(state))
}

// sdReady tells systemd that both sockets are served.
const sdReady = daemon.SdNotifyReady

// notifyTimeout is short enough for the end of a process within two seconds.
const notifyTimeout = 300 * time.Millisecond

// ErrSockets reports that systemd has passed sockets that are not one control
// socket. A restart does not change that.
var ErrSockets = control.ErrInherited

// InheritedSocket returns the control socket that systemd has opened for this
// process, or nil. Errors: ErrSockets.
func InheritedSocket() (*net.UnixListener, error) { return control.Inherited() }

// UseSocket makes Run serve a socket of InheritedSocket. Call it before Run.
func (d *Daemon) UseSocket(l *net.UnixListener) { d.control.Inherit(l) }

// RefuseClients answers the clients of a socket of InheritedSocket: vchatd
// cannot start because of err. It returns when ctx ends or, unless quiet is 0,
// when no client has come for that long.
func RefuseClients(ctx context.Context, l *net.UnixListener, err error, quiet time.Duration) {
	lines := faultLines(err)
	message := "vchatd cannot start: " + lines[0]
	if len(lines) > 1 {
		message += fmt.Sprintf(" (and %d more)", len(lines)-1)
	}
	control.Refuse(ctx, l, Version, &api.Error{Kind: api.CannotStart, Message: message,
		Hint: "systemctl status vchatd"}, quiet)
}

// statusInterval is how often the rates in the STATUS line of `systemctl
// status` are updated during a call.
const statusInterval = 10 * time.Second

// notifySystemd sends a STATUS line whenever it changes, and feeds the
// watchdog. Taking mu before each watchdog message turns a deadlock into a
// restart.
func (d *Daemon) notifySystemd(ctx context.Context) error {
	<-d.ready
	var watchdog <-chan time.Time
	if timeout, err := daemon.SdWatchdogEnabled(false); err == nil && timeout > 0 {
		t := time.NewTicker(timeout / 2)
		defer t.Stop()
		watchdog = t.C
	}
	sent := ""
	for {
		s := d.Status()
		if line := statusLine(s); line != sent {
			sent = line
			sdNotify("STATUS=" + logging.Printable(line)) // a line break would start another assignment
		}
		var refresh <-chan time.Time
		if len(s.Calls) > 0 {
			refresh = time.After(statusInterval)
		}
		select {
		case <-watchdog:
			d.mu.Lock()
			d.mu.Unlock()
			sdNotify(daemon.SdNotifyWatchdog)
		case <-d.statusDirty:
		case <-refresh:
		case <-ctx.Done():
			return nil
		}
	}
}

// statusLine returns the status of the device in one line.
func statusLine(s api.Status) string {
	camera := "camera " + string(s.Camera.State)
	if s.Camera.Reason != "" {
		camera += " (" + s.Camera.Reason + ")"
	}
	if s.Privacy {
		camera = "camera off (privacy)"
	}
	if i := slices.IndexFunc(s.Problems, func(p api.Problem) bool { return p.Subject == subjectListen }); i >= 0 {
		camera += "; not listening: " + s.Problems[i].Message
	}
	if i := slices.IndexFunc(s.Problems, func(p api.Problem) bool { return p.Subject == "config" }); i >= 0 {
		p := s.Problems[i]
		where := p.File
		if p.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
		}
		camera += fmt.Sprintf("; configuration refused: %s: %s", where, p.Message)
	}
	if len(s.Calls) == 0 {
		up := 0
		for _, p := range s.Peers {
			if p.Link.State == api.LinkUp {
				up++
			}
		}
		return fmt.Sprintf("no call; %d of %d peers reachable; %s", up, len(s.Peers), camera)
	}
	var calls []string
	for _, c := range s.Calls {
		line := fmt.Sprintf("%s %s", c.Peer, c.State)
		if c.Receiving != nil && c.Sending != nil {
			line += fmt.Sprintf(", receiving %.1f fps, sending %.1f fps", c.Receiving.FPS, c.Sending.FPS)
		}
		calls = append(calls, line)
	}
	return "call with " + strings.Join(calls, "; ") + "; " + camera
}
