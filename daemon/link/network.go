package link

import (
	"context"
	"time"
)

// follow hears of changes of the network. A container host has storms of them: the first is acted on at once, what comes
// then only at the end of a pause that grows with the storm.
func (ls *Links) follow(ctx context.Context) {
	changes := make(chan struct{}, 1)
	ls.work.Go(func() {
		err := ls.cfg.Network(ctx, func() {
			poke(changes)
		})
		if err != nil && ctx.Err() == nil {
			ls.cfg.Log.Info("changes of the network go unnoticed; lost links are noticed by their silence", "err", err)
		}
	})
	pause, last := newBackoff(50*time.Millisecond, 2*time.Second), time.Time{}
	for {
		select {
		case <-changes:
		case <-ctx.Done():
			return
		}
		if time.Since(last) > calm {
			pause.reset()
		}
		last = time.Now()
		ls.networkChanged()
		sleep(ctx, pause.next())
	}
}

// calm is how long nothing must have happened before the next change is one by itself.
const calm = 5 * time.Second

func (ls *Links) networkChanged() {
	ls.cfg.Log.Debug("the network has changed")
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, p := range ls.peers {
		p.moved()
	}
}
