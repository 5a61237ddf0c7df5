package mjpeg

import "slices"

// convertColors converts the decoded components to Y, Cb and Cr in planes.
func (d *Decoder) convertColors() {
	if d.needsResampling() {
		d.resample()
	}
	p := &d.planes
	switch {
	case d.header.n == 4:
		p.fromCMYK(d.resampled[3*p.W*p.H:], d.header.ycck())
	case d.header.rgb():
		p.fromRGB()
	}
}

// needsResampling reports whether Planes cannot have the frame's components as
// they are.
func (d *Decoder) needsResampling() bool {
	g := &d.header.geometry
	if g.n == 1 {
		return false
	}
	y, cb, cr := &g.comps[0], &g.comps[1], &g.comps[2]
	x, v := g.hmax/cb.h, g.vmax/cb.v
	return g.n == 4 || y.h != g.hmax || y.v != g.vmax || cb.h != cr.h || cb.v != cr.v || x == 3 || v == 3 ||
		x*v > 1 && d.header.rgb()
}

// resample makes planes of full size from all components. It repeats samples,
// as for the pixels of Planes.
func (d *Decoder) resample() {
	g, p := &d.header.geometry, &d.planes
	n := p.W * p.H
	d.resampled = slices.Grow(d.resampled[:0], g.n*n)[:g.n*n]
	for i, c := range g.comps[:g.n] {
		t, out := &d.comps[i], d.resampled[i*n:(i+1)*n]
		x, y := g.hmax/c.h, g.vmax/c.v
		for row := range p.H {
			in := t.samples[row/y*t.stride:]
			for col := range p.W {
				out[row*p.W+col] = in[col/x]
			}
		}
	}
	p.Y, p.Cb, p.Cr = d.resampled[:n], d.resampled[n:2*n], d.resampled[2*n:3*n]
	p.YStride, p.CStride, p.SubX, p.SubY = p.W, p.W, 1, 1
}

// fromRGB converts red, green and blue to Y, Cb and Cr of JFIF.
func (p *Planes) fromRGB() {
	for i := range p.Y {
		p.setRGB(i, int32(p.Y[i]), int32(p.Cb[i]), int32(p.Cr[i]))
	}
}

func (p *Planes) setRGB(i int, r, g, b int32) {
	const half, middle = 1 << 15, 128<<16 + 1<<15 - 1
	p.Y[i] = byte((19595*r + 38470*g + 7471*b + half) >> 16)
	p.Cb[i] = byte((-11059*r - 21709*g + 32768*b + middle) >> 16)
	p.Cr[i] = byte((32768*r - 27439*g - 5329*b + middle) >> 16)
}

// fromCMYK converts cyan, magenta, yellow and black. Files have them inverted,
// as Adobe writes them: 255 is no ink. With ycck, Y, Cb and Cr stand for red,
// green and blue, which are the inverted inks once more inverted.
func (p *Planes) fromCMYK(black []byte, ycck bool) {
	for i, k := range black[:len(p.Y)] {
		r, g, b := int32(p.Y[i]), int32(p.Cb[i]), int32(p.Cr[i])
		if ycck {
			r, g, b = rgbOfYCbCr(r, g, b)
			r, g, b = 255-r, 255-g, 255-b
		}
		p.setRGB(i, scale255(r, int32(k)), scale255(g, int32(k)), scale255(b, int32(k)))
	}
}

func scale255(v, k int32) int32 { return (v*k + 127) / 255 }

func rgbOfYCbCr(y, cb, cr int32) (r, g, b int32) {
	y, cb, cr = y<<16+1<<15, cb-128, cr-128
	clamp := func(v int32) int32 { return min(max(v>>16, 0), 255) }
	return clamp(y + 91881*cr), clamp(y - 22554*cb - 46802*cr), clamp(y + 116130*cb)
}
