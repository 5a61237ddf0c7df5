package link

import (
	"context"
	"time"
)

// followNetwork handles changes of the network. A container host has bursts of
// them: the first change takes effect at once, the next ones after a pause that
// grows with the burst.
func (ls *Links) followNetwork(ctx context.Context) {
	changes := make(chan struct{}, 1)
	ls.work.Go(func() {
		err := ls.cfg.Network(ctx, func() { notify(changes) })
		if err != nil && ctx.Err() == nil {
			ls.cfg.Log.Info("network changes are not watched; lost links are detected by their silence", "err", err)
		}
	})
	pause, last := newBackoff(50*time.Millisecond, 2*time.Second), time.Time{}
	for {
		select {
		case <-changes:
		case <-ctx.Done():
			return
		}
		if time.Since(last) > burstGap {
			pause.reset()
		}
		last = time.Now()
		ls.onNetworkChange()
		sleep(ctx, pause.next())
	}
}

// burstGap is the pause after which the next change belongs to a new burst.
const burstGap = 5 * time.Second

func (ls *Links) onNetworkChange() {
	ls.cfg.Log.Debug("network changed")
	notify(ls.networkChanged)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, s := range ls.relays {
		s.onNetworkChange()
	}
	for _, p := range ls.peers {
		p.onNetworkChange()
	}
}
