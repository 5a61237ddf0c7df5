package mjpeg

import (
	"fmt"
	"slices"
)

// The most bits that a value has in baseline frames, Table F.1 and F.2.
const (
	maxDCBits = 11
	maxACBits = 10
)

// chunkLen is how many MCUs are in a chunk.
const chunkLen = 4

// chunk is where some MCUs begin. A chunk can be gone over without what is before it.
type chunk struct {
	at   int      // in words
	pred [3]int32 // the DC of each component's last block before it
}

// coefficients are a frame's blocks in the order of its scan, quantised, with what is zero left out: for each block one word
//
//	DC<<16 | how many AC words follow (0 to 63)
//
// and then its AC words as huffDecoder.ac makes them.
type coefficients struct {
	words  []uint32
	chunks []chunk
}

// decode reads the scan of b, of which h is the header.
//
// Memory grows with what was decoded, a block has at least two bits, and the end of the data ends it: a few bytes that claim
// to be a huge frame cost nothing.
func (c *coefficients) decode(h *header, b []byte) error {
	c.words, c.chunks = c.words[:0], c.chunks[:0]
	r := bitReader{b: b, pos: h.data}
	var pred [3]int32
	mcus := h.across * h.down
	restart, restarts := h.interval, 0
	for m := range mcus {
		if m%chunkLen == 0 {
			c.chunks = append(c.chunks, chunk{len(c.words), pred})
			if r.exhausted() {
				return fmt.Errorf("%w: the data end in MCU %d of %d", ErrMarker, m, mcus)
			}
		}
		if h.interval > 0 && restart == 0 {
			if !r.restart(restarts) {
				return fmt.Errorf("%w: no restart marker, at byte %d", ErrMarker, r.pos)
			}
			restart, pred = h.interval, [3]int32{}
			restarts++
		}
		restart--
		if !c.mcu(h, &r, &pred) {
			return fmt.Errorf("%w: MCU %d of %d, at byte %d", ErrMarker, m, mcus, r.pos)
		}
	}
	if r.exhausted() {
		return fmt.Errorf("%w: the data end early", ErrMarker)
	}
	return h.trailer(b, r.pos)
}

// part returns the words of chunk i.
func (c *coefficients) part(i int) []uint32 {
	if i+1 < len(c.chunks) {
		return c.words[c.chunks[i].at:c.chunks[i+1].at]
	}
	return c.words[c.chunks[i].at:]
}

// mcu decodes one MCU.
func (c *coefficients) mcu(h *header, r *bitReader, pred *[3]int32) bool {
	if need := 64*h.perMCU + 1; cap(c.words)-len(c.words) < need {
		c.words = slices.Grow(c.words, need)
	}
	at := len(c.words)
	words := c.words[:cap(c.words)]
	for _, i := range h.blocks[:h.perMCU] {
		t := &h.comps[i]
		diff, ok := h.dc[t.dc].dc(r)
		if !ok {
			return false
		}
		block := (*[64]uint32)(words[at:])
		n, ok := h.ac[t.ac].ac(r, (*[64]uint32)(words[at+1:at+65]))
		if !ok {
			return false
		}
		// What a whole frame cannot have is held within the ten bits that its next difference has room for.
		pred[i] = min(max(pred[i]+diff, -1024), 1023)
		block[0] = uint32(pred[i])<<16 | uint32(n)
		at += 1 + n
	}
	c.words = words[:at]
	return true
}

// trailer sees that nothing but the frame's end follows the scan, which ended before or at byte pos.
func (h *header) trailer(b []byte, pos int) error {
	for ; pos+1 < len(b); pos++ {
		if b[pos] != 0xFF {
			continue
		}
		switch m := b[pos+1]; {
		case m == mEOI:
			return nil
		case m == mSOS || m == mDNL:
			return fmt.Errorf("%w: marker %02X behind its scan, at byte %d", ErrUnsupported, m, pos)
		}
	}
	return nil
}
