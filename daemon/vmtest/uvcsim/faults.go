package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"vchat/daemon/vmtest/testframe"
)

// A fault is off or hits some frames of a hundred, or every Nth one.
type fault struct{ every, percent atomic.Uint32 }

func (f *fault) on() bool { return f.every.Load() > 0 || f.percent.Load() > 0 }

func (f *fault) hits(sequence uint32) bool {
	n := f.every.Load()
	return n > 0 && sequence%n == 0 || spread(sequence) < f.percent.Load()
}

func (f *fault) clear() {
	f.every.Store(0)
	f.percent.Store(0)
}

// spread gives each of a hundred frames in a row another number below 100, near ones in far frames.
func spread(sequence uint32) uint32 { return sequence * 37 % 100 }

// set takes on, off, a number N for every Nth frame, or N% of the frames.
func (f *fault) set(word string) error {
	number, isPercent := strings.CutSuffix(word, "%")
	var every, percent uint64
	var err error
	switch {
	case word == "on":
		every = 1
	case word == "off":
	case isPercent:
		if percent, err = strconv.ParseUint(number, 10, 16); percent > 100 {
			err = strconv.ErrRange
		}
	default:
		if every, err = strconv.ParseUint(word, 10, 16); every == 0 {
			err = strconv.ErrRange
		}
	}
	if err != nil {
		return fmt.Errorf("%q is not on, off, a number from 1, or up to 100%%", word)
	}
	f.every.Store(uint32(every))
	f.percent.Store(uint32(percent))
	return nil
}

// faults are the switches that make the camera misbehave. They may be turned while it streams.
type faults struct {
	freeze, hang, err, trunc, garbage, tiny, small, mixed, stall, notables fault

	fps atomic.Int64 // overrides the negotiated rate; 0: does not
}

func (f *faults) byName() map[string]*fault {
	return map[string]*fault{
		"freeze": &f.freeze, "hang": &f.hang, "err": &f.err, "trunc": &f.trunc, "garbage": &f.garbage, "tiny": &f.tiny,
		"small": &f.small, "mixed": &f.mixed, "stall": &f.stall, "notables": &f.notables,
	}
}

func (f *faults) reset() {
	for _, x := range f.byName() {
		x.clear()
	}
	f.fps.Store(0)
}

// spoil returns the frame as the faults that are on leave it; small is the same in a lesser size. It may change b.
func (f *faults) spoil(b []byte, small func() []byte, sequence uint32) []byte {
	kind := -1 // of a mixed fault
	if f.mixed.hits(sequence) {
		kind = int(spread(sequence) % 4)
	}
	if f.notables.hits(sequence) {
		b = testframe.WithoutTables(b)
	}
	if f.small.hits(sequence) || kind == 0 {
		b = small()
	}
	if f.tiny.hits(sequence) || kind == 1 {
		headers := bytes.Index(b, []byte{0xff, 0xda}) + 14 // up to the scan's, which has three components
		b = append(b[:headers:headers], 0xff, 0xd9)
	}
	if f.trunc.hits(sequence) || kind == 2 {
		b = b[:len(b)/2]
	}
	if f.garbage.hits(sequence) || kind == 3 {
		for i := 0; i < len(b); i += 7 {
			b[i] ^= 0x5a
		}
	}
	return b
}
