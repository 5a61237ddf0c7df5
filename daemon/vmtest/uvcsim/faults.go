package main

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"vchat/daemon/vmtest/picture"
)

// A fault is off (0) or hits every Nth picture, all of them with 1.
type fault struct{ every atomic.Uint32 }

func (f *fault) on() bool                  { return f.every.Load() > 0 }
func (f *fault) hits(sequence uint32) bool { n := f.every.Load(); return n > 0 && sequence%n == 0 }

// set takes on, off or a number.
func (f *fault) set(word string) error {
	switch word {
	case "on":
		f.every.Store(1)
	case "off":
		f.every.Store(0)
	default:
		n, err := strconv.ParseUint(word, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is not on, off or a number from 1", word)
		}
		f.every.Store(uint32(n))
	}
	return nil
}

// faults are the switches that make the camera misbehave. They may be turned while it streams.
type faults struct {
	freeze, err, trunc, garbage, stall, notables fault
	fps                                          atomic.Int64 // overrides the negotiated rate; 0: does not
}

func (f *faults) byName() map[string]*fault {
	return map[string]*fault{
		"freeze": &f.freeze, "err": &f.err, "trunc": &f.trunc,
		"garbage": &f.garbage, "stall": &f.stall, "notables": &f.notables,
	}
}

func (f *faults) reset() {
	for _, x := range f.byName() {
		x.every.Store(0)
	}
	f.fps.Store(0)
}

// spoil returns the picture as the faults that are on leave it. It may change b.
func (f *faults) spoil(b []byte, sequence uint32) []byte {
	if f.notables.hits(sequence) {
		b = picture.WithoutTables(b)
	}
	if f.trunc.hits(sequence) {
		b = b[:len(b)/2]
	}
	if f.garbage.hits(sequence) {
		for i := 0; i < len(b); i += 7 {
			b[i] ^= 0x5a
		}
	}
	return b
}
