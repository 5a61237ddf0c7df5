package faketime

import (
	"context"
	"sync"
	"testing"
	"time"
)

// Eight goroutines with tickers of the same period crash synctest.Test under
// the race detector.
func TestTest_tickersOfOnePeriod(t *testing.T) {
	Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		const period = time.Millisecond
		ticks := make([]int, 8)
		var all sync.WaitGroup
		for i := range ticks {
			all.Go(func() {
				one, other := time.NewTicker(period), time.NewTicker(period)
				defer one.Stop()
				defer other.Stop()
				for {
					select {
					case <-ctx.Done():
						return
					case <-one.C:
						ticks[i]++
					case <-other.C:
					}
					select {
					case <-other.C:
					default:
					}
				}
			})
		}
		all.Wait()
		for i, n := range ticks {
			if n < 1000 {
				t.Errorf("goroutine %d: got %d ticks of 1 ms in 20 s, want at least 1000", i, n)
			}
		}
	})
}
