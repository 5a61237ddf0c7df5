package mjpeg

import (
	"errors"
	"fmt"
	"sync"
)

// scanChecker decodes the Huffman codes of a frame and drops the coefficients.
// It is large, so scanEnd takes it from a pool.
type scanChecker struct {
	header header
	block  [64]uint32
}

var scanCheckers = sync.Pool{New: func() any { return new(scanChecker) }}

// scanEnd returns the offset after the entropy-coded data of the frame at the
// start of b, and the number of bits of its last byte that are not used. It
// returns an error if MCUs are missing, and for a frame that is not sequential.
func scanEnd(b []byte) (end, fillBits int, err error) {
	c := scanCheckers.Get().(*scanChecker)
	defer scanCheckers.Put(c)
	h := &c.header
	if err := h.parse(b); err != nil {
		return 0, 0, err
	}
	for {
		r := bitReader{b: b, pos: h.data}
		if err := c.scan(&r); err != nil {
			return 0, 0, err
		}
		end, fillBits = r.end()
		if h.pending == 0 {
			return end, fillBits, nil
		}
		if err := h.nextScan(b, end); err != nil {
			return 0, 0, err
		}
	}
}

var errMissingMCUs = errors.New("missing MCUs")

// scan decodes one scan.
func (c *scanChecker) scan(r *bitReader) error {
	layout := &c.header.scan
	mcus := layout.across * layout.down
	toRestart, restarts := c.header.interval, 0
	for m := range mcus {
		if c.header.interval > 0 {
			if toRestart == 0 {
				if !r.restart(restarts) {
					return fmt.Errorf("%w: %d of %d", errMissingMCUs, mcus-m, mcus)
				}
				toRestart = c.header.interval
				restarts++
			}
			toRestart--
		}
		if !c.mcu(r) || r.exhausted() {
			return fmt.Errorf("%w: %d of %d", errMissingMCUs, mcus-m, mcus)
		}
	}
	return nil
}

func (c *scanChecker) mcu(r *bitReader) bool {
	h := &c.header
	for _, i := range h.scan.blocks[:h.scan.perMCU] {
		t := &h.comps[i]
		if _, ok := h.dc[t.dc].dc(r); !ok {
			return false
		}
		if _, ok := h.ac[t.ac].ac(r, &c.block); !ok {
			return false
		}
	}
	return true
}

// end returns the offset after the byte of the last bit that was taken, and the
// number of bits left in that byte.
func (r *bitReader) end() (pos, fillBits int) {
	bits := int(r.n) - int(r.padBits)
	pos = r.pos
	for range bits / 8 {
		pos--
		if pos > 0 && r.b[pos] == 0 && r.b[pos-1] == 0xFF {
			pos-- // a stuffed zero
		}
	}
	return pos, bits % 8
}
