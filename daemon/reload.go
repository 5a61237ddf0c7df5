package daemon

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"

	"vchat/config"
	"vchat/daemon/api"
	"vchat/daemon/call"
	"vchat/daemon/configfile"
)

// UseFile makes ReloadFile read a file, from which the present configuration
// comes. If refused is not nil, it says why that is the last good copy instead.
// Call it before Run.
func (d *Daemon) UseFile(file *configfile.File, refused error) {
	d.file = file
	if refused == nil {
		return
	}
	d.refused = &refusedConfig{file.Path(), refused, "its last good copy"}
	for _, line := range faultLines(refused) {
		d.log.Error("configuration refused; running on its last good copy", "err", line)
	}
}

// keepConfig keeps the configuration file that is in effect as the last good
// one. The caller holds reloadMu, or is Run.
func (d *Daemon) keepConfig() {
	if d.file == nil {
		return
	}
	if err := d.file.Keep(d.startConfig.StateDir); err != nil {
		d.log.Warn("configuration not kept: a fault in the file would stop the next start", "err", err)
	}
}

// ReloadFile reloads the configuration file. If it is refused, nothing changes,
// and Status says so until a good one is loaded. Errors are *api.Error.
func (d *Daemon) ReloadFile() (api.Reloaded, error) {
	if d.file == nil {
		return api.Reloaded{}, &api.Error{Kind: api.Unsupported, Message: "this daemon has no configuration file"}
	}
	if err := d.Reload(d.file.Load); err != nil {
		lines := faultLines(err)
		message := "configuration not reloaded: " + lines[0]
		if len(lines) > 1 {
			message += fmt.Sprintf(" (and %d more)", len(lines)-1)
		}
		d.mu.Lock()
		hint := d.refused.hint()
		d.mu.Unlock()
		return api.Reloaded{}, &api.Error{Kind: api.BadConfig, Message: message, Hint: hint}
	}
	return api.Reloaded{File: d.file.Path()}, nil
}

// Reload replaces the configuration by the one that load returns. Calls and
// links that the change does not affect continue. If load fails, the old
// configuration stays. Systemd, the log, an event and Status report the result.
func (d *Daemon) Reload(load func() (*config.Config, error)) error {
	d.reloadMu.Lock()
	defer d.reloadMu.Unlock()
	sdNotify(fmt.Sprintf("%s\n%s", daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec()))
	defer sdNotify(daemon.SdNotifyReady)
	cfg, err := load()
	if err == nil {
		err = d.configure(cfg)
	}
	text := "configuration reloaded"
	if err != nil {
		text = fmt.Sprintf("configuration not reloaded: %v", err)
		for _, line := range faultLines(err) {
			d.log.Error("configuration not reloaded", "err", line)
		}
	} else {
		d.log.Info(text)
		d.keepConfig()
	}
	d.setRefused(err)
	d.events.Publish(api.Event{Event: api.EventConfig, Text: text})
	return err
}

// setRefused records the result of a reload for Status.
func (d *Daemon) setRefused(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case err == nil:
		d.refused = nil
	case d.refused != nil: // the running configuration is the same as before
		d.refused.err = err
	default:
		d.refused = &refusedConfig{d.cfg.File, err, "the configuration from before"}
	}
	notify(d.statusDirty)
}

// refusedConfig is a configuration file that is not in effect.
type refusedConfig struct {
	file    string
	err     error
	running string // what is in effect instead
}

// maxFaults bounds the faults of a file in the log and in Status.
const maxFaults = 20

// faultLines returns the faults of a file, one a line, at most maxFaults.
func faultLines(err error) []string {
	lines := strings.Split(err.Error(), "\n")
	if more := len(lines) - maxFaults; more > 0 {
		lines = append(lines[:maxFaults], fmt.Sprintf("and %d more: vchatd check-config lists them", more))
	}
	return lines
}

func (r *refusedConfig) hint() string {
	return fmt.Sprintf("vchatd runs on %s: correct the file, then reload vchatd", r.running)
}

// problems returns one problem for each fault, at most maxFaults.
func (r *refusedConfig) problems() []api.Problem {
	if r == nil {
		return nil
	}
	problem := api.Problem{Subject: "config", File: r.file, Hint: r.hint()}
	faults, ok := errors.AsType[config.Errors](r.err)
	if !ok {
		problem.Message = strings.TrimPrefix(r.err.Error(), r.file+" ")
		return []api.Problem{problem}
	}
	var all []api.Problem
	for _, f := range faults[:min(len(faults), maxFaults)] {
		problem.File, problem.Line, problem.Column, problem.Message = f.File, f.Line, f.Col, f.Message
		all = append(all, problem)
	}
	return all
}

func (d *Daemon) configure(cfg *config.Config) error {
	d.configMu.Lock()
	defer d.configMu.Unlock()
	merged, paired := d.withStores(cfg)
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
	// Without mu: both call back with what they change.
	d.configureRelays(cfg)
	d.links.Configure(cfg.Name, peers)
	d.configureDiscovery()
	d.camera.Reconfigure(cameraConfig(merged, d.startConfig, d.cameraStore))
	d.hooks.Configure(hooksConfig(cfg, d.startConfig))
	d.metrics.Listen(cfg.Metrics)
	d.feeds.Listen(cfg.Feeds)
	if d.level != nil {
		d.level.Set(cfg.Log.Level)
	}
	return nil
}
