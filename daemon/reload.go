package daemon

import (
	"fmt"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/call"
)

// Reload replaces the configuration by the one that load returns. Calls and
// links that the change does not affect continue. If load fails, the old
// configuration stays. Systemd, the log and an event report the result.
func (d *Daemon) Reload(load func() (*config.Config, error)) {
	sdNotify(fmt.Sprintf("%s\n%s", daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec()))
	defer sdNotify(daemon.SdNotifyReady)
	cfg, err := load()
	if err == nil {
		err = d.configure(cfg)
	}
	text := "configuration reloaded"
	if err != nil {
		text = fmt.Sprintf("configuration not reloaded: %v", err)
		for line := range strings.SplitSeq(err.Error(), "\n") {
			d.log.Error("configuration not reloaded", "err", line)
		}
	} else {
		d.log.Info(text)
	}
	d.events.Publish(api.Event{Event: api.EventConfig, Text: text})
}

func (d *Daemon) configure(cfg *config.Config) error {
	d.configMu.Lock()
	defer d.configMu.Unlock()
	merged, paired := withPaired(cfg, d.store.List(), d.ID())
	peers, err := linkPeers(merged, d.ID())
	if err != nil {
		return err
	}
	d.fileConfig = cfg
	d.mu.Lock()
	for _, fixed := range []struct {
		key     string
		changed bool
	}{
		{"listen", cfg.Listen != d.startConfig.Listen},
		{"control", cfg.Control != d.startConfig.Control},
		{"state_dir", cfg.StateDir != d.startConfig.StateDir},
	} {
		if fixed.changed {
			d.log.Warn("configuration change requires a restart", "key", fixed.key)
		}
	}
	d.cfg, d.paired = merged, paired
	_, _ = d.step(call.Configure{Config: callConfig(merged)})
	d.mu.Unlock()
	logWarnings(cfg, d.log)
	// Without mu: both call back with what they change.
	d.links.Configure(cfg.Name, peers)
	d.camera.Reconfigure(cameraConfig(cfg, d.startConfig))
	d.metrics.Listen(cfg.Metrics)
	if d.level != nil {
		d.level.Set(cfg.Log.Level)
	}
	return nil
}
