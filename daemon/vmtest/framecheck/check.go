package main

import (
	"bytes"
	"image"
	"slices"

	"vchat/daemon/vmtest/testframe"
)

// A report says what has been seen so far.
type report struct {
	Frames    int `json:"frames"`    // all of the below but missing
	Exact     int `json:"exact"`     // byte for byte what the camera sent
	Completed int `json:"completed"` // the same but for added Huffman tables, which the camera had left out
	Bare      int `json:"bare"`      // the same but for Huffman tables, which the camera had left out and nobody added
	Reduced   int `json:"reduced"`   // the same to see, in fewer bytes
	Cards     int `json:"cards"`     // without the camera's stamp: a placeholder, or a frame whose stamp is damaged
	Foreign   int `json:"foreign"`   // another camera's
	Altered   int `json:"altered"`   // the stamp is whole, but the bytes are not those that were sent
	Repeated  int `json:"repeated"`  // not newer than the one before
	Missing   int `json:"missing"`   // sequence numbers left out between the first and the last
	Returns   int `json:"returns"`   // times that a frame of the camera came after cards

	Repeats []repeat `json:"repeats,omitempty"` // the first ones of the repeated

	ReturnedAt int64 `json:"returned_at"` // CLOCK_MONOTONIC in nanoseconds when one did last

	First   uint32  `json:"first"` // sequence numbers
	Last    uint32  `json:"last"`
	Seconds float64 `json:"seconds"` // by the camera's stamps, from the first to the last frame
	FPS     float64 `json:"fps"`     // of this camera's frames, as they arrived
	DelayMS delays  `json:"delay_ms"`
	Error   string  `json:"error,omitempty"` // what ended the stream, if that was not its end

}

// A repeat is a frame that is not newer than one before it.
type repeat struct {
	Sequence uint32 `json:"sequence"`
	After    uint32 `json:"after"`  // the newest one before it
	Frames   int    `json:"frames"` // how many there were up to then
	At       int64  `json:"at"`     // CLOCK_MONOTONIC in nanoseconds
}

const maxRepeats = 5

// delays are from the camera's stamp to the end of reading, in milliseconds.
type delays struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// A checker compares frames with those that the camera must have sent.
type checker struct {
	camera  uint32
	skip    int // frames still to be left out
	source  *testframe.Source
	report  report
	scratch []byte
	looks   int                             // at reduced frames
	stills  [testframe.Variants]image.Image // as they were sent, once they were needed

	away                        bool // a card was the last thing seen
	stamped                     int
	firstStamp, firstAt, lastAt int64
	delays                      []int64
}

func newChecker(camera uint32, w, h, skip int) *checker {
	c := &checker{camera: camera, source: testframe.New(w, h), skip: skip}
	// Encoding takes a second in the emulation; done here, it does not hold up the stream.
	for k := range uint32(testframe.Variants) {
		c.scratch = c.source.Frame(c.scratch[:0], testframe.Stamp{Sequence: k})
	}
	return c
}

// see takes the next frame, read at the CLOCK_MONOTONIC time now.
func (c *checker) see(jpg []byte, now int64) {
	if c.skip > 0 {
		c.skip--
		return
	}
	r := &c.report
	r.Frames++
	st, err := testframe.ParseStamp(jpg)
	switch {
	case err != nil:
		r.Cards++
		c.away = true
		return
	case st.Camera != c.camera:
		r.Foreign++
		return
	}
	c.scratch = c.source.Frame(c.scratch[:0], st)
	if bytes.Equal(jpg, c.scratch) {
		r.Exact++
	} else if bare, whole := testframe.WithoutTables(jpg), testframe.WithoutTables(c.scratch); bytes.Equal(bare, whole) && len(bare) == len(jpg) {
		r.Bare++
	} else if bytes.Equal(bare, whole) {
		r.Completed++
	} else if c.reduced(jpg, c.scratch, st) {
		r.Reduced++
	} else {
		r.Altered++
	}
	c.count(st, now)
}

func (c *checker) count(st testframe.Stamp, now int64) {
	r := &c.report
	if c.stamped == 0 {
		r.First, c.firstStamp, c.firstAt = st.Sequence, st.Time, now
	} else if st.Sequence <= r.Last {
		r.Repeated++
		if len(r.Repeats) < maxRepeats {
			r.Repeats = append(r.Repeats, repeat{st.Sequence, r.Last, r.Frames, now})
		}
		return
	} else {
		r.Missing += int(st.Sequence - r.Last - 1)
	}
	c.stamped++
	if c.away {
		c.away = false
		r.Returns, r.ReturnedAt = r.Returns+1, now
	}
	r.Last, c.lastAt = st.Sequence, now
	r.Seconds = float64(st.Time-c.firstStamp) / 1e9
	c.delays = append(c.delays, now-st.Time)
}

// result returns the report with its figures computed.
func (c *checker) result() report {
	r := c.report
	if d := c.lastAt - c.firstAt; d > 0 {
		r.FPS = float64(c.stamped-1) / (float64(d) / 1e9)
	}
	if n := len(c.delays); n > 0 {
		sorted := slices.Sorted(slices.Values(c.delays))
		ms := func(i int) float64 { return float64(sorted[i]) / 1e6 }
		r.DelayMS = delays{P50: ms(n / 2), P99: ms(n * 99 / 100), Max: ms(n - 1)}
	}
	return r
}
