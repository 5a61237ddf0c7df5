package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"vchat/daemon/api"
	"vchat/daemon/logging"
)

// tell sends a line to systemd, where there is one (sd_notify(3)).
func tell(state string) {
	// An error means that NOTIFY_SOCKET is broken; systemd then says so itself, by its own time-out.
	_, _ = daemon.SdNotify(false, state)
}

// statusEvery is how often the STATUS line of `systemctl status` follows the rates of a call.
const statusEvery = 10 * time.Second

// tellSystemd says READY, then keeps STATUS true and feeds the watchdog, from which only a device that can still decide
// gets food.
func (d *Daemon) tellSystemd(ctx context.Context) error {
	<-d.ready
	tell(daemon.SdNotifyReady)
	var watchdog <-chan time.Time
	if every, err := daemon.SdWatchdogEnabled(false); err == nil && every > 0 {
		t := time.NewTicker(every / 2)
		defer t.Stop()
		watchdog = t.C
	}
	told := ""
	for {
		s := d.Status()
		if line := summary(s); line != told {
			told = line
			tell("STATUS=" + logging.Printable(line)) // what follows a line end would be taken for more than a status
		}
		var again <-chan time.Time
		if len(s.Calls) > 0 {
			again = time.After(statusEvery)
		}
		select {
		case <-watchdog:
			d.mu.Lock() // a deadlock ends here, and the watchdog ends the deadlock
			d.mu.Unlock()
			tell(daemon.SdNotifyWatchdog)
		case <-d.news:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// summary is a device in one line.
func summary(s api.Status) string {
	camera := "camera " + string(s.Camera.State)
	if s.Camera.Reason != "" {
		camera += " (" + s.Camera.Reason + ")"
	}
	if s.Privacy {
		camera = "privacy: camera off"
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
