package daemon

import (
	"context"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/call"
)

// publishStats publishes the measurements of active calls every
// api.StatsInterval. Without a call it sleeps until statsDirty.
func (d *Daemon) publishStats(ctx context.Context) error {
	tick := time.NewTicker(api.StatsInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !d.publishCallStats() {
				tick.Stop()
			}
		case <-d.statsDirty:
			tick.Reset(api.StatsInterval)
		case <-ctx.Done():
			return nil
		}
	}
}

// publishCallStats publishes once and reports whether there is a call.
func (d *Daemon) publishCallStats() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls.List()
	for _, c := range calls {
		if c.State == call.Active && d.events.HasSubscribers() {
			view := d.callView(c)
			d.events.Publish(api.Event{Event: api.EventStats, Peer: c.Peer, Call: &view})
		}
	}
	return len(calls) > 0
}
