package frame

import (
	"runtime/debug"
	"sync"
)

// Budget bounds the memory of several pools together: what their frames hold,
// in use or idle. It is for frames from outside, whose size and number others
// choose. It is safe for concurrent use.
type Budget struct {
	limit int // bytes

	mu    sync.Mutex
	used  int
	freed int // since the last collection
}

// NewBudget returns a budget of limit bytes.
func NewBudget(limit int) *Budget { return &Budget{limit: limit} }

// NewPool returns a pool that keeps at most idle unused frames, and whose
// frames the budget limits. Close it when it is no longer used.
func (b *Budget) NewPool(idle int) *Pool {
	p := NewPool(idle)
	p.budget = b
	return p
}

// Used returns how many bytes the frames of all pools hold.
func (b *Budget) Used() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// take reports whether n more bytes may be used, and counts them.
func (b *Budget) take(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > b.limit {
		return false
	}
	b.used += n
	return true
}

// give returns n bytes that nothing refers to any more. The collector would
// wait until the heap has grown by half. A peer that changes the size of its
// frames must not fill it with what is already free.
func (b *Budget) give(n int) {
	b.mu.Lock()
	b.used -= n
	b.freed += n
	collect := b.freed >= b.limit/4
	if collect {
		b.freed = 0
	}
	b.mu.Unlock()
	if collect {
		debug.FreeOSMemory()
	}
}

// crowded reports whether so much of the budget is used that no pool should
// keep idle frames.
func (b *Budget) crowded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used > b.limit/4*3
}
