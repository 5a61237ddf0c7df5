package frame

import (
	"runtime"
	"testing"
)

func TestBudget(t *testing.T) {
	const mb = 1 << 20
	b := NewBudget(16 * mb)
	p, q := b.NewPool(4), b.NewPool(4)
	must := func(f *Frame) *Frame {
		t.Helper()
		if f == nil {
			t.Fatal("got no frame, want one: there is room")
		}
		return f
	}
	f, g := must(p.TryGet(7*mb)), must(q.TryGet(7*mb))
	if x := p.TryGet(4 * mb); x != nil {
		t.Error("got a frame beyond the budget of all pools, want none")
	}
	f.Release() // idle, or freed because little room is left
	g.Release()
	big := must(q.TryGet(8 * mb))
	if used := b.Used(); used < 8*mb || used > 16*mb {
		t.Errorf("got %d bytes used, want 8 to 16 MiB", used)
	}
	big.Release()
	p.Close()
	q.Close()
	if used := b.Used(); used != 0 {
		t.Errorf("closed: got %d bytes used, want 0", used)
	}
	late := must(p.TryGet(mb))
	late.Release() // to a closed pool
	if used := b.Used(); used != 0 {
		t.Errorf("released after Close: got %d bytes used, want 0", used)
	}
}

// Frames that grow, shrink and stay in use do not grow the heap.
func TestBudget_heap(t *testing.T) {
	const mb = 1 << 20
	b := NewBudget(16 * mb)
	p := b.NewPool(4)
	defer p.Close()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	var held *Frame
	for i := range 300 {
		f := p.TryGet(mb/2 + i*7919*31%(6*mb))
		most = max(most, heap())
		if f == nil {
			continue
		}
		if held != nil {
			held.Release()
		}
		held = f
	}
	if held != nil {
		held.Release()
	}
	if grown := most - before; grown > 22*mb {
		t.Errorf("got a heap of %d MB above the start, want at most 22: the budget and its quarter", grown/mb)
	}
}
