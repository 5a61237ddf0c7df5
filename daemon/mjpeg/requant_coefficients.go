package mjpeg

import (
	"fmt"
	"slices"
)

// The most magnitude bits of values in baseline frames, Tables F.1 and F.2.
const (
	maxDCBits = 11
	maxACBits = 10
)

// chunkLen is the number of MCUs in a chunk.
const chunkLen = 4

// chunk is the start of some MCUs. It can be tokenised without the data before
// it.
type chunk struct {
	start int      // index of its first word
	pred  [3]int32 // DC of each component's last block before it
}

// coefficients are a frame's quantised blocks in scan order, without zeros. For
// each block there is one word
//
//	DC<<16 | number of AC words (0 to 63)
//
// followed by the AC words of huffDecoder.ac.
type coefficients struct {
	words  []uint32
	chunks []chunk
}

// decode reads the scan of b; h is its header.
//
// Decoding stops at the end of the data. A block has at least two bits, so
// memory grows with the input, not with the claimed size.
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
		if !c.decodeMCU(h, &r, &pred) {
			return fmt.Errorf("%w: MCU %d of %d, at byte %d", ErrMarker, m, mcus, r.pos)
		}
	}
	if r.exhausted() {
		return fmt.Errorf("%w: the data end early", ErrMarker)
	}
	return h.checkTrailer(b, r.pos)
}

// chunkWords returns the words of chunk i.
func (c *coefficients) chunkWords(i int) []uint32 {
	if i+1 < len(c.chunks) {
		return c.words[c.chunks[i].start:c.chunks[i+1].start]
	}
	return c.words[c.chunks[i].start:]
}

// decodeMCU decodes one MCU.
func (c *coefficients) decodeMCU(h *header, r *bitReader, pred *[3]int32) bool {
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
		// Clamp the DC of damaged frames to the range of the next difference.
		pred[i] = min(max(pred[i]+diff, -1024), 1023)
		block[0] = uint32(pred[i])<<16 | uint32(n)
		at += 1 + n
	}
	c.words = words[:at]
	return true
}

// checkTrailer checks that only EOI follows the scan, which ended at or before
// byte pos.
func (h *header) checkTrailer(b []byte, pos int) error {
	for ; pos+1 < len(b); pos++ {
		if b[pos] != 0xFF {
			continue
		}
		switch m := b[pos+1]; m {
		case mEOI:
			return nil
		case mSOS, mDNL:
			return fmt.Errorf("%w: marker %02X behind its scan, at byte %d", ErrUnsupported, m, pos)
		}
	}
	return nil
}
