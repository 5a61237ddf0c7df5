package mjpeg

// scan decodes one scan to a Decoder's planes.
type scan struct {
	*Decoder
	r    bitReader
	size int // samples per block across and down
}

// decode decodes all MCUs and returns the number of missing ones.
func (s *scan) decode() (missing int) {
	g := &s.header.scan
	mcus := g.across * g.down
	interval := s.header.interval
	if interval == 0 {
		interval = mcus
	}
	for m, number := 0, 0; ; number++ {
		end := min(m+interval, mcus)
		s.startInterval()
		if m = s.decodeInterval(m, end); m < end {
			missing += end - m
			s.fillMCUs(m, end)
		}
		if m = end; m == mcus {
			return missing
		}
		lost, found := s.resync(number)
		gone := mcus - m
		if found {
			gone = min(lost*interval, gone)
		}
		s.startInterval()
		s.fillMCUs(m, m+gone)
		missing += gone
		if m += gone; m == mcus {
			return missing
		}
		number += lost
	}
}

func (s *scan) startInterval() {
	for i := range s.comps {
		s.comps[i].pred = 0
	}
}

// decodeInterval decodes the MCUs from m up to end. It returns the first one
// that failed, or end.
func (s *scan) decodeInterval(m, end int) int {
	x, y := m%s.header.scan.across, m/s.header.scan.across
	for ; m < end; m++ {
		before := [4]int32{s.comps[0].pred, s.comps[1].pred, s.comps[2].pred, s.comps[3].pred}
		if !s.decodeMCU(x, y) || s.r.exhausted() {
			for i, p := range before {
				s.comps[i].pred = p
			}
			return m
		}
		if x++; x == s.header.scan.across {
			x, y = 0, y+1
		}
	}
	return end
}

// decodeMCU decodes the MCU at column x, row y.
func (s *scan) decodeMCU(x, y int) bool {
	for _, b := range s.blockPos[:s.header.scan.perMCU] {
		t := &s.comps[b.comp]
		c := &s.header.comps[b.comp]
		diff, ok := s.header.dc[c.dc].dc(&s.r)
		if !ok {
			return false
		}
		// Clamp the DC of damaged frames to the transforms' range.
		t.pred = min(max(t.pred+diff, -1024), 1023)
		dst := t.samples[y*t.mcuHeight*t.stride+x*t.mcuWidth+b.offset:]
		if !s.decodeBlock(t, &s.acDecoders[c.ac], &s.header.ac[c.ac], dst) {
			return false
		}
	}
	return true
}

// decodeBlock decodes a block's AC coefficients and writes its samples to dst.
// It writes nothing if they are invalid.
func (s *scan) decodeBlock(t *componentPlane, ac *acDecoder, code *huffDecoder, dst []byte) bool {
	dc := t.dequantDC()
	if s.size == 1 {
		dst[0] = clampTable[((dc+4)>>3+128)&(clampTableLen-1)]
		return ac.skipRest(&s.r, code, 0)
	}
	used, ok := ac.block(&s.r, code, &s.block, &t.slots, t.lastSlot)
	switch {
	case !ok: // clear partial coefficients for the next block
		s.block = [32]int64{}
		return false
	case used == 0:
		fillBlock(dst, t.stride, s.size, dc)
		return true
	}
	s.block[0] += int64(dc)
	used |= usedRow | usedColumn
	switch s.size {
	case 8:
		idct8(dst, t.stride, &s.block, used)
	case 4:
		idct4(dst, t.stride, &s.block)
	case 2:
		idct2(dst, t.stride, &s.block)
	}
	s.block = [32]int64{}
	return true
}

// maxDC limits dequantised DC. Samples need 1024; coarse steps and other
// coefficients that compensate it can need more. The transforms bear as much
// again.
const maxDC = 8192

// dequantDC returns the current DC, dequantised.
func (t *componentPlane) dequantDC() int32 { return min(max(t.pred*t.dcStep, -maxDC), maxDC-1) }

// fillMCUs fills the MCUs from m up to end with the last DC.
func (s *scan) fillMCUs(m, end int) {
	for ; m < end; m++ {
		x, y := m%s.header.scan.across, m/s.header.scan.across
		for _, b := range s.blockPos[:s.header.scan.perMCU] {
			t := &s.comps[b.comp]
			fillBlock(t.samples[y*t.mcuHeight*t.stride+x*t.mcuWidth+b.offset:], t.stride, s.size, t.dequantDC())
		}
	}
}

// resync moves past the next restart marker; number modulo 8 is expected. If it
// finds a later one, lost is the number of missing intervals. It skips markers
// of earlier intervals. It fails at any other marker and at the end.
func (s *scan) resync(number int) (lost int, found bool) {
	r := &s.r
	r.acc, r.n, r.padBits = 0, 0, 0
	for ; r.pos+2 <= len(r.b); r.pos++ {
		m := r.b[r.pos+1]
		if r.b[r.pos] != 0xFF || m == 0 || m == 0xFF {
			continue
		}
		if m < mRST0 || m > mRST7 {
			return 0, false
		}
		// The four numbers that follow count as later ones, the other four as
		// earlier ones.
		if lost = (int(m-mRST0) - number) & 7; lost < 4 {
			r.pos += 2
			return lost, true
		}
	}
	return 0, false
}
