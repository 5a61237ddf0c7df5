package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"vchat/daemon/vmtest/testframe"
)

// A fault is off, or affects every Nth frame or a percentage of the frames.
type fault struct{ every, percent atomic.Uint32 }

func (f *fault) on() bool { return f.every.Load() > 0 || f.percent.Load() > 0 }

func (f *fault) affects(sequence uint32) bool {
	n := f.every.Load()
	return n > 0 && sequence%n == 0 || spread(sequence) < f.percent.Load()
}

func (f *fault) clear() {
	f.every.Store(0)
	f.percent.Store(0)
}

// spread returns a number below 100 that is different for each of 100
// consecutive frames. It spreads a percentage of the frames over time.
func spread(sequence uint32) uint32 { return sequence * 37 % 100 }

// set sets the fault to on, off, N (every Nth frame) or N% (of the frames).
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
		return fmt.Errorf("%q must be on, off, a number from 1 to 65535 or a percentage up to 100%%", word)
	}
	f.every.Store(uint32(every))
	f.percent.Store(uint32(percent))
	return nil
}

// faults are the faults of a camera. They can be set during a stream.
type faults struct {
	freeze, hang, err, trunc, garbage, tiny, small, mixed, stall, notables fault

	fps atomic.Int64 // instead of the negotiated rate; 0: as negotiated
}

func (f *faults) byName() map[string]*fault {
	return map[string]*fault{
		"freeze": &f.freeze, "hang": &f.hang, "err": &f.err, "trunc": &f.trunc, "garbage": &f.garbage, "tiny": &f.tiny,
		"small": &f.small, "mixed": &f.mixed, "stall": &f.stall, "notables": &f.notables,
	}
}

func (f *faults) reset() {
	for _, fault := range f.byName() {
		fault.clear()
	}
	f.fps.Store(0)
}

// apply returns frame b with the faults that are on. It may change b. small
// returns the same frame in a smaller size.
func (f *faults) apply(b []byte, small func() []byte, sequence uint32) []byte {
	kind := -1 // which fault a mixed one is
	if f.mixed.affects(sequence) {
		kind = int(spread(sequence) % 4)
	}
	if f.notables.affects(sequence) {
		b = testframe.WithoutTables(b)
	}
	if f.small.affects(sequence) || kind == 0 {
		b = small()
	}
	if f.tiny.affects(sequence) || kind == 1 {
		headers := bytes.Index(b, []byte{0xff, 0xda}) + 14 // with the header of a scan of three components
		b = append(b[:headers:headers], 0xff, 0xd9)
	}
	if f.trunc.affects(sequence) || kind == 2 {
		b = b[:len(b)/2]
	}
	if f.garbage.affects(sequence) || kind == 3 {
		for i := 0; i < len(b); i += 7 {
			b[i] ^= 0x5a
		}
	}
	return b
}
