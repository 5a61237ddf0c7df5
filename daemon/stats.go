package daemon

import (
	"context"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/call"
)

// tellNumbers lets listeners know, now and then, what is measured of the calls. Without a call it sleeps.
func (d *Daemon) tellNumbers(ctx context.Context) error {
	every := time.NewTicker(api.StatsInterval)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			if !d.publishNumbers() {
				every.Stop()
			}
		case <-d.talks:
			every.Reset(api.StatsInterval)
		case <-ctx.Done():
			return nil
		}
	}
}

// publishNumbers says whether there are any.
func (d *Daemon) publishNumbers() bool {
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
