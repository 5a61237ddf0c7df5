package daemon

import (
	"context"
	"time"

	"vchat/daemon/api"
	"vchat/daemon/call"
)

// tellNumbers lets listeners know, now and then, what is measured of the calls.
func (d *Daemon) tellNumbers(ctx context.Context) error {
	every := time.NewTicker(api.NumbersEvery)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			d.publishNumbers()
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *Daemon) publishNumbers() {
	if !d.events.Heard() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.calls.List() {
		if c.State == call.Active {
			view := d.callView(c)
			d.events.Publish(api.Event{Event: api.EventNumbers, Peer: c.Peer, Call: &view})
		}
	}
}
