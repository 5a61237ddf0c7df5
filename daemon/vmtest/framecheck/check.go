package main

import (
	"bytes"
	"image"
	"slices"

	"vchat/daemon/vmtest/testframe"
)

// A report is the result so far.
type report struct {
	Frames    int `json:"frames"`    // all frames, of any kind
	Exact     int `json:"exact"`     // byte for byte what the camera sent
	Completed int `json:"completed"` // Huffman tables added or replaced, otherwise exact
	Bare      int `json:"bare"`      // sent and received without Huffman tables, otherwise exact
	Reduced   int `json:"reduced"`   // the same image in fewer bytes
	Cards     int `json:"cards"`     // no stamp: a status card, or a frame with a damaged stamp
	Foreign   int `json:"foreign"`   // of another camera
	Altered   int `json:"altered"`   // an intact stamp, but other bytes than the camera sent
	Repeated  int `json:"repeated"`  // not newer than the frame before
	Missing   int `json:"missing"`   // sequence numbers without a frame, from the first to the last
	Returns   int `json:"returns"`   // number of frames of the camera that followed a card

	Repeats []repeat `json:"repeats,omitempty"` // the first maxRepeats of Repeated

	ReturnedAt int64 `json:"returned_at"` // time of the last of Returns: CLOCK_MONOTONIC in nanoseconds

	First   uint32  `json:"first"` // sequence number
	Last    uint32  `json:"last"`
	Seconds float64 `json:"seconds"` // from the first to the last frame, by the stamps
	FPS     float64 `json:"fps"`     // of the camera's frames, by their arrival
	DelayMS delays  `json:"delay_ms"`
	Error   string  `json:"error,omitempty"` // why reading failed
}

// A repeat is a frame that is not newer than one before it.
type repeat struct {
	Sequence uint32 `json:"sequence"`
	After    uint32 `json:"after"`  // sequence number of the newest frame before it
	Frames   int    `json:"frames"` // number of frames up to it
	At       int64  `json:"at"`     // CLOCK_MONOTONIC in nanoseconds
}

const maxRepeats = 5

// delays are the times from the camera's stamp to the end of reading, in
// milliseconds.
type delays struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// A checker compares frames with what the camera has sent.
type checker struct {
	camera     uint32
	skip       int // number of frames still to ignore
	source     *testframe.Source
	report     report
	sent       []byte                          // the frame that the camera has sent
	candidates int                             // number of frames that isReduced has seen
	stills     [testframe.Variants]image.Image // decoded; nil: not needed yet

	afterCard                   bool // the last frame was a card
	stamped                     int  // number of new frames of the camera
	firstStamp, firstAt, lastAt int64
	delays                      []int64
}

func newChecker(camera uint32, w, h, skip int) *checker {
	c := &checker{camera: camera, source: testframe.New(w, h), skip: skip}
	// Encode the stills now. It takes a second in emulation, which would delay
	// the stream.
	for k := range uint32(testframe.Variants) {
		c.sent = c.source.Frame(c.sent[:0], testframe.Stamp{Sequence: k})
	}
	return c
}

// check classifies the next frame and counts it. now is when it was read:
// CLOCK_MONOTONIC in nanoseconds.
func (c *checker) check(jpg []byte, now int64) {
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
		c.afterCard = true
		return
	case st.Camera != c.camera:
		r.Foreign++
		return
	}
	jpg = withoutJFIF(jpg)
	c.sent = c.source.Frame(c.sent[:0], st)
	if bytes.Equal(jpg, c.sent) {
		r.Exact++
	} else if bare := testframe.WithoutTables(jpg); bytes.Equal(bare, testframe.WithoutTables(c.sent)) {
		if len(bare) == len(jpg) {
			r.Bare++
		} else {
			r.Completed++
		}
	} else if c.isReduced(jpg, st) {
		r.Reduced++
	} else {
		r.Altered++
	}
	c.count(st, now)
}

// withoutJFIF returns a frame without the JFIF segment that the viewer's pipe
// puts first, for players that identify JPEGs by it. The camera sends none.
func withoutJFIF(jpg []byte) []byte {
	const start, length = "\xff\xd8\xff\xe0\x00\x10JFIF\x00", 2 + 18
	if len(jpg) < length || string(jpg[:len(start)]) != start {
		return jpg
	}
	return append([]byte{0xff, 0xd8}, jpg[length:]...)
}

// count updates what depends on the order and the times of frames.
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
	if c.afterCard {
		c.afterCard = false
		r.Returns, r.ReturnedAt = r.Returns+1, now
	}
	r.Last, c.lastAt = st.Sequence, now
	r.Seconds = float64(st.Time-c.firstStamp) / 1e9
	c.delays = append(c.delays, now-st.Time)
}

// result returns the report with its rates and delays.
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
