package mjpeg

// scan is a frame while it is decoded to a Decoder's planes.
type scan struct {
	*Decoder
	r    bitReader
	size int // samples of a block across and down
}

// decode decodes all MCUs, and returns how many of them are missing.
func (s *scan) decode() (missing int) {
	g := &s.head.geometry
	mcus := g.across * g.down
	interval := s.head.interval
	if interval == 0 {
		interval = mcus
	}
	for m, number := 0, 0; ; number++ {
		end := min(m+interval, mcus)
		s.startInterval()
		if m = s.run(m, end); m < end {
			missing += end - m
			s.flat(m, end)
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
		s.flat(m, m+gone)
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

// run decodes the MCUs from number m to before end and returns the number of the first that it could not.
func (s *scan) run(m, end int) int {
	x, y := m%s.head.across, m/s.head.across
	for ; m < end; m++ {
		before := [3]int32{s.comps[0].pred, s.comps[1].pred, s.comps[2].pred}
		if !s.mcu(x, y) || s.r.exhausted() {
			for i, p := range before {
				s.comps[i].pred = p
			}
			return m
		}
		if x++; x == s.head.across {
			x, y = 0, y+1
		}
	}
	return end
}

// mcu decodes the MCU at column x, row y.
func (s *scan) mcu(x, y int) bool {
	for _, b := range s.blocks[:s.head.perMCU] {
		t := &s.comps[b.comp]
		c := &s.head.comps[b.comp]
		diff, ok := s.head.dc[c.dc].dc(&s.r)
		if !ok {
			return false
		}
		// What a whole frame cannot have is held within what the transforms bear.
		t.pred = min(max(t.pred+diff, -1024), 1023)
		dst := t.plane[y*t.down*t.stride+x*t.across+b.offset:]
		if !s.samples(t, &s.ac[c.ac], &s.head.ac[c.ac], dst) {
			return false
		}
	}
	return true
}

// samples decodes the rest of a block behind its DC and puts its samples to dst, if the block is good.
func (s *scan) samples(t *target, ac *acDecoder, code *huffDecoder, dst []byte) bool {
	dc := t.dc()
	if s.size == 1 {
		dst[0] = clamped[((dc+4)>>3+128)&(clampedLen-1)]
		return ac.pass(&s.r, code, 0)
	}
	used, ok := ac.block(&s.r, code, &s.block, &t.places, t.last)
	switch {
	case !ok: // what it has must not come up in the next one
		s.block = [32]int64{}
		return false
	case used == 0:
		fill(dst, t.stride, s.size, dc)
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

// dc is the present DC, dequantised.
func (t *target) dc() int32 { return min(max(t.pred*t.step, -4096), 4095) }

// flat fills the MCUs from number m to before end with the colour of the last one.
func (s *scan) flat(m, end int) {
	for ; m < end; m++ {
		x, y := m%s.head.across, m/s.head.across
		for _, b := range s.blocks[:s.head.perMCU] {
			t := &s.comps[b.comp]
			fill(t.plane[y*t.down*t.stride+x*t.across+b.offset:], t.stride, s.size, t.dc())
		}
	}
}

// resync goes on to behind the next restart marker, where number modulo 8 is expected. If the marker is a later one, lost says
// how many intervals are missing. One that was there already is passed over. It is not found if another marker comes before it,
// or the end.
func (s *scan) resync(number int) (lost int, found bool) {
	r := &s.r
	r.acc, r.n, r.fake = 0, 0, 0
	for ; r.pos+2 <= len(r.b); r.pos++ {
		m := r.b[r.pos+1]
		if r.b[r.pos] != 0xFF || m == 0 || m == 0xFF {
			continue
		}
		if m < mRST0 || m > mRST7 {
			return 0, false
		}
		// Of eight numbers the four that follow are taken for later ones.
		if lost = (int(m-mRST0) - number) & 7; lost < 4 {
			r.pos += 2
			return lost, true
		}
	}
	return 0, false
}
