package daemon

import (
	"fmt"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/call"
)

// Reload takes what load gives for the configuration from now on. Calls and links that it does not touch go on; if load
// fails, everything stays as it was.
func (d *Daemon) Reload(load func() (*config.Config, error)) {
	tell(fmt.Sprintf("%s\n%s", daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec()))
	defer tell(daemon.SdNotifyReady)
	cfg, err := load()
	if err == nil {
		err = d.configure(cfg)
	}
	text := "the configuration was read again"
	if err != nil {
		text = fmt.Sprintf("the configuration stays as it was: %v", err)
		for _, line := range strings.Split(err.Error(), "\n") {
			d.log.Error("the configuration stays as it was", "err", line)
		}
	} else {
		d.log.Info(text)
	}
	d.events.Publish(api.Event{Event: api.EventConfig, Text: text})
}

func (d *Daemon) configure(cfg *config.Config) error {
	peers, err := linkPeers(cfg)
	if err != nil {
		return err
	}
	d.mu.Lock()
	for _, fixed := range []struct {
		key       string
		different bool
	}{
		{"listen", cfg.Listen != d.first.Listen},
		{"control", cfg.Control != d.first.Control},
		{"state_dir", cfg.StateDir != d.first.StateDir},
	} {
		if fixed.different {
			d.log.Warn("a change that takes effect at the next start", "key", fixed.key)
		}
	}
	d.cfg = cfg
	_, _ = d.step(call.Configure{Config: callConfig(cfg)})
	d.mu.Unlock()
	warnOfIdleKeys(cfg, d.log)
	// Not under mu: both tell of what they change.
	d.links.Configure(cfg.Name, peers)
	d.camera.Reconfigure(cameraConfig(cfg))
	d.metrics.Listen(cfg.Metrics)
	if d.level != nil {
		d.level.Set(cfg.Log.Level)
	}
	return nil
}
